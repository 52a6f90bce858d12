// The official Node libraries: @google-cloud/run by REST and by gRPC, and @googleapis/run.
// node.js PORT KEY_FILE TOKEN; ends with status 0 if all is as it should be.
'use strict';
const assert = require('node:assert');
const {ServicesClient, RevisionsClient} = require('@google-cloud/run').v2;
const {run} = require('@googleapis/run');
const {OAuth2Client} = require('google-auth-library');

const [port, keyFilename, token] = process.argv.slice(2);
const parent = 'projects/demo/locations/us-central1';
const image = 'us-docker.pkg.dev/cloudrun/container/hello';
const rest = {apiEndpoint: '127.0.0.1', port: Number(port), protocol: 'http', keyFilename,
  fallback: true};

async function done(call) {
  const [operation] = await call;
  const [result] = await operation.promise();
  return result;
}

async function byRest() {
  const services = new ServicesClient(rest);
  const revisions = new RevisionsClient(rest);
  const name = `${parent}/services/by-rest`;
  const service = {labels: {}, annotations: {}, ingress: 'INGRESS_TRAFFIC_ALL', template: {
    labels: {}, annotations: {}, timeout: {seconds: 60}, containers: [{image}]}};

  const checked = await done(services.createService({
    parent, serviceId: 'by-rest', service, validateOnly: true}));
  assert.equal(checked.name, name);
  const made = await done(services.createService({parent, serviceId: 'by-rest', service}));
  assert.equal(Number(made.template.timeout.seconds), 60);

  const [read] = await services.getService({name});
  assert.equal(read.ingress, 'INGRESS_TRAFFIC_ALL');
  assert.equal(read.terminalCondition.state, 'CONDITION_SUCCEEDED');
  assert.match(read.uri, /^https:\/\/by-rest-/);
  const same = await done(services.updateService({service: read}));
  assert.equal(Number(same.generation), Number(read.generation));

  const open = await done(services.updateService({
    service: {name, invokerIamDisabled: true}, updateMask: {paths: ['invoker_iam_disabled']}}));
  assert.equal(open.invokerIamDisabled, true);
  assert.equal(open.template.containers[0].image, image);
  await assert.rejects(done(services.updateService({service: {...read, etag: '"old"'}})),
    (error) => error.code === 409);

  const [list] = await services.listServices({parent: 'projects/demo/locations/-'});
  assert.deepEqual(list.map((one) => one.name), [name]);
  const [all] = await revisions.listRevisions({parent: name});
  assert.equal(all.length, 1);

  const [policy] = await services.getIamPolicy({resource: name});
  policy.bindings = [{role: 'roles/run.invoker', members: ['allUsers']}];
  const [set] = await services.setIamPolicy({resource: name, policy});
  assert.equal(set.bindings[0].role, 'roles/run.invoker');
  const [held] = await services.testIamPermissions({
    resource: name, permissions: ['run.services.get', 'run.routes.invoke']});
  assert.equal(held.permissions.length, 2);

  const broken = {template: {containers: [{image: 'nowhere.example/none'}]}};
  await assert.rejects(done(services.createService({
    parent, serviceId: 'broken', service: broken})), /not ready/);
  for (const id of ['broken', 'by-rest']) {
    await done(services.deleteService({name: `${parent}/services/${id}`}));
  }
  await assert.rejects(services.getService({name}), (error) => error.code === 404);
}

async function byDiscovery() {
  const auth = new OAuth2Client();
  auth.setCredentials({access_token: token});
  const api = run({version: 'v2', rootUrl: `http://127.0.0.1:${port}/`, auth}).projects.locations;
  const {data: started} = await api.services.create({
    parent, serviceId: 'by-discovery', requestBody: {template: {containers: [{image}]}}});
  const {data: ended} = await api.operations.wait({
    name: started.name, requestBody: {timeout: '20s'}});
  assert.equal(ended.done, true);
  assert.equal(ended.response.ingress, 'INGRESS_TRAFFIC_ALL');
  const {data: gone} = await api.services.delete({name: `${parent}/services/by-discovery`});
  assert.equal(gone.done, true);
}

const parts = {byRest, byDiscovery};
parts[process.argv[5]]().catch((error) => {
  console.error(error);
  process.exit(1);
});
