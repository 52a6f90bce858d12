// Passkeys in a real browser, with the virtual authenticator of its developer tools: what tests/e2e/passkeys.py starts.
import { equal, freshPage, homerun, main, picture, ready, takeFaults, test } from "./browser.mjs";

const { HOMERUN_SERVICE: service } = process.env;
const auth = ready().auth;

/** An authenticator in the page's browser; its handle. MORE: options of it. */
async function authenticator(page, more = {}) {
  const tools = await page.context().newCDPSession(page);
  await tools.send("WebAuthn.enable", { enableUI: false });
  const { authenticatorId } = await tools.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: true, ...more },
  });
  return {
    credentials: async () => (await tools.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
    send: (method, options) => tools.send(`WebAuthn.${method}`, { authenticatorId, ...options }),
  };
}

/** NAME's page, signed in by a link just now, with an authenticator. */
async function person(name, more) {
  const page = await freshPage();
  const device = await authenticator(page, more);
  await page.goto(await homerun("invite", `${name}@example.com`, "--print"));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${auth}/`);
  return [page, device];
}

async function add(page, name) {
  await page.goto(`${auth}/`);
  await page.getByRole("link", { name: "Add a passkey" }).click();
  await page.getByLabel("Its name").fill(name);
  await page.getByRole("button", { name: "Add a passkey" }).click();
}

async function signOut(page) {
  await page.goto(`${auth}/_homerun/auth/signout`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
}

test("a_passkey_is_added_and_signs_in_at_a_service", async () => {
  const [page, device] = await person("ann");
  await page.getByRole("link", { name: "Add a passkey" }).click();
  await page.getByLabel("Its name").waitFor();
  await picture(page, "door-passkey-add");
  await add(page, "Laptop");
  await page.getByText("Laptop").waitFor();
  await page.getByText("not used yet").waitFor();
  await picture(page, "door-home");
  const made = await device.credentials();
  equal(made.length, 1, "credentials");
  equal(made[0].rpId, new URL(auth).hostname, "the RP ID");
  equal(made[0].isResidentCredential, true, "discoverable");
  await signOut(page);
  await page.goto(`${service}/wanted?by=passkey`);
  await page.getByRole("link", { name: "Sign in with a passkey" }).click();
  await picture(page, "door-passkey");
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await page.waitForURL(`${service}/wanted?by=passkey`);
  equal((await page.textContent("body")).includes("ann@example.com"), true, "who came");
  await page.goto(`${auth}/`);
  await page.getByText(/used \d{4}-/).waitFor();
});

test("each_of_several_passkeys_signs_in_until_it_is_removed", async () => {
  const [page, first] = await person("bea");
  await add(page, "First");
  await page.getByText("First").waitFor();
  const kept = (await first.credentials())[0];
  await first.send("removeVirtualAuthenticator");
  const second = await authenticator(page);
  await add(page, "Second");
  await page.getByText("Second").waitFor();
  equal((await second.credentials()).length, 1, "credentials of the second device");
  const row = page.locator("form", { hasText: "First" });
  await row.getByRole("button", { name: "Remove" }).click();
  await page.getByText("Second").waitFor();
  equal(await page.getByText("First").count(), 0, "the removed one is shown");
  await signOut(page);
  await second.send("removeVirtualAuthenticator");
  const again = await authenticator(page);
  await again.send("addCredential", { credential: kept });
  await page.goto(`${auth}/_homerun/auth/passkey`);
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await page.getByText("This passkey is not known here").waitFor();
});

test("a_copy_that_has_signed_fewer_times_opens_nothing", async () => {
  const [page, device] = await person("cat");
  await add(page, "Copied");
  await page.getByText("Copied").waitFor();
  const copy = (await device.credentials())[0];
  const use = async () => {
    await signOut(page);
    await page.goto(`${auth}/_homerun/auth/passkey`);
    await page.getByRole("button", { name: "Use a passkey" }).click();
  };
  for (let i = 0; i < 2; i++) {
    await use();
    await page.waitForURL(`${auth}/`);
  }
  await device.send("removeCredential", { credentialId: copy.credentialId });
  await device.send("addCredential", { credential: copy });
  await use();
  await page.getByText("there may be a copy of it").waitFor();
});

test("a_device_that_has_one_already_or_checks_nobody_is_told", async () => {
  const [page] = await person("dan");
  await add(page, "Once");
  await page.getByText("Once").waitFor();
  await add(page, "Twice");
  await page.getByText("has a passkey of yours already").waitFor();
  const [other, device] = await person("eve");
  await device.send("setUserVerified", { isUserVerified: false });
  await add(other, "Unverified");
  await other.getByText("It did not work").waitFor();
  equal((await device.credentials()).length, 0, "credentials");
});

test("keys_of_other_kinds_are_taken", async () => {
  const [page] = await person("fay", { ctap2Version: "ctap2_1", defaultBackupEligibility: true, defaultBackupState: true });
  await add(page, "Everywhere");
  await page.getByText("on all your devices").waitFor();
});

test("another_service_cannot_ask_for_it", async () => {
  const [page] = await person("gil");
  await add(page, "Mine");
  await page.getByText("Mine").waitFor();
  await page.goto(`${service}/page`);
  const said = await page.evaluate((rpId) => navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId,
    userVerification: "required", timeout: 3000 } }).then(() => "given", (why) => why.name), new URL(auth).hostname);
  equal(said, "SecurityError", "the passkey");
  takeFaults(/./);
});

await main();
