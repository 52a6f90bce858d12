// @google-cloud/run with its default transport, which is gRPC. Nothing is set by hand: what
// `homerun env --connect` prints is the environment.
'use strict';
const assert = require('node:assert');
const {ServicesClient, RevisionsClient, JobsClient} = require('@google-cloud/run').v2;

const parent = `projects/${process.env.GOOGLE_PROJECT}/locations/${process.env.GOOGLE_REGION}`;
const name = `${parent}/services/node-grpc`;
const template = {containers: [{image: 'us-docker.pkg.dev/cloudrun/container/hello'}]};
const services = new ServicesClient();

async function done(call) {
  const [operation] = await call;
  const [result] = await operation.promise();
  return result;
}

async function main() {
  const made = await done(services.createService({parent, serviceId: 'node-grpc', service: {template}}));
  assert.equal(made.name, name);
  const [read] = await services.getService({name});
  assert.equal(read.uri, made.uri);
  const [listed] = await services.listServices({parent});
  assert.deepEqual(listed.map((one) => one.name), [name]);

  const mask = {paths: ['invoker_iam_disabled']};
  const open = await done(services.updateService({service: {name, invokerIamDisabled: true}, updateMask: mask}));
  assert.equal(open.invokerIamDisabled, true);
  const shut = await done(services.updateService({service: {name}, updateMask: mask}));
  assert.equal(shut.invokerIamDisabled, false);
  const [policy] = await services.getIamPolicy({resource: name});
  policy.bindings.push({role: 'roles/run.invoker', members: ['allUsers']});
  const [changed] = await services.setIamPolicy({resource: name, policy});
  assert.deepEqual(changed.bindings[0].members, ['allUsers']);

  const [revisions] = await new RevisionsClient().listRevisions({parent: name});
  assert.ok(revisions.length > 0);
  await assert.rejects(services.getService({name: `${parent}/services/none`}),
    (error) => error.code === 5 && error.reason === 'RESOURCE_NOT_FOUND');
  await assert.rejects(new JobsClient().listJobs({parent}),
    (error) => error.code === 12 && /not implemented/.test(error.message));
  await done(services.deleteService({name}));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
