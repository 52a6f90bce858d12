// A person at a private service with IAP, in a real browser: what tests/e2e/signin_services.py starts.
import { equal, freshPage, homerun, main, picture, ready, test } from "./browser.mjs";

const service = process.env.HOMERUN_SERVICE.replace(/\/$/, "");

test("one_command_and_one_click_open_a_private_service", async () => {
  const page = await freshPage({ ignoreHTTPSErrors: true });
  await page.goto(`${service}/wanted?by=me`);
  await page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  equal(new URL(page.url()).origin, ready().auth, "where one signs in");
  await page.goto(await homerun("login", "--print"));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${service}/wanted?by=me`);
  equal((await page.textContent("body")).includes("__Host-homerun"), false, "our cookies reach the container");
  const cookies = await page.context().cookies();
  for (const one of cookies) {
    equal([one.secure, one.httpOnly, one.sameSite, one.path].join(), [true, true, "Lax", "/"].join(), one.name);
  }
  await page.goto(`${service}/_homerun/auth/signout`);
  await picture(page, "door-service-signout");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  await page.goto(`${service}/`);
  await page.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
});

test("who_is_not_granted_sees_a_page_and_no_circle", async () => {
  const page = await freshPage({ ignoreHTTPSErrors: true });
  await page.goto(`${service}/`);
  await page.goto(await homerun("invite", "nobody@example.com", "--print"));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("nobody@example.com").first().waitFor();
  equal(new URL(page.url()).origin, new URL(service).origin, "where one is told");
  await picture(page, "door-refused");
});

await main();
