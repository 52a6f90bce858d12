// A person at a private service with IAP, in a real browser: what tests/e2e/signin_services.py starts.
import { equal, freshPage, homerun, main, picture, ready, takeFaults, test } from "./browser.mjs";

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

test("a_form_that_was_sent_too_late_is_not_lost", async () => {
  const page = await freshPage({ ignoreHTTPSErrors: true });
  const enter = async (where) => {
    await where.goto(await homerun("invite", "ann@example.com", "--print"));
    await where.getByRole("button", { name: "Sign in" }).click();
  };
  await enter(page);
  await page.getByRole("heading", { name: "You are signed in" }).waitFor();
  await page.goto(`${service}/page`);
  await homerun("signout", "ann@example.com");
  await page.evaluate(() => {
    document.body.innerHTML = "<form method=post action=/save enctype=multipart/form-data><textarea name=text></textarea></form>";
    document.querySelector("textarea").value = "y".repeat(3_000_000);
    document.forms[0].submit();
  });
  await page.getByRole("heading", { name: "Your sign-in has ended" }).waitFor();
  await picture(page, "door-form-kept");
  takeFaults(/401/);
  const opening = page.context().waitForEvent("page");
  await page.getByRole("link", { name: "Sign in" }).click();
  const tab = await opening;
  await tab.getByRole("heading", { name: "Sign in", level: 1 }).waitFor();
  await enter(tab);
  await tab.waitForURL(`${service}/`);
  await page.reload();
  const seen = JSON.parse(await page.textContent("body"));
  equal(seen.method, "POST", "sent once more");
  equal(seen.bytes > 3_000_000, true, "with all that was entered");
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
