// A person lets an agent in, in a real browser: what tests/e2e/agents.py starts. AGENT_URL and AGENT_FAR_URL ask for
// consent, the second one for a program at another host; PORT in the first is this process's.
import { createServer } from "node:http";

import { equal, freshPage, homerun, main, picture, takeFaults, test } from "./browser.mjs";

const came = [];
const program = createServer((request, response) => {
  if (request.url.startsWith("/callback")) came.push(new URL(request.url, "http://127.0.0.1"));
  response.end("<h1>Back in the program</h1>");
});
await new Promise((done) => program.listen(0, "127.0.0.1", done));
const here = process.env.AGENT_URL.replace("PORT", program.address().port);

async function question(url) {
  const page = await freshPage({ ignoreHTTPSErrors: true });
  await page.goto(url);
  await page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  await page.goto(await homerun("invite", "ann@example.com", "--print"));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Let this program in?" }).waitFor();
  return page;
}

test("a_click_leads_back_to_the_program", async () => {
  const page = await question(here);
  await picture(page, "agent-consent");
  await page.getByRole("button", { name: "Let it in" }).click();
  await page.getByRole("heading", { name: "Back in the program" }).waitFor();
  equal(came.length, 1, "how often the program was called");
  equal(came[0].searchParams.get("code").length, 43, "the code");
  equal(came[0].searchParams.get("state"), "s1", "the state");
});

test("a_no_leads_back_too", async () => {
  const page = await question(here);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "Back in the program" }).waitFor();
  equal(came.at(-1).searchParams.get("error"), "access_denied", "what the program hears");
});

test("a_program_elsewhere_gets_its_code_too", async () => {
  const page = await question(process.env.AGENT_FAR_URL);
  await page.getByText("app.example").waitFor();
  // Nobody is there: what counts is that the browser goes.
  const gone = page.waitForRequest((request) => request.url().startsWith("https://app.example/cb?"));
  await page.getByRole("button", { name: "Let it in" }).click();
  equal(new URL((await gone).url()).searchParams.get("state"), "s1", "the state");
});

test("nothing_frames_the_question", async () => {
  const page = await question(here);
  const url = page.url();
  await page.goto(`http://127.0.0.1:${program.address().port}/`);
  const refused = page.waitForEvent("console", (line) => line.text().includes("frame-ancestors") || line.text().includes("X-Frame-Options"));
  await page.evaluate((src) => { document.body.append(Object.assign(document.createElement("iframe"), { src })); }, url);
  await refused;
  equal(takeFaults(/frame-ancestors/).length > 0, true, "the browser says why");
});

await main();
program.close();
