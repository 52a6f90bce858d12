// The pictures of docs/console.md and README: a few services as somebody might have them, and the pages that the guide
// speaks of. `make screenshots` keeps what this makes.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, equal, homerun, main, signedIn, statusOf, strangerSees, test } from "./browser.mjs";

const HELLO = "us-docker.pkg.dev/cloudrun/container/hello";
const SERVICES = {
  "admin-tools": ["--ingress=internal"],
  blog: ["--no-invoker-iam-check"],
  cart: [],
  shop: ["--allow-unauthenticated"],
};

async function keep(page, name, height) {
  /* The pointer and what was said last are no part of the page. */
  await page.mouse.move(0, 0);
  await page.locator(".said p").waitFor({ state: "detached" });
  const { width } = page.viewportSize();
  const shot = await page.screenshot({ clip: { x: 0, y: 0, width, height } });
  if (process.env.HOMERUN_SHOTS) {
    writeFileSync(join(process.env.HOMERUN_SHOTS, `guide-${name}.png`), shot);
  }
  equal(shot.length > 10000, true, `the picture ${name} shows something`);
}

test("the_pictures_of_the_guide_can_be_made", async () => {
  for (const name of ["one", "two"]) {
    await api("DELETE", `/v2/projects/demo/locations/us-central1/services/${name}`);
  }
  for (const [name, flags] of Object.entries(SERVICES)) {
    await homerun("deploy", name, `--image=${HELLO}`, ...flags);
  }
  await homerun("services", "add-iam-policy-binding", "cart", "--member=user:ann@example.com", "--role=roles/run.invoker");
  const { uri } = await api("GET", "/v2/projects/demo/locations/us-central1/services/cart");
  const token = await homerun("token", "identity", "--as=user:bob@example.com", `--audience=${uri}`);
  equal(await statusOf(uri, "-H", `Authorization: Bearer ${token}`), 403, "bob");
  await strangerSees("shop");
  const page = await signedIn();
  await page.getByText("allUsers").first().waitFor();
  await page.getByText("asleep").or(page.getByRole("cell", { name: "1", exact: true })).first().waitFor();
  await keep(page, "services", 450);
  await page.goto(`${page.base}/console/services/us-central1/shop/security`);
  await page.getByText("a stranger is let in whatever the radio says").waitFor();
  await keep(page, "security", 760);
  await page.goto(`${page.base}/console/services/us-central1/cart/revisions`);
  await page.getByRole("button", { name: /^Details of cart-/ }).click();
  await page.getByRole("heading", { name: "Instances" }).waitFor();
  await keep(page, "revision", 620);
  await page.goto(`${page.base}/console/access/refused`);
  await page.getByRole("link", { name: "Explain" }).first().click();
  await page.getByRole("heading", { name: "What lets exactly this caller in" }).waitFor();
  await keep(page, "denial", 760);
});

await main();
