// The user's own order: each way of opening a service and of closing it again, by the console's words, each
// followed by a stranger's request.
import { api, equal, homerun, main, picture, ready, signedIn, strangerSees, test, typedGcloud, typedYaml, withPolicy } from "./browser.mjs";

const view = (page, path) => page.goto(`${page.base}/console/${path}`);
const said = (page, words) => page.getByRole("status").filter({ hasText: words }).first().waitFor();

test("security_opens_and_closes_by_the_check", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "one", exact: true }).click();
  await page.getByRole("link", { name: "Security" }).click();
  await page.getByLabel("Allow public access").check();
  await page.getByRole("button", { name: "Who would gain and lose?" }).click();
  await said(page, "This makes the service public");
  equal(await strangerSees("one"), 403, "a stranger after the question");
  await page.getByRole("button", { name: "Save" }).click();
  await said(page, "anyone may call");
  equal(await strangerSees("one"), 200, "a stranger after Allow public access");
  await picture(page, "security");
  await page.getByLabel("Require authentication").check();
  await page.getByText("Identity and Access Management (IAM)").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await said(page, "needs an identity");
  equal(await strangerSees("one"), 403, "a stranger after Require authentication");
});

test("security_puts_a_sign_in_before_the_service_and_edits_who_may_come_in", async () => {
  const page = await signedIn();
  await view(page, "services/us-central1/one/security");
  await page.getByLabel("Identity-Aware Proxy (IAP)").check();
  await page.getByRole("button", { name: "Who would gain and lose?" }).click();
  await said(page, "Nothing was changed.");
  await page.getByRole("button", { name: "Save" }).click();
  await said(page, "Callers sign in first");
  equal(await strangerSees("one"), 302, "a stranger is led to the sign-in");
  await page.getByRole("button", { name: "Edit policy" }).click();
  await page.getByRole("button", { name: "Add principal" }).click();
  await page.getByLabel("New principals").fill("user:guest@example.com");
  await page.getByLabel("Select a role").fill("IAP-secured Web App User");
  await page.getByText("Lets in what was not let in before").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await said(page, "user:guest@example.com now has");
  await picture(page, "door");
  const policy = JSON.parse(await homerun("services", "get-iam-policy", "one", "--iap", "--format=json"));
  equal(policy.bindings[0].members.join(), "user:guest@example.com", "the door's policy");
  const agents = JSON.parse(await homerun("services", "get-iam-policy", "one", "--format=json"));
  equal(/@gcp-sa-iap/.test(JSON.stringify(agents.bindings)), true, "the agent is bound");
  await page.getByLabel("Identity and Access Management (IAM)").check();
  await page.getByRole("button", { name: "Save" }).click();
  await said(page, "needs an identity");
  equal(await strangerSees("one"), 403, "a stranger without a sign-in before the service");
  const after = JSON.parse(await homerun("services", "get-iam-policy", "one", "--format=json"));
  equal(/@gcp-sa-iap/.test(JSON.stringify(after.bindings ?? [])), false, "the agent is taken out");
});

test("info_panel_grants_allUsers_and_takes_it_away", async () => {
  const page = await signedIn();
  await page.getByRole("checkbox", { name: "Choose two" }).check();
  const panel = page.getByRole("complementary", { name: "Info panel" });
  await panel.getByText("Permissions", { exact: true }).waitFor();
  await panel.getByRole("button", { name: "Add principal" }).click();
  await page.getByLabel("New principals").fill("allUsers");
  await page.getByLabel("Select a role").fill("Cloud Run Invoker");
  await page.getByText("the service becomes public").waitFor();
  await page.getByRole("button", { name: "Who would gain and lose?" }).click();
  await said(page, "This makes the service public");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Allow public access" }).click();
  await said(page, "it is public");
  equal(await strangerSees("two"), 200, "a stranger after the grant");
  await picture(page, "info-panel");
  await panel.getByRole("button", { name: "Remove allUsers from roles/run.invoker" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await said(page, "no longer has");
  equal(await strangerSees("two"), 403, "a stranger after Remove");
});

test("a_new_service_is_public_or_private_as_chosen", async () => {
  for (const [choice, status] of [["Allow public access", 200], ["Require authentication", 403]]) {
    const name = `new-${status}`;
    const page = await signedIn();
    await page.getByRole("button", { name: "Deploy container" }).click();
    await page.getByLabel("Container image").fill("us-docker.pkg.dev/cloudrun/container/hello");
    await page.getByLabel("Service name").fill(name);
    await page.getByLabel(choice).check();
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("heading", { name, level: 1 }).waitFor();
    equal(await strangerSees(name), status, `a stranger at a service made with ${choice}`);
  }
});

/** The text that stands under CHIP of "the same change". */
async function otherWay(page, chip) {
  const same = page.locator("details.same").last();
  if ((await same.getAttribute("open")) === null) {
    await same.locator("summary").click();
  }
  await same.getByRole("button", { name: chip, exact: true }).click();
  /* The YAML of a service that is there takes a look at it. */
  await same.locator("code").filter({ hasText: chip === "YAML" ? "apiVersion" : /./ }).waitFor();
  return same.locator("code").innerText();
}

test("the_deploy_form_and_its_other_ways_make_the_same_service", async () => {
  const page = await signedIn();
  await view(page, "deploy");
  await page.getByLabel("Container image").fill("us-docker.pkg.dev/cloudrun/container/hello");
  await page.getByLabel("Service name").fill("form-a");
  await page.getByLabel("Internal", { exact: true }).check();
  await page.getByLabel("Memory").fill("256Mi");
  await page.getByRole("tab", { name: "Variables & secrets" }).click();
  await page.getByLabel("Environment variables").fill(`A=x,y "z" 'q' \${v}\nB=`);
  await page.getByRole("tab", { name: "Volumes" }).click();
  await page.getByRole("button", { name: "Add volume" }).click();
  await page.getByLabel("Volume type").selectOption("memory");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("Write the path of a folder, such as /cache.").first().waitFor();
  await page.getByLabel("Mount path").fill("/cache");
  await page.getByLabel("Size limit").fill("8Mi");
  await page.getByRole("tab", { name: "Networking" }).click();
  await page.getByLabel("Session affinity").check();
  await page.getByRole("tab", { name: "Scaling" }).click();
  await page.getByLabel("Maximum number of instances").fill("3");
  await page.getByLabel("Maximum concurrent requests per instance").fill("7");
  const yaml = await otherWay(page, "YAML");
  const gcloud = await otherWay(page, "gcloud");
  const terraform = await otherWay(page, "Terraform");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "form-a", level: 1 }).waitFor();
  const made = async () => {
    const { template, ingress, invokerIamDisabled } = await api("GET", "/v2/projects/demo/locations/us-central1/services/form-a");
    const { revision, annotations, labels, client, clientVersion, ...rest } = template;
    delete rest.containers[0].resources.startupCpuBoost; /* gcloud asks for it of itself */
    const names = new Map(rest.volumes.map((one) => [one.name, "volume"]));
    const plain = JSON.stringify({ rest, ingress, invokerIamDisabled }, (key, value) =>
      value && typeof value === "object" && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort()) : names.get(value) ?? value);
    await api("DELETE", "/v2/projects/demo/locations/us-central1/services/form-a");
    return plain;
  };
  const first = await made();
  equal(/"A","value":"x,y \\"z\\" 'q' \$\{v\}"/.test(first), true, `the variable in ${first}`);
  await typedYaml(yaml);
  equal(await made(), first, "what YAML makes");
  if (await typedGcloud(gcloud)) {
    equal(await made(), first, "what gcloud makes");
  }
  for (const line of ['value = "x,y \\"z\\" \'q\' $${v}"', 'size_limit = "8Mi"', "max_instance_count = 3", "session_affinity = true"]) {
    equal(terraform.includes(line), true, `${line} in ${terraform}`);
  }
});

test("a_form_of_a_service_that_is_there_tells_whole_files_of_the_same_change", async () => {
  const page = await signedIn();
  await view(page, "services/us-central1/two/security");
  await page.getByLabel("Allow public access").check();
  const yaml = await otherWay(page, "YAML");
  const terraform = await otherWay(page, "Terraform");
  equal(/invoker_iam_disabled = true/.test(terraform) && /image = "us-docker/.test(terraform), true, terraform);
  equal(await strangerSees("two"), 403, "a stranger before");
  await typedYaml(yaml);
  equal(await strangerSees("two"), 200, "a stranger after the YAML is typed");
  await page.getByLabel("Require authentication").check();
  await homerun("services", "update", "two", "--invoker-iam-check");
  await view(page, "services/us-central1/two/networking");
  await page.getByLabel("Internal", { exact: true }).check();
  await typedYaml(await otherWay(page, "YAML"));
  equal((await api("GET", "/v2/projects/demo/locations/us-central1/services/two")).ingress, "INGRESS_TRAFFIC_INTERNAL_ONLY", "the ingress");
  await homerun("services", "update", "two", "--ingress=all");
});

test("a_new_service_that_does_not_start_shows_what_its_container_said", async () => {
  const page = await signedIn();
  await view(page, "deploy");
  await page.getByLabel("Container image").fill("us-docker.pkg.dev/cloudrun/container/hello");
  await page.getByLabel("Service name").fill("no-start");
  await page.getByLabel("Type").first().selectOption("tcp");
  await page.getByLabel("Port", { exact: true }).fill("9");
  await page.getByLabel("Period (s)").fill("1");
  await page.getByLabel("Failure threshold").fill("2");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("list", { name: "Progress" }).getByText(/The revision no-start-\S+ is made/).waitFor();
  await picture(page, "deploy-stages");
  await page.getByText("Not ready", { exact: true }).waitFor({ timeout: 60000 });
  await page.getByText("failed the configured startup probe").first().waitFor();
  await page.getByLabel(/^The last lines of no-start-/).getByText("A new instance was started").waitFor();
  await picture(page, "deploy-failed");
  await api("DELETE", "/v2/projects/demo/locations/us-central1/services/no-start");
});

test("groups_and_keys_are_made_and_end", async () => {
  const page = await signedIn();
  await view(page, "iam/groups");
  await page.getByRole("button", { name: "Create group" }).click();
  await page.getByLabel("Address").fill("made@example.com");
  await page.getByLabel("Members").fill("user:ann@example.com");
  await page.getByRole("dialog").getByRole("button", { name: "Create", exact: true }).click();
  await said(page, "made@example.com has one member");
  await page.getByRole("button", { name: "Edit made@example.com" }).click();
  await page.getByRole("textbox", { name: "Members" }).fill("user:ann@example.com\nuser:bob@example.com");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await said(page, "has 2 members");
  equal((await api("GET", "/homerun/v1/groups/made@example.com")).members.length, 2, "members");
  await page.getByRole("button", { name: "Delete made@example.com" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await said(page, "made@example.com is deleted");
  await view(page, "iam/accounts");
  const row = page.getByRole("row").filter({ hasText: "compute@" });
  await row.getByText("Keys", { exact: true }).click();
  const saved = page.waitForEvent("download");
  await row.getByRole("button", { name: "Create key" }).click();
  equal(/\.json$/.test((await saved).suggestedFilename()), true, "the saved key's name");
  await row.getByRole("button", { name: /^Disable the key/ }).click();
  await said(page, "is refused from now on");
  await row.getByRole("button", { name: /^Delete the key/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await said(page, "The key is deleted");
  await row.getByText("None.").waitFor();
});

test("the_deploy_form_puts_a_sign_in_before_the_service", async () => {
  const page = await signedIn();
  await view(page, "deploy");
  await page.getByLabel("Container image").fill("us-docker.pkg.dev/cloudrun/container/hello");
  await page.getByLabel("Service name").fill("form-door");
  await page.getByLabel("Identity-Aware Proxy (IAP)").check();
  const terraform = await otherWay(page, "Terraform");
  equal(/_iam_member"[^}]*name = google_cloud_run_v2_service\.form-door\.name[^}]*run\.invoker[^}]*@gcp-sa-iap/.test(terraform), true, terraform);
  const [command] = /gcloud run services add-iam-policy-binding .*/.exec(await otherWay(page, "YAML"));
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "form-door", level: 1 }).waitFor();
  equal(await strangerSees("form-door"), 302, "a stranger is led to the sign-in");
  const agents = await homerun("services", "get-iam-policy", "form-door", "--format=json");
  const [member] = /serviceAccount:[^"]*@gcp-sa-iap[^"]*/.exec(agents);
  equal(command.includes(`--member=${member} --role=roles/run.invoker`) && terraform.includes(member), true, `${member} in ${command}`);
  await page.getByRole("link", { name: "Security" }).click();
  await page.getByLabel("Identity and Access Management (IAM)").check();
  equal((await otherWay(page, "YAML")).includes(command.replace(" add-", " remove-")), true, "who is taken out by the file's side");
  const taken = (await otherWay(page, "Terraform")).split("\n\n").pop();
  equal(taken.split("\n").every((line) => line.startsWith("# ")) && taken.includes(member), true, taken);
  await api("DELETE", "/v2/projects/demo/locations/us-central1/services/form-door");
});

test("a_permission_that_is_taken_away_meanwhile_is_named_and_nothing_is_lost", async () => {
  const member = "user:leaver@example.com";
  const policy = await api("POST", "/v1/projects/demo:getIamPolicy", {});
  const give = (roles) => api("POST", "/v1/projects/demo:setIamPolicy", {
    policy: { bindings: [...policy.bindings, ...roles.map((role) => ({ role, members: [member] }))] },
  });
  await give(["roles/run.admin", "roles/iam.serviceAccountUser", "roles/viewer"]);
  const page = await signedIn({ member });
  await view(page, "deploy");
  await page.getByLabel("Container image").fill("us-docker.pkg.dev/cloudrun/container/hello");
  await page.getByLabel("Service name").fill("leavers-own");
  await give(["roles/run.viewer", "roles/viewer"]);
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("alert").filter({ hasText: "run.services.create" }).waitFor();
  equal(await page.getByLabel("Service name").inputValue(), "leavers-own", "what was typed");
  await give(["roles/run.admin", "roles/iam.serviceAccountUser", "roles/viewer"]);
  await view(page, "services/us-central1/two/yaml");
  const editor = page.getByLabel("YAML of the service");
  const typed = `${await editor.inputValue()}# mine\n`;
  await editor.fill(typed);
  await give(["roles/run.viewer", "roles/viewer"]);
  await page.getByRole("button", { name: "Deploy changes" }).click();
  await page.getByRole("alert").filter({ hasText: "run.services.update" }).waitFor();
  equal(await editor.inputValue(), typed, "what was typed");
  await give([]);
});

test("a_connection_that_is_lost_is_said_and_loses_nothing_that_was_typed", async () => {
  const page = await signedIn();
  await view(page, "services/us-central1/one/permissions");
  await page.getByRole("button", { name: "Add principal" }).click();
  await page.getByLabel("New principals").fill("user:kept@example.com");
  await page.getByLabel("Select a role").fill("roles/run.viewer");
  await page.context().setOffline(true);
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("Homerun does not answer").waitFor();
  equal(await page.getByLabel("New principals").inputValue(), "user:kept@example.com", "what was typed");
  await page.context().setOffline(false);
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await said(page, "user:kept@example.com now has");
});

test("two_tabs_keep_what_each_has_typed", async () => {
  const page = await signedIn();
  const other = await page.context().newPage();
  await page.goto(`${page.base}/console/services/us-central1/one/security`);
  await other.goto(`${page.base}/console/deploy`);
  await other.getByLabel("Service name").fill("second-tab");
  await page.getByLabel("New audience").fill("https://first-tab.example");
  await homerun("services", "update", "one", "--description=elsewhere");
  await page.getByRole("button", { name: "Add audience" }).click();
  await page.getByText(/is taken, from the next request on|Somebody else/).first().waitFor();
  equal(await other.getByLabel("Service name").inputValue(), "second-tab", "what was typed in the other tab");
  await page.getByLabel("New audience").fill("https://later.example");
  await other.getByLabel(/Signed in as/).click();
  await other.getByRole("button", { name: "Sign out" }).click();
  await other.getByRole("heading", { name: "Sign in to Homerun" }).waitFor();
  /* It is told at the next request, which the page may have made by itself: then the dialog is there already. */
  await page.getByRole("button", { name: "Add audience", includeHidden: true }).dispatchEvent("click");
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Your session has ended").waitFor();
  await dialog.getByLabel("Link or code").fill(await homerun("console", "--print"));
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await dialog.waitFor({ state: "detached" });
  equal(await page.getByLabel("New audience").inputValue(), "https://later.example", "what was typed");
});

test("what_is_wrong_is_said_beside_the_field_and_nothing_is_sent", async () => {
  const page = await signedIn();
  await view(page, "deploy");
  await page.getByLabel("Service name").fill("a---b");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("Name an image.").first().waitFor();
  await page.getByText("Three hyphens in a row").first().waitFor();
  equal(await page.getByLabel("Service name").getAttribute("aria-invalid"), "true", "aria-invalid");
});

test("organization_policy_refuses_the_switch_in_a_dialog_that_names_it", async () => {
  const page = await signedIn();
  await view(page, "services/us-central1/one/security");
  await withPolicy("run.managed.requireInvokerIam", { enforce: true }, async () => {
    await page.getByLabel("Allow public access").check();
    await page.getByRole("button", { name: "Save" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("An organization policy forbids this").waitFor();
    await dialog.getByRole("link", { name: /requireInvokerIam/ }).waitFor();
    await dialog.getByText(/The policy is set on projects\/\d+/).waitFor();
    await picture(page, "refused-by-policy");
    equal(await strangerSees("one"), 403, "a stranger after the refusal");
  });
});

test("organization_policy_refuses_the_grant", async () => {
  const page = await signedIn();
  await view(page, "services/us-central1/one/permissions");
  await withPolicy("iam.allowedPolicyMemberDomains", { values: { allowedValues: ["C0nobody"] } }, async () => {
    await page.getByRole("button", { name: "Add principal" }).click();
    await page.getByLabel("New principals").fill("allUsers");
    await page.getByLabel("Select a role").fill("roles/run.invoker");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Allow public access" }).click();
    await page.getByText("IAM policy update failed").waitFor();
    equal(await strangerSees("one"), 403, "a stranger after the refusal");
  });
});

test("organization_policy_is_set_and_taken_back", async () => {
  const page = await signedIn();
  await page.getByRole("link", { name: "Organization policies" }).click();
  await page.getByPlaceholder("Filter by name").fill("invoker");
  await page.getByRole("link", { name: /invoker check/ }).click();
  await page.getByLabel("Override parent's policy").check();
  await page.getByLabel("On", { exact: true }).check();
  await page.getByRole("button", { name: "What would violate it?" }).click();
  await said(page, /other allow policies violates? it/);
  await page.getByRole("button", { name: "Set policy" }).click();
  await said(page, "The policy is set");
  await page.getByText("Enforced", { exact: true }).waitFor();
  await page.getByLabel("Inherit parent's policy").check();
  await page.getByRole("button", { name: "Set policy" }).click();
  await said(page, "it inherits");
});

test("the_tree_is_walked_by_keyboard_and_a_folder_has_its_history", async () => {
  const [{ name: organization }] = (await api("GET", "/v3/organizations:search")).organizations;
  const folder = (await api("POST", "/v3/folders", { parent: organization, displayName: "Team of trees" })).response.name;
  await api("POST", `/v3/${folder}:setIamPolicy`, { policy: { bindings: [{ role: "roles/viewer", members: ["user:climber@example.com"] }] } });
  const page = await signedIn();
  await view(page, "policies");
  const tree = page.getByRole("navigation", { name: "Organization, folders and projects" });
  const link = tree.getByRole("link", { name: "Team of trees folder" });
  await link.waitFor();
  const fold = tree.getByRole("button", { name: /^What is in/ }).first();
  await fold.focus();
  await page.keyboard.press("Enter");
  await link.waitFor({ state: "detached" });
  equal(await fold.getAttribute("aria-expanded"), "false", "what the button says of the organization");
  await page.keyboard.press("Enter");
  await link.waitFor();
  for (let presses = 0; presses < 20 && !(await link.evaluate((one) => one === document.activeElement)); presses++) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.searchParams.get("node") === folder);
  equal(await link.getAttribute("aria-current"), "page", "the chosen one");
  await page.getByRole("link", { name: /invoker check/ }).first().waitFor();
  await page.goBack();
  await page.waitForURL((url) => !url.searchParams.has("node"));
  await view(page, "access/history");
  await page.getByLabel("Changes of").selectOption(folder);
  await page.locator(".history").getByText(folder).first().waitFor();
  await page.getByText("Before and after").first().click();
  await page.getByText("climber@example.com").first().waitFor();
  await api("DELETE", `/v3/${folder}`);
});

test("an_organization_policy_that_somebody_changes_meanwhile_loses_nothing_that_was_chosen", async () => {
  const page = await signedIn();
  await view(page, "policies/run.allowedIngress");
  await page.getByLabel("Override parent's policy").check();
  await page.getByLabel("Custom").check();
  await page.getByLabel("Allowed values").fill("internal");
  await withPolicy("run.allowedIngress", { denyAll: true }, async () => {
    await page.getByText("Somebody else has changed this policy since").waitFor();
    equal(await page.getByLabel("Allowed values").inputValue(), "internal", "what was typed");
    equal(await page.getByRole("button", { name: "Set policy" }).isDisabled(), true, "Set policy is disabled");
    await page.getByText("projects/demo/locations/us-central1/services/one").waitFor();
    await page.getByRole("button", { name: "Load what is there now" }).click();
    equal(await page.getByLabel("Deny all").isChecked(), true, "what is there now");
  });
});

test("a_session_that_ends_under_a_dialog_asks_over_it", async () => {
  const page = await signedIn();
  await view(page, "services/us-central1/two/permissions");
  await page.getByRole("button", { name: "Add principal" }).click();
  await page.getByLabel("New principals").fill("user:typed@example.com");
  await page.getByLabel("Select a role").fill("roles/run.viewer");
  await page.context().clearCookies();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  const again = page.getByRole("dialog", { name: "Your session has ended" });
  await again.getByLabel("Link or code").fill(await homerun("console", "--print"));
  await again.getByRole("button", { name: "Sign in" }).click();
  await again.waitFor({ state: "detached" });
  equal(await page.getByLabel("New principals").inputValue(), "user:typed@example.com", "what was typed");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await said(page, "user:typed@example.com now has");
});

test("a_refusal_explains_itself", async () => {
  await strangerSees("one");
  const page = await signedIn();
  await view(page, "access/refused");
  await page.getByRole("link", { name: "Explain" }).first().click();
  await page.getByRole("heading", { name: "Why was this refused?" }).waitFor();
  await page.getByText("answered with 403").waitFor();
  await page.getByRole("heading", { name: "What lets exactly this caller in" }).waitFor();
  const way = page.locator(".change").first();
  await way.getByRole("button", { name: "homerun", exact: true }).click();
  equal(/homerun (token identity|services )/.test(await way.locator("pre").textContent()), true, "the change by homerun");
  await picture(page, "denial");
  await view(page, "access/explain?service=projects/demo/locations/us-central1/services/one");
  await page.getByLabel("Who calls").fill("user:bob@example.com");
  await page.getByRole("button", { name: "Ask" }).click();
  const rungs = page.getByRole("list", { name: "The questions, from top to bottom" });
  await rungs.getByText("decided").waitFor();
  equal((await rungs.getByRole("listitem").count()) > 10, true, "all rungs are shown");
});

test("what_a_change_would_do_is_asked_before_it_is_made", async () => {
  await strangerSees("one");
  const page = await signedIn();
  await view(page, "access/plan?service=projects/demo/locations/us-central1/services/one");
  const ask = async (change) => {
    await page.getByLabel("Change", { exact: true }).selectOption({ label: change });
    await page.getByRole("button", { name: "Ask" }).click();
  };
  await ask("Allow public access (the Invoker IAM check off)");
  await page.getByText("everybody may call it").waitFor();
  await page.getByRole("region", { name: "Gain" }).getByText("no identity was looked at").first().waitFor();
  await picture(page, "what-if");
  await ask("Require authentication (the check on)");
  await page.getByText("No recorded caller would gain or lose").waitFor();
  await page.getByLabel("Change", { exact: true }).selectOption({ label: "Let somebody call it (roles/run.invoker)" });
  await page.getByText("Write a principal first").waitFor({ state: "attached" });
  equal(await strangerSees("one"), 403, "a stranger after the questions");
});

test("a_viewer_sees_and_cannot", async () => {
  const page = await signedIn({ member: "user:viewer@example.com" });
  await view(page, "services/us-central1/one/security");
  const save = page.getByRole("button", { name: "Save" });
  await save.waitFor();
  await page.getByText("You need the permission run.services.update").first().waitFor({ state: "attached" });
  equal(await save.isDisabled(), true, "Save is disabled for a viewer");
});

test("a_developer_cannot_add_a_principal", async () => {
  const page = await signedIn({ member: "user:developer@example.com" });
  await view(page, "services/us-central1/one/permissions");
  await page.getByText("You need the permission run.services.setIamPolicy").first().waitFor({ state: "attached" });
  equal(await page.getByRole("button", { name: "Add principal" }).isDisabled(), true, "Add principal is disabled");
});

test("a_change_made_elsewhere_appears_without_a_reload", async () => {
  const page = await signedIn();
  const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: "one", exact: true }) });
  await row.getByText("Require authentication").waitFor();
  await homerun("services", "update", "one", "--no-invoker-iam-check");
  await row.getByText("Public access").waitFor();
  await homerun("services", "update", "one", "--invoker-iam-check");
  await row.getByText("Require authentication").waitFor();
});

test("the_second_of_two_who_save_is_told", async () => {
  const [first, second] = [await signedIn(), await signedIn()];
  for (const page of [first, second]) {
    await view(page, "services/us-central1/one/yaml");
    await page.getByLabel("YAML of the service").waitFor();
  }
  const edit = async (page, seconds) => {
    const box = page.getByLabel("YAML of the service");
    await box.fill((await box.inputValue()).replace(/timeoutSeconds: \d+/, `timeoutSeconds: ${seconds}`));
    await page.getByRole("button", { name: "Deploy changes" }).click();
  };
  await edit(first, 120);
  await said(first, "The change is deployed");
  await edit(second, 240);
  await second.getByText("Somebody else has changed the service").waitFor();
  equal(/timeoutSeconds: 240/.test(await second.getByLabel("YAML of the service").inputValue()), true, "what was typed is kept");
});

test("signing_out_ends_the_session_at_the_next_request", async () => {
  const page = await signedIn();
  const [cookie] = await page.context().cookies();
  equal(cookie.httpOnly && cookie.sameSite === "Strict", true, "the cookie's flags");
  await page.getByLabel(/Signed in as/).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to Homerun" }).waitFor();
  await page.context().addCookies([cookie]);
  const answer = await page.request.get(`${page.base}/console/session`);
  equal(answer.status(), 401, "the stolen cookie afterwards");
});

test("a_restart_of_control_is_said_and_loses_nothing_that_was_typed", async () => {
  const page = await signedIn();
  await view(page, "deploy");
  await page.getByLabel("Service name").fill("typed-before");
  process.kill(ready().processes.find((one) => one.role === "control").pid, "SIGKILL");
  await page.getByText("Reconnecting to Homerun").waitFor();
  await page.getByText("Reconnecting to Homerun").waitFor({ state: "detached", timeout: 20000 });
  equal(await page.getByLabel("Service name").inputValue(), "typed-before", "what was typed");
  await page.getByRole("link", { name: "Services", exact: true }).first().click();
  await page.getByRole("link", { name: "one", exact: true }).waitFor();
});

test("a_session_that_ends_meanwhile_asks_for_a_new_one_over_what_was_typed", async () => {
  const page = await signedIn();
  await view(page, "deploy");
  await page.getByLabel("Service name").fill("typed-before");
  await page.getByLabel("Container image").fill("us-docker.pkg.dev/cloudrun/container/hello");
  await page.context().clearCookies();
  await page.getByRole("button", { name: "Create" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Your session has ended").waitFor();
  await dialog.getByLabel("Link or code").fill(await homerun("console", "--print"));
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await dialog.waitFor({ state: "detached" });
  equal(await page.getByLabel("Service name").inputValue(), "typed-before", "what was typed");
});

test("hostile_names_stay_text", async () => {
  const page = await signedIn();
  await view(page, "services/us-central1/one/permissions");
  await page.getByRole("button", { name: "Add principal" }).click();
  await page.getByLabel("New principals").fill("user:<img src=x onerror=alert(1)>@example.com");
  await page.getByLabel("Select a role").fill("Cloud Run Invoker");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").getByText("names nobody").first().waitFor();
  equal(await page.locator("img[src=x]").count(), 0, "elements made of a name");
});

await main();
