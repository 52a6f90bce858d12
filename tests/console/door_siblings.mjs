// A service that attacks its siblings and the sign-in, in a real browser: what tests/e2e/door_attacks.py starts.
import { equal, freshPage, homerun, main, ready, takeFaults, test } from "./browser.mjs";

const { HOMERUN_SERVICE: service, HOMERUN_MIRROR: mirror, HOMERUN_EVIL: evil } = process.env;
const session = "__Host-homerun_session";

/** A page of P's, who has been at the service and at the mirror. */
async function insider() {
  const page = await freshPage({ ignoreHTTPSErrors: true });
  await page.goto(`${mirror}/page`);
  await page.goto(await homerun("invite", "p@example.com", "--print"));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${mirror}/page`);
  await page.goto(`${service}/`);
  equal(await page.textContent("body"), "here\n", "the service");
  return page;
}

/** Whether P is still signed in everywhere. */
async function stillIn(page, what) {
  for (const [url, wanted] of [[`${service}/`, "here"], [`${mirror}/page`, "here"], [`${ready().auth}/`, "p@example.com"]]) {
    await page.goto(url);
    equal((await page.textContent("body")).includes(wanted), true, `${what}: ${url}`);
  }
}

/** "open" or "error": a WebSocket to TO from a page of FROM. */
async function socketFrom(page, from, to) {
  await page.goto(from);
  return page.evaluate(
    (url) =>
      new Promise((done) => {
        const socket = new WebSocket(url);
        socket.onopen = () => done("open");
        socket.onerror = () => done("error");
      }),
    `${to.replace("https", "wss")}/tunnel`,
  );
}

test("a_websocket_opens_from_the_own_page_alone", async () => {
  const page = await insider();
  equal(await socketFrom(page, `${service}/`, service), "open", "from its own page");
  equal(await socketFrom(page, `${evil}/page`, service), "error", "from a sibling");
  equal(await socketFrom(page, `${mirror}/page`, service), "error", "from another service where P is signed in");
});

test("clear_site_data_of_one_service_signs_nobody_out_of_another", async () => {
  const page = await insider();
  for (const asked of ['"cookies"', '"*"', '"cache", "cookies", "storage"']) {
    await page.goto(`${evil}/says?Clear-Site-Data=${encodeURIComponent(asked)}`);
    await page.goto(`${mirror}/says?Clear-Site-Data=${encodeURIComponent(asked)}`);
    await stillIn(page, asked);
  }
});

test("cookies_that_a_sibling_tosses_shadow_none_of_ours", async () => {
  const page = await insider();
  const domain = new URL(evil).hostname.replace(/^[^.]*\./, "");
  const names = [session, session.toLowerCase(), session.toUpperCase(), `${session}%00`, ` ${session}`, "__Host-homerun_sso",
    "__Secure-homerun_session", `=${session}`, `x; ${session}`];
  for (const above of [domain, ready().domain ?? "run.localhost"]) {
    for (const name of names) {
      const line = `${name}=evil; Domain=${above}; Path=/; Secure`;
      await page.goto(`${evil}/says?Set-Cookie=${encodeURIComponent(line)}`);
      await page.goto(`${evil}/page`);
      await page.evaluate((text) => { document.cookie = text; }, line);
      await page.evaluate((text) => { document.cookie = text; }, `${line.replace("Path=/", "Path=/page")}`);
    }
  }
  await stillIn(page, "tossed");
});

test("a_service_sets_cookies_for_itself_alone", async () => {
  const page = await insider();
  const mine = new URL(evil).hostname;
  const above = mine.replace(/^[^.]*\./, "");
  for (const [name, domain] of [["wide", above], ["wider", ready().domain ?? "run.localhost"], ["dotted", `.${above}`], ["own", mine]]) {
    await page.goto(`${evil}/says?Set-Cookie=${encodeURIComponent(`answer_${name}=1; Domain=${domain}; Path=/`)}`);
  }
  await page.goto(`${evil}/says?Set-Cookie=${encodeURIComponent("answer_plain=1; Path=/")}`);
  const names = async (url) => (await page.context().cookies(url)).map((one) => one.name).filter((name) => name.startsWith("answer_")).sort().join();
  equal(await names(evil), "answer_own,answer_plain", "at its own host");
  equal(await names(mirror), "", "at a sibling's");
  equal(await names(ready().auth), "", "at the sign-in");
});

test("a_sibling_can_neither_read_nor_frame_nor_post", async () => {
  const page = await insider();
  await page.goto(`${evil}/page`);
  const tried = await page.evaluate(async ([there, auth]) => {
    const seen = {};
    for (const [name, url, how] of [["get", `${there}/page`, {}], ["post", `${there}/page`, { method: "POST", body: "x" }],
      ["home", `${auth}/`, {}], ["signout", `${auth}/_homerun/auth/signout`, { method: "POST" }]]) {
      seen[name] = await fetch(url, { credentials: "include", ...how }).then((answer) => answer.status, () => "unreadable");
      await fetch(url, { credentials: "include", mode: "no-cors", ...how }).catch(() => {});
    }
    const frame = document.createElement("iframe");
    frame.src = `${auth}/`;
    document.body.append(frame);
    await new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
    try {
      seen.frame = frame.contentDocument === null ? "closed" : "open";
    } catch {
      seen.frame = "closed";
    }
    return seen;
  }, [mirror, ready().auth]);
  equal(JSON.stringify(tried), JSON.stringify({ get: "unreadable", post: "unreadable", home: "unreadable", signout: "unreadable", frame: "closed" }), "tried");
  equal(takeFaults(/frame-ancestors/).length > 0, true, "the browser refuses the frame");
  await stillIn(page, "after the attempts");
});

await main();
