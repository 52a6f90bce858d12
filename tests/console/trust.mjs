// What another site's page can do to somebody who is signed in: show nothing, send nothing.
import { createServer } from "node:http";
import { api, equal, main, signedIn, takeFaults, test } from "./browser.mjs";

/** A page of another origin with BODY; its URL. It is closed with the test run. */
function foreign(body) {
  const server = createServer((_request, response) => {
    response.setHeader("Content-Type", "text/html; charset=UTF-8");
    response.end(`<!doctype html><title>foreign</title>${body}`);
  });
  server.unref();
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}/`));
  });
}

const bindings = async () => JSON.stringify((await api("POST", "/v1/projects/demo:getIamPolicy", {})).bindings);

test("no_page_of_another_site_frames_the_console", async () => {
  const page = await signedIn();
  for (const path of ["/console/", "/console/services", "/"]) {
    const refused = page.waitForEvent("console", { predicate: (said) => /frame-ancestors/.test(said.text()) });
    await page.goto(await foreign(`<iframe src="${page.base}${path}"></iframe><p>ready</p>`));
    await page.getByText("ready").waitFor();
    await refused;
    const frame = page.frames().find((one) => one !== page.mainFrame());
    equal(/^(chrome-error|about:blank)/.test(frame?.url() ?? "about:blank"), true, `${path} in a frame: ${frame?.url()}`);
    equal(takeFaults(/Framing/).length, 1, "what the browser reported");
  }
});

test("a_form_of_another_site_changes_nothing", async () => {
  const page = await signedIn();
  const before = await bindings();
  const evil = JSON.stringify({ policy: { bindings: [{ role: "roles/owner", members: ["allUsers"] }] } });
  for (const [type, method] of [["text/plain", "post"], ["application/x-www-form-urlencoded", "post"], ["multipart/form-data", "post"]]) {
    const at = `${page.base}/v1/projects/demo:setIamPolicy`;
    await page.goto(await foreign(
      `<form action="${at}" method="${method}" enctype="${type}"><input name='${evil.slice(0, -1)},"x":"' value='"}'></form>`));
    const answered = page.waitForResponse((one) => one.url() === at);
    await page.evaluate(() => document.forms[0].submit());
    const status = (await answered).status();
    await page.waitForURL(at);
    equal(status >= 400 && status < 500, true, `${type}: ${status}`);
  }
  equal(await bindings(), before, "the project's policy");
});

test("a_script_of_another_site_reads_and_changes_nothing", async () => {
  const page = await signedIn();
  const before = await bindings();
  const base = page.base;
  await page.goto(await foreign("<p>ready</p>"));
  const seen = await page.evaluate(async (origin) => {
    const tries = [
      () => fetch(`${origin}/v1/projects`, { credentials: "include" }).then((one) => one.text()),
      () => fetch(`${origin}/console/session`, { credentials: "include" }).then((one) => one.text()),
      () => fetch(`${origin}/v1/projects/demo:setIamPolicy`, {
        method: "POST", credentials: "include",
        headers: { "X-Homerun-Console": "1", "Content-Type": "application/json" },
        body: JSON.stringify({ policy: { bindings: [] } }),
      }).then((one) => one.text()),
      () => fetch(`${origin}/v1/projects/demo:setIamPolicy`, { method: "POST", mode: "no-cors", credentials: "include", body: "{}" })
        .then((one) => (one.type === "opaque" ? "" : one.text())),
      () => new Promise((resolve, reject) => {
        const events = new EventSource(`${origin}/console/events`, { withCredentials: true });
        events.onopen = () => resolve("opened");
        events.onerror = () => reject(new Error("refused"));
      }),
    ];
    const found = [];
    for (const one of tries) {
      found.push(await one().catch(() => ""));
    }
    return found;
  }, base);
  equal(seen.join("|"), "||||", "what a foreign script reads");
  equal(await bindings(), before, "the project's policy");
});

test("a_window_that_another_site_opens_is_out_of_its_reach", async () => {
  const page = await signedIn();
  await page.goto(await foreign("<p>ready</p>"));
  const opened = page.waitForEvent("popup");
  await page.evaluate((at) => { window.victim = window.open(at); }, `${page.base}/console/`);
  await (await opened).waitForLoadState();
  const text = await page.evaluate(() => {
    try {
      return window.victim.document?.body?.innerText ?? "";
    } catch {
      return "";
    }
  });
  equal(text, "", "what the opener reads");
});

await main();
