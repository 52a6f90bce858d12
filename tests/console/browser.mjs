// A real browser at the console of a real Homerun: what tests/e2e/console.py starts. Each test signs in by a
// link of its own and prints "ok NAME", "not ok NAME: why".
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const { HOMERUN, HOMERUN_DATA, HOMERUN_CA, HOMERUN_CONSOLE, HOMERUN_SHOTS, HOMERUN_PINS, CHROMIUM } = process.env;
const require = createRequire(join(HOMERUN_CONSOLE, "package.json"));
export const { chromium } = require("playwright-core");
export const axeSource = require("axe-core").source;
const run = promisify(execFile);

/** `homerun ARGUMENTS` against the instance; what it prints. */
export async function homerun(...argv) {
  const { stdout } = await run(HOMERUN, argv, { env: { ...process.env, HOMERUN_DATA } });
  return stdout.trim();
}

/** Applies a file of YAML by the command line. */
export async function typedYaml(text) {
  const file = join(HOMERUN_DATA, "typed.yaml");
  writeFileSync(file, text);
  await homerun("services", "replace", file);
}

/** Types a line of gcloud, set up as `homerun env` says; false where there is no gcloud. */
export async function typedGcloud(line) {
  const shell = (text) => run("bash", ["-c", text], { env: { ...process.env, HOMERUN_DATA, CLOUDSDK_CONFIG: join(HOMERUN_DATA, "typed-gcloud") } });
  try {
    await shell("command -v gcloud");
  } catch {
    return false;
  }
  await shell(`eval "$("$HOMERUN" env)"; export CLOUDSDK_CORE_DISABLE_PROMPTS=1; ${line}`);
  return true;
}

/** Where everything is, and which processes there are now. */
export const ready = () => JSON.parse(readFileSync(join(HOMERUN_DATA, "ready.json"), "utf8"));

/** One API call as the owner; its JSON. */
export async function api(method, path, body) {
  const answer = await fetch(ready().api + path, {
    method,
    headers: { Authorization: `Bearer ${await homerun("token", "access")}`, "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`${method} ${path}: ${text}`);
  }
  return JSON.parse(text);
}

/** BODY runs while the project's policy for CONSTRAINT has RULE. */
export async function withPolicy(constraint, rule, body) {
  const name = `projects/demo/policies/${constraint}`;
  await api("POST", "/v2/projects/demo/policies", { name, spec: { rules: [rule] } });
  try {
    await body();
  } finally {
    await api("DELETE", `/v2/${name}`);
  }
}

/** What a stranger is answered by a service. */
export async function strangerSees(service) {
  const listed = JSON.parse(await homerun("services", "list", "--format=json"));
  const url = listed.find((one) => (one.name ?? one.metadata?.name).endsWith(service));
  return statusOf(url.uri ?? url.status.url);
}

export async function statusOf(url, ...more) {
  const argv = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", HOMERUN_CA, ...more, url];
  return Number((await run("curl", argv)).stdout);
}

let browser;
const faults = [];

/** What the browser reported that has PATTERN in it, which the test provoked. */
export const takeFaults = (pattern) =>
  faults.filter((one) => pattern.test(one)).map((one) => faults.splice(faults.indexOf(one), 1)[0]);

/** A page in a browser context of its own. MORE: options of that. */
export async function freshPage({ width = 1280, dark = false, ...more } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: dark ? "dark" : "light",
    ...more,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(10000);
  page.on("pageerror", (why) => faults.push(`script: ${why.message}`));
  page.on("console", (said) => {
    if (/content security policy/i.test(said.text())) {
      faults.push(`CSP: ${said.text()}`);
    }
  });
  return page;
}

/** A page that is signed in as MEMBER ("" for the owner). */
export async function signedIn({ member = "", ...look } = {}) {
  const link = await homerun("console", "--print", ...(member ? [`--as=${member}`] : []));
  const page = await freshPage(look);
  await page.goto(link);
  await page.getByRole("heading", { name: "Services", level: 1 }).waitFor();
  page.base = new URL(link).origin;
  return page;
}

export function equal(seen, wanted, what) {
  if (seen !== wanted) {
    throw new Error(`${what}: ${seen}, not ${wanted}`);
  }
}

/** Keeps a picture for people to look at, where the run keeps any. */
export async function picture(page, name) {
  if (HOMERUN_SHOTS) {
    mkdirSync(HOMERUN_SHOTS, { recursive: true });
    await page.screenshot({ path: join(HOMERUN_SHOTS, `${name}.png`) });
  }
}

const tests = [];
export const test = (name, body) => tests.push([name, body]);

export async function main() {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
      // Certificates by the hash of their key: for what a page may do only where they are good.
      ...(HOMERUN_PINS ? [`--ignore-certificate-errors-spki-list=${HOMERUN_PINS}`] : [])],
  });
  const wanted = process.argv.slice(2);
  for (const [name, body] of tests.filter(([name]) => wanted.length === 0 || wanted.some((word) => name.includes(word)))) {
    faults.length = 0;
    try {
      await body();
      equal(faults.join("; "), "", "what the browser reported");
      console.log(`ok ${name}`);
    } catch (why) {
      process.exitCode = 1;
      console.log(`not ok ${name}: ${String(why.message).split("\n").slice(0, 3).join(" ")}`);
    }
    for (const context of browser.contexts()) {
      await context.close();
    }
  }
  await browser.close();
}
