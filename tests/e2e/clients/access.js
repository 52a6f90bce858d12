// A service opened and closed with the official libraries, and called with ID tokens that
// google-auth-library obtained. access.js: everything is in what `homerun env` prints, and
// NODE_EXTRA_CA_CERTS names the local CA.
'use strict';
const assert = require('node:assert');
const dns = require('node:dns');
const https = require('node:https');

// Names below .localhost mean this machine (RFC 6761), which not every resolver knows.
const systemLookup = dns.lookup;
dns.lookup = (host, ...rest) =>
  systemLookup(host.endsWith('.localhost') ? '127.0.0.1' : host, ...rest);

const {ServicesClient} = require('@google-cloud/run').v2;
const {run} = require('@googleapis/run');
const {GoogleAuth} = require('google-auth-library');

const {HOMERUN_API: api, GOOGLE_APPLICATION_CREDENTIALS: keyFilename} = process.env;
const parent = `projects/${process.env.GOOGLE_PROJECT}/locations/${process.env.GOOGLE_REGION}`;
const image = 'us-docker.pkg.dev/cloudrun/container/hello';
const {hostname, port} = new URL(api);
const services = new ServicesClient({
  apiEndpoint: hostname, port: Number(port), protocol: 'http', keyFilename, fallback: true});

async function done(call) {
  const [operation] = await call;
  const [result] = await operation.promise();
  return result;
}

const setSwitch = (name, invokerIamDisabled) => done(services.updateService({
  service: {name, invokerIamDisabled}, updateMask: {paths: ['invoker_iam_disabled']}}));

function anonymous(url) {
  return new Promise((resolve, reject) => {
    https.get(url, {agent: false}, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode));
    }).on('error', reject);
  });
}

// The library asks the metadata server, since no key file is named: with one it would ask
// Google's own token endpoint, whatever the file says.
async function byMetadata(url, audience) {
  const client = await new GoogleAuth().getIdTokenClient(audience);
  const answer = await client.request({url, validateStatus: () => true});
  return answer.status;
}

async function main() {
  const made = await done(services.createService({
    parent, serviceId: 'node-access', service: {template: {containers: [{image}]}}}));
  const {name, uri: url} = made;
  assert.equal(await anonymous(url), 403);

  delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
  assert.equal(await byMetadata(url, url), 200);
  assert.equal(await byMetadata(url, 'https://example.com'), 401);

  // Access tokens of the metadata server open the API for @googleapis/run.
  const auth = new GoogleAuth({scopes: 'https://www.googleapis.com/auth/cloud-platform'});
  const discovered = run({version: 'v2', rootUrl: `${api}/`, auth}).projects.locations.services;
  const {data: read} = await discovered.get({name});
  assert.equal(read.uri, url);
  // That account is an Editor: it may change a service, but not open it to everyone.
  await assert.rejects(discovered.patch({
    name, updateMask: 'invokerIamDisabled', requestBody: {invokerIamDisabled: true}}),
    (error) => Number(error.code ?? error.status) === 403);

  for (let i = 0; i < 20; i++) {
    await setSwitch(name, true);
    assert.equal(await anonymous(url), 200);
    await setSwitch(name, false);
    assert.equal(await anonymous(url), 403);
  }
  for (let i = 0; i < 5; i++) {
    const [policy] = await services.getIamPolicy({resource: name});
    policy.bindings = [{role: 'roles/run.invoker', members: ['allUsers']}];
    const [open] = await services.setIamPolicy({resource: name, policy});
    assert.equal(await anonymous(url), 200);
    await services.setIamPolicy({resource: name, policy: {...open, bindings: []}});
    assert.equal(await anonymous(url), 403);
  }
  await done(services.deleteService({name}));
  assert.equal(await anonymous(url), 404);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
