// The official Node client of MCP, as it is: the same as mcp_agent.py. mcp_agent.mjs URL [DOCUMENT];
// certificates by NODE_EXTRA_CA_CERTS, packages by NODE_PATH.
import dns from "node:dns";
import { createRequire } from "node:module";
import { join } from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

// Names below localhost are this machine, which the resolver need not know.
const { lookup } = dns;
dns.lookup = (name, options, done) => lookup(name.endsWith(".localhost") ? "127.0.0.1" : name, options, done);

const require = createRequire(join(process.env.NODE_PATH, "x"));
const load = (name) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${name}`)));
const { Client } = await load("client/index.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
const { UnauthorizedError } = await load("client/auth.js");

const url = new URL(process.argv[2]);
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const hear = async () => (await lines.next()).value ?? "";
const tell = (what) => console.log(JSON.stringify(what));

const kept = {};
const provider = {
  redirectUrl: "http://127.0.0.1:8765/callback",
  clientMetadataUrl: process.argv[3],
  clientMetadata: {
    client_name: "Node agent",
    redirect_uris: ["http://127.0.0.1:8765/callback"],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  state: () => (kept.state = String(Math.random())),
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  redirectToAuthorization: (where) => tell({ open: where.href }),
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
  invalidateCredentials: (what) => {
    if (what === "all" || what === "tokens") delete kept.tokens;
    if (what === "all" || what === "client") delete kept.client;
  },
};

async function connect() {
  const client = new Client({ name: "Node agent", version: "1" });
  const transport = new StreamableHTTPClientTransport(url, { authProvider: provider });
  try {
    await client.connect(transport);
  } catch (why) {
    if (!(why instanceof UnauthorizedError)) throw why;
    const back = new URL(await hear()).searchParams;
    if (back.get("state") !== kept.state) throw new Error("another state");
    await transport.finishAuth(back.get("code"));
    return connect();
  }
  return client;
}

while (await hear()) {
  const client = await connect();
  const result = await client.callTool({ name: "whoami", arguments: {} });
  tell({ said: result.content[0].text });
  await client.close();
}
process.exit(0);
