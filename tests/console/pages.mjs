// Every page, in three widths, light and dark: nothing that axe finds, nothing wider than the screen, pictures
// for people to look at.
import { axeSource, equal, main, picture, signedIn, test } from "./browser.mjs";

const SERVICE = "services/us-central1/one";
const NAME = "projects/demo/locations/us-central1/services/one";
const PAGES = {
  services: "services",
  deploy: "deploy",
  metrics: `${SERVICE}/metrics`,
  revisions: `${SERVICE}/revisions`,
  logs: `${SERVICE}/logs`,
  networking: `${SERVICE}/networking`,
  security: `${SERVICE}/security`,
  permissions: `${SERVICE}/permissions`,
  yaml: `${SERVICE}/yaml`,
  "access-public": "access/public",
  "access-refused": "access/refused",
  "access-who": `access/who?service=${NAME}`,
  "access-what": "access/what?member=allUsers",
  "access-explain": `access/explain?service=${NAME}`,
  "access-plan": `access/plan?service=${NAME}`,
  "access-history": `access/history?resource=${NAME}`,
  policies: "policies",
  policy: "policies/run.managed.requireInvokerIam",
  "iam-members": "iam/members",
  "iam-accounts": "iam/accounts",
  "iam-groups": "iam/groups",
  "iam-issuers": "iam/issuers",
  nowhere: "no/such/page",
};

/** The page has what it shows: nothing is loading, and a heading stands. */
async function settled(page) {
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await page.locator(".loading").first().waitFor({ state: "detached" });
}

async function axe(page) {
  /* The page's policy forbids scripts of others: this one comes in by the debugger, past it. */
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }));
  return violations.map((one) => `${one.id} (${one.nodes[0].target.join(" ")})`).join(", ");
}

/** What is wrong with the page as it stands: wider than its window, or hard to reach for some. */
async function faults(page, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  /* On a narrow screen tables are pushed to and fro; on others nothing of them is cut off. */
  const cut = await page.evaluate(() => window.innerWidth >= 1280 &&
    [...document.querySelectorAll(".table-place")].filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.getAttribute("aria-label")).join(", "));
  const broken = await axe(page);
  return [...cut ? [`${name}: cut off: ${cut}`] : [], ...wide > 0 ? [`${name} is ${wide} px too wide`] : [], ...broken ? [`${name}: ${broken}`] : []];
}

/* A run that keeps pictures takes each of them; one that looks for faults does not need them all. */
const PICTURES = Boolean(process.env.HOMERUN_SHOTS);
/* What stands on the narrowest screen stands on a telephone's, of which pictures are kept. */
const NARROW = PICTURES ? 360 : 320;

for (const [width, dark] of [[NARROW, false], [1280, false], [1280, true], [1920, true], ...(PICTURES ? [[320, false], [360, true], [1920, false], [3840, true]] : [])]) {
  test(`pages_at_${width}_${dark ? "dark" : "light"}`, async () => {
    const page = await signedIn({ width, dark });
    const found = [];
    for (const [name, path] of Object.entries(PAGES)) {
      await page.goto(`${page.base}/console/${path}`);
      await settled(page);
      found.push(...await faults(page, name));
      await picture(page, `${name}-${width}-${dark ? "dark" : "light"}`);
    }
    equal(found.join("; "), "", "pages");
  });
}

/* What only shows when something is chosen: the path, and what is done there. */
const OPEN = {
  "revision-opened": [`${SERVICE}/revisions`, async (page) => {
    await page.getByRole("button", { name: /^Details of one-/ }).first().click();
    await page.getByRole("heading", { name: "Instances" }).waitFor();
  }],
  "traffic": [`${SERVICE}/revisions`, async (page) => {
    await page.getByRole("button", { name: "Manage traffic" }).click();
    await page.locator("dialog details.same summary").click();
    await page.getByRole("button", { name: "Terraform", exact: true }).click();
    await page.getByText("import {").waitFor();
  }],
  "security-same": [`${SERVICE}/security`, async (page) => {
    await page.locator("details.same summary").first().click();
    await page.getByRole("button", { name: "YAML", exact: true }).click();
    await page.getByText("apiVersion: serving.knative.dev/v1").waitFor();
  }],
  "what-asked": ["access/what", async (page) => {
    await page.getByLabel("Who calls").fill("allUsers");
    await page.getByRole("button", { name: "Ask" }).click();
    await page.getByText(/may call \d+ of/).waitFor();
    await page.reload();
    await page.getByText(/allUsers may call \d+ of/).waitFor();
  }],
  "deploy-probes": ["deploy", async (page) => {
    await page.getByLabel("Type").first().selectOption("http");
    await page.getByLabel("Timeout (s)").fill("99");
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByText("It cannot be longer than the period.").waitFor();
  }],
  "group-made": ["iam/groups", async (page) => {
    await page.getByRole("button", { name: "Create group" }).click();
    await page.getByLabel("Members").fill("ann");
    await page.getByRole("dialog").getByRole("button", { name: "Create", exact: true }).click();
    await page.getByText("ann names nobody").waitFor();
  }],
  "issuer-added": ["iam/issuers", async (page) => {
    await page.getByRole("button", { name: "Add issuer" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Add", exact: true }).click();
    await page.getByText("An issuer is an address").waitFor();
  }],
  "keys-opened": ["iam/accounts", async (page) => {
    await page.getByText("Keys", { exact: true }).last().click();
    await page.getByRole("button", { name: "Create key" }).last().waitFor();
  }],
  "deploy-volumes": ["deploy", async (page) => {
    await page.getByRole("tab", { name: "Volumes" }).click();
    await page.getByRole("button", { name: "Add volume" }).click();
    await page.getByRole("button", { name: "Add volume" }).click();
    await page.getByLabel("Volume type").last().selectOption("memory");
    await page.getByRole("button", { name: "Create" }).click();
    await page.locator("details.same summary").click();
  }],
  "deploy-networking": ["deploy", (page) => page.getByRole("tab", { name: "Networking" }).click()],
  "deploy-variables": ["deploy", (page) => page.getByRole("tab", { name: "Variables & secrets" }).click()],
  "security-asked": [`${SERVICE}/security`, async (page) => {
    await page.getByLabel("Allow public access").check();
    await page.getByRole("button", { name: "Who would gain and lose?" }).click();
    await page.getByText("Nothing was changed.").first().waitFor();
  }],
  "principal-linked": [`${SERVICE}/permissions?member=allUsers&role=roles/run.invoker`, async (page) => {
    await page.getByRole("button", { name: "Who would gain and lose?" }).click();
    await page.getByText("Nothing was changed.").first().waitFor();
  }],
  "policy-asked": ["policies/run.allowedIngress", async (page) => {
    await page.getByLabel("Override parent's policy").check();
    await page.getByLabel("Deny all").check();
    await page.getByRole("button", { name: "What would violate it?" }).click();
    await page.getByText("other allow policies violate it").first().waitFor();
  }],
};

for (const [width, dark] of [[NARROW, true], ...(PICTURES ? [[1280, false], [1920, true]] : [])]) {
  test(`what_is_chosen_at_${width}_${dark ? "dark" : "light"}`, async () => {
    const page = await signedIn({ width, dark });
    const found = [];
    for (const [name, [path, act]] of Object.entries(OPEN)) {
      await page.goto(`${page.base}/console/${path}`);
      await settled(page);
      await act(page);
      found.push(...await faults(page, name));
      await picture(page, `${name}-${width}-${dark ? "dark" : "light"}`);
    }
    equal(found.join("; "), "", "pages");
  });
}

/** A service as the API lists it. */
const listed = (number) => ({
  name: `projects/demo/locations/us-central1/services/many-${String(number).padStart(4, "0")}`,
  uri: `https://many-${number}.run.localhost`,
  ingress: "INGRESS_TRAFFIC_ALL",
  updateTime: "2026-01-02T03:04:05Z",
  creator: "user:ann@example.com",
  terminalCondition: { type: "Ready", state: "CONDITION_SUCCEEDED" },
  trafficStatuses: [{ percent: 100, revision: `many-${number}-00001-abc` }],
});

test("a_thousand_services_are_shown_a_page_at_a_time", async () => {
  const page = await signedIn();
  const services = Array.from({ length: 1000 }, (_, number) => listed(number));
  await page.route(/\/v2\/projects\/demo\/locations\/[^/]+\/services(\?|$)/, (route) => route.fulfill({ json: { services } }));
  await page.route(/\/services\/many-\d+:getIamPolicy/, (route) => route.fulfill({ json: { bindings: [], etag: "AAAA" } }));
  const tools = await page.context().newCDPSession(page);
  await tools.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () => (await tools.send("Performance.getMetrics")).metrics.find((one) => one.name === "TaskDuration").value;
  await page.goto("about:blank");
  const before = await busy();
  await page.goto(`${page.base}/console/services`);
  await page.getByRole("link", { name: "many-0000" }).waitFor();
  console.log(`# 1,000 services: ${Math.round(((await busy()) - before) * 1000)} ms of main-thread time`);
  const rows = await page.getByRole("row").count();
  equal(rows > 10 && rows < 120, true, `${rows} rows at once`);
  await page.getByRole("searchbox").first().fill("many-0999");
  await page.getByRole("link", { name: "many-0999" }).waitFor();
  equal(await page.getByRole("row").count(), 2, "rows of the filter");
});

test("long_lists_of_every_kind_are_shown_a_page_at_a_time", async () => {
  const page = await signedIn();
  const many = (made, count = 1000) => Array.from({ length: count }, (_, number) => made(String(number).padStart(4, "0")));
  await page.route(/\/v3\/projects\/demo:getIamPolicy|\/v1\/projects\/demo:getIamPolicy/, (route) =>
    route.fulfill({ json: { etag: "AAAA", bindings: [
      { role: "roles/viewer", members: many((one) => `user:viewer-${one}@example.com`) },
      { role: "roles/browser", members: many((one) => `user:browser-${one}@example.com`) }] } }));
  await page.route(/\/homerun\/v1\/issuers/, (route) =>
    route.fulfill({ json: { issuers: many((one) => ({ name: `issuer-${one}`, issuer: `https://${one}.example` })) } }));
  const asked = [];
  await page.route(/\/v2\/entries:list/, (route) => {
    asked.push(route.request().postDataJSON().filter);
    return route.fulfill({ json: { entries: many((one) => ({ insertId: one, timestamp: `2026-01-02T03:04:05.${9999 - Number(one)}Z`, textPayload: `line ${one}` }), 200) } });
  });
  await page.route(/\/v3\/projects\?parent=/, (route) =>
    route.fulfill({ json: { projects: many((one) => ({ name: `projects/${one}`, projectId: `project-${one}` })) } }));
  const fifty = async (what, rows, last) => {
    equal(await rows.count(), 50, `${what} at once`);
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText(last).waitFor();
    equal(await rows.count(), 50, `${what} on the second page`);
  };
  await page.goto(`${page.base}/console/iam/members`);
  await page.getByText("user:viewer-0000@example.com").waitFor();
  await fifty("members", page.locator(".role-group li"), "user:viewer-0099@example.com");
  const tree = page.getByRole("navigation", { name: "Organization, folders and projects" });
  equal(await tree.getByRole("link").count() < 60, true, "projects at once");
  await tree.getByRole("button", { name: /^\d+ more$/ }).click();
  await tree.getByRole("link", { name: "project-0099" }).waitFor();
  await tree.getByRole("searchbox").fill("project-0777");
  await tree.getByRole("link", { name: "project-0777" }).click();
  await page.waitForURL(/node=projects%2Fproject-0777/);
  await page.goto(`${page.base}/console/iam/issuers`);
  await page.getByRole("heading", { name: "issuer-0000" }).waitFor();
  await fifty("issuers", page.locator(".cards > li"), "issuer-0099");
  await page.goto(`${page.base}/console/${SERVICE}/logs`);
  await page.getByText("line 0000").waitFor();
  await fifty("entries", page.locator("table.log tbody tr"), "line 0099");
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByText("line 0149").waitFor();
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("button", { name: "Older entries" }).click();
  await page.getByRole("button", { name: /^Up to 2026-01-02 03:04:05/ }).waitFor();
  await page.getByText("line 0000").waitFor();
  equal(/timestamp<="2026-01-02T03:04:05\.9800Z"/.test(asked.at(-1)), true, asked.at(-1));
});

await main();
