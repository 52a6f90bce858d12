// The door in a real browser: what tests/e2e/signin.py starts.
import { freshPage, equal, homerun, main, picture, ready, test } from "./browser.mjs";

test("one_command_and_one_click_open_the_console", async () => {
  for (const [dark, width] of [[false, 1280], [true, 390]]) {
    const look = `${dark ? "dark" : "light"}-${width}`;
    const page = await freshPage({ dark, width, ignoreHTTPSErrors: true });
    await page.goto(`${ready().console}/console/services`);
    await page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
    await page.getByText("console.run.localhost").waitFor();
    await picture(page, `door-start-${look}`);
    await page.goto(await homerun("login", "--print"));
    await page.getByRole("heading", { name: "Sign in on this browser?" }).waitFor();
    equal(new URL(page.url()).hash, "", "the secret in the address");
    await picture(page, `door-link-${look}`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Services", level: 1 }).waitFor();
    equal(new URL(page.url()).origin, ready().console, "where one gets to");
    await page.goto(`${ready().auth}/`);
    await picture(page, `door-home-${look}`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "You are signed out" }).waitFor();
    await picture(page, `door-out-${look}`);
    await page.goto(`${ready().console}/console/services`);
    await page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  }
});

test("signing_out_of_the_console_leads_to_the_door", async () => {
  const page = await freshPage({ ignoreHTTPSErrors: true });
  await page.goto(`${ready().console}/console/services`);
  await page.goto(await homerun("login", "--print"));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Services", level: 1 }).waitFor();
  await page.getByLabel("Signed in as").click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  equal(new URL(page.url()).origin, ready().auth, "where one gets to");
});

test("a_link_without_its_secret_says_so", async () => {
  const page = await freshPage({ ignoreHTTPSErrors: true });
  await page.goto(`${ready().auth}/_homerun/auth/link`);
  await page.getByText("was not opened in full").waitFor();
  await picture(page, "door-link-cut");
});

await main();
