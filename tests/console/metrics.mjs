// What a service did: the plots, the same numbers as a table, and the columns of the services page.
import { equal, homerun, main, picture, ready, signedIn, statusOf, test } from "./browser.mjs";

const SERVICE = "services/us-central1/measured";

async function deployed() {
  await homerun("deploy", "measured", "--image=us-docker.pkg.dev/cloudrun/container/hello", "--allow-unauthenticated");
  await homerun("deploy", "untouched", "--image=us-docker.pkg.dev/cloudrun/container/hello", "--no-allow-unauthenticated");
  const listed = JSON.parse(await homerun("services", "list", "--format=json"));
  const url = listed.find((one) => (one.name ?? one.metadata?.name).endsWith("measured"));
  return url.uri ?? url.status.url;
}

let url;

test("requests_show_in_the_plots_and_in_their_numbers", async () => {
  url = await deployed();
  const page = await signedIn();
  await page.goto(`${page.base}/console/${SERVICE}/metrics`);
  equal(await statusOf(`${url}/seen`), 200, "a request");
  /* Control looks every ten seconds, and the page as often. */
  const requests = page.getByRole("figure", { name: /Requests/ });
  await requests.waitFor({ timeout: 45000 });
  await requests.locator(".plot-key").getByText("2xx").waitFor();
  await requests.getByText("Numbers").click();
  /* An instance may show before the request does. */
  await requests.locator("td").filter({ hasText: /[1-9]/ }).first().waitFor({ timeout: 45000 });
  for (const title of ["Latency", "Instances", "Memory", "Processor"]) {
    await page.getByRole("figure", { name: new RegExp(title) }).locator("canvas").waitFor();
  }
  await picture(page, "metrics-live");
});

test("a_range_is_in_the_address_and_asks_for_coarser_points", async () => {
  const page = await signedIn();
  const asked = [];
  page.on("request", (one) => one.url().includes(":metrics?") && asked.push(new URL(one.url()).searchParams.get("period")));
  await page.goto(`${page.base}/console/${SERVICE}/metrics?range=7d`);
  await picture(page, "metrics-range");
  await page.getByRole("button", { name: "7 days", pressed: true }).waitFor();
  await page.getByRole("button", { name: "1 day", exact: true }).click();
  await page.getByRole("button", { name: "1 day", pressed: true }).waitFor();
  equal(page.url().endsWith("range=1d"), true, page.url());
  await page.goBack();
  await page.getByRole("button", { name: "7 days", pressed: true }).waitFor();
  equal(asked.includes("604800s") && asked.includes("86400s"), true, asked.join());
});

test("what_nobody_called_says_so", async () => {
  const page = await signedIn();
  await page.goto(`${page.base}/console/services/us-central1/absent-one/metrics`);
  await page.getByRole("alert").first().waitFor();
});

test("the_services_page_shows_instances_and_requests", async () => {
  const page = await signedIn();
  const row = page.getByRole("row", { name: /measured/ });
  await page.goto(`${page.base}/console/services`);
  await row.waitFor();
  equal(await statusOf(`${url}/again`), 200, "a request");
  await row.getByRole("cell", { name: "1", exact: true }).waitFor({ timeout: 30000 });
});

test("who_may_not_list_services_sees_no_numbers", async () => {
  const answer = await fetch(`${ready().api}/homerun/v1/projects/demo:metrics`, {
    headers: { Authorization: `Bearer ${await homerun("token", "access", "--as=user:looker@example.com")}` },
  });
  equal(answer.status, 403, "the overview");
});

await main();
