// Opens the links of explanations (argument: JSON of [{link, kind, what}]) and does what the page has ready.
import { equal, signedIn, main, test } from "./browser.mjs";

const rows = JSON.parse(process.argv.splice(2, 1)[0]);
const said = (page, words) => page.getByRole("status").filter({ hasText: words }).first().waitFor();
const press = async (page, name, words) => {
  await page.getByRole("button", { name, exact: true }).click();
  await said(page, words);
};

const DO = {
  GRANT: (page) => press(page, "Save", "now has roles/run.invoker"),
  INGRESS: (page) => press(page, "Save", "The networking of the service is changed"),
  DEFAULT_URL: (page) => press(page, "Save", "The networking of the service is changed"),
  AUDIENCE: (page) => press(page, "Add audience", "is taken, from the next request on"),
  ENABLE_ACCOUNT: (page, { what }) => press(page, `Enable ${what.split("serviceAccount:")[1]}`, "can be used again"),
};

for (const row of rows) {
  test(`cure_${row.kind}`, async () => {
    const page = await signedIn();
    await page.goto(row.link);
    equal(new URL(page.url()).pathname, new URL(row.link).pathname, "the link leads there");
    await DO[row.kind](page, row);
  });
}

await main();
