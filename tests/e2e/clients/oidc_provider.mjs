// A certified OpenID provider for the tests: npm's oidc-provider with one client, which is Homerun, and the people
// that PEOPLE names. Started with its arguments as JSON; prints its issuer when it listens.
//
//   node oidc_provider.mjs '{"redirect": "…/callback", "after": "…/", "backchannel": "…", "ca": "ca.pem"}'
import { createRequire } from "node:module";
import dns from "node:dns";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// Names below localhost are this machine, which the resolver need not know.
const { lookup } = dns;
dns.lookup = (name, options, done) => lookup(name.endsWith(".localhost") ? "127.0.0.1" : name, options, done);

const given = JSON.parse(process.argv[2]);
const require = createRequire(join(process.env.NODE_PATH, "x"));
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const PEOPLE = {
  ann: { email: "Ann@corp.example", email_verified: true, groups: ["staff", "/admins"] },
  eve: { email: "eve@elsewhere.example", email_verified: true, groups: [] },
  una: { email: "una@corp.example", email_verified: false },
};

const server = createServer();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://localhost:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: "homerun",
    client_secret: "a secret: with %signs",
    redirect_uris: [given.redirect],
    post_logout_redirect_uris: [given.after],
    grant_types: ["authorization_code", "refresh_token"],
    backchannel_logout_uri: given.backchannel,
    backchannel_logout_session_required: true,
    application_type: "web",
  }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "offline_access", "profile", "email", "groups"],
  features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true }, devInteractions: { enabled: true } },
  // The library asks for offline_access and consent first; Homerun asks for what it was told to.
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub, ...PEOPLE[sub] }) }),
  // The library's own fetch refuses this machine.
  fetch: (url, options) => {
    delete options.dispatcher;
    return globalThis.fetch(url, options);
  },
});
provider.on("server_error", (ctx, why) => console.error("server_error", why));
provider.on("backchannel.error", (ctx, why) => console.error("backchannel.error", why));
server.on("request", (request, response) => {
  // For the tests: a person's groups change, and an account is closed.
  const [, what, who, value] = new URL(request.url, issuer).pathname.split("/");
  if (what === "test-groups") {
    PEOPLE[who].groups = value === "" ? [] : value.split(",");
    response.end("done");
  } else {
    provider.callback()(request, response);
  }
});
console.log(issuer);
