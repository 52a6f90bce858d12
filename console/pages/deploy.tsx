// A new service: image, name, and before anything else who may call it.
import { useState } from "preact/hooks";
import { call } from "../api/http";
import { bindAgent, holds } from "../api/access";
import { createService, listRevisions, place, shortName } from "../api/run";
import type { Ingress } from "../api/types";
import { INGRESS_CHOICES } from "../parts/access";
import { Button, ErrorNote, Head, needs, say } from "../parts/basics";
import { Check, Field, Radios, Select } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import { go } from "../parts/location";
import { SameChange } from "../parts/same_change";
import { project, region, serviceView, session, view } from "../parts/session";
import { emptyForm, faultsOf, serviceOf, waysOf, type Faults, type Form } from "./deploy_form";
import { Probe } from "./deploy_probe";
import { Stages } from "./deploy_stages";
import { Volumes } from "./deploy_volumes";
import { SignIn, useAgent, withAgent } from "./service_door";

/* Where a field stands that does not show on every tab. */
const TAB_OF: Partial<Record<keyof Form, Tab>> = {
  port: "Container",
  memory: "Container",
  cpu: "Container",
  startup: "Container",
  liveness: "Container",
  env: "Variables & secrets",
  secrets: "Variables & secrets",
  volumes: "Volumes",
  min: "Scaling",
  max: "Scaling",
  concurrency: "Scaling",
  account: "Security",
};
const TABS = ["Container", "Variables & secrets", "Volumes", "Networking", "Scaling", "Security"] as const;
type Tab = (typeof TABS)[number];

export function DeployPage() {
  const [form, setForm] = useState<Form>(() => emptyForm(region.value === "-" ? (session.value?.region ?? "") : region.value));
  const [tab, setTab] = useState<Tab>("Container");
  const [touched, setTouched] = useState(false);
  const [creating, setCreating] = useState("");
  const { busy, error, run } = useAction();
  const images = useLoad("images", async () => {
    const found = await call<{ images?: { name: string }[] }>("GET", "/homerun/v1/images").catch(() => ({ images: [] }));
    return (found.images ?? []).map((one) => one.name);
  });
  const regions = useLoad(`regions ${project.value}`, async () =>
    (await call<{ locations?: { locationId: string }[] }>("GET", `/v1/projects/${project.value}/locations`)).locations ?? [],
  );
  const may = useLoad(`may create ${project.value}`, () => holds(`projects/${project.value}`, ["run.services.create"]));
  const set = <K extends keyof Form>(key: K) => (value: Form[K]) => setForm((old) => ({ ...old, [key]: value }));
  const faults = faultsOf(form);
  const shown: Faults = touched ? faults : {};
  const name = `${place(project.value, form.region)}/services/${form.name}`;
  const agent = useAgent(name);
  const ways = waysOf(form);
  const submit = (event: Event) => {
    event.preventDefault();
    setTouched(true);
    if (Object.keys(faults).length > 0) {
      const hidden = (Object.keys(faults) as (keyof Form)[]).map((key) => TAB_OF[key]).find((one) => one !== undefined);
      setTab(hidden ?? tab);
      return;
    }
    void run(async () => {
      setCreating(name);
      try {
        await createService(place(project.value, form.region), form.name, serviceOf(form));
      } catch (why) {
        /* The service is there even where its first revision could not start. */
        const made = await listRevisions(name).catch(() => []);
        if (made.length > 0) {
          say(`${form.name} is deployed, but its revision ${shortName(made[0]?.name ?? "")} does not start.`);
          go(serviceView(name, "revisions"));
          return;
        }
        throw why;
      }
      if (form.by === "iap") {
        await bindAgent(name, true);
      }
      say(`${form.name} is deployed and serves.`);
      go(serviceView(name));
    }).finally(() => setCreating(""));
  };
  return (
    <>
      <Head title="Deploy container" back={{ to: view("/console/services"), text: "Services" }} />
      <form class="form" onSubmit={submit} noValidate>
        <section class="card">
          <Field
            label="Container image"
            value={form.image}
            onInput={set("image")}
            fault={shown.image}
            options={["us-docker.pkg.dev/cloudrun/container/hello", ...(images.data.value ?? [])]}
            hint="Those known here are offered; homerun images list shows them all."
            required
          />
          <Field label="Service name" value={form.name} onInput={set("name")} fault={shown.name} required />
          <Select
            label="Region"
            value={form.region}
            onChange={set("region")}
            options={(regions.data.value ?? [{ locationId: form.region }]).map((one) => [one.locationId, one.locationId])}
          />
        </section>
        <section class="card">
          <Authentication value={form.open} onChange={set("open")} />
          <SignIn value={form.by} onChange={set("by")} />
          <Radios<string>
            legend="Ingress"
            value={form.ingress}
            onChange={(value) => set("ingress")(value as Ingress)}
            choices={INGRESS_CHOICES.map(([value, text, about]) => ({ value, text, about }))}
          />
        </section>
        <section class="card">
          <div class="chips" role="tablist" aria-label="Containers, Networking, Security">
            {TABS.map((one) => (
              <button
                type="button"
                role="tab"
                key={one}
                id={`tab-${one.split(" ")[0]}`}
                aria-selected={tab === one}
                aria-controls="deploy-more"
                class="chip"
                onClick={() => setTab(one)}
              >
                {one}
              </button>
            ))}
          </div>
          <div id="deploy-more" role="tabpanel" aria-labelledby={`tab-${tab.split(" ")[0]}`}>
            {tab === "Container" && (
              <>
                <Field label="Container port" type="number" value={form.port} onInput={set("port")} fault={shown.port} placeholder="8080" hint="The program is told it as $PORT." />
                <Field label="Container command" value={form.command} onInput={set("command")} hint="Leave it empty for the image's own." />
                <Field label="Container arguments" value={form.args} onInput={set("args")} hint="Words with spaces between." />
                <div class="pair">
                  <Field label="Memory" value={form.memory} onInput={set("memory")} fault={shown.memory} placeholder="512Mi" />
                  <Field label="CPU" value={form.cpu} onInput={set("cpu")} fault={shown.cpu} placeholder="1" />
                </div>
                <Probe
                  label="Startup probe"
                  none="The port is open (Cloud Run's own)"
                  value={form.startup}
                  onChange={set("startup")}
                  touched={touched}
                />
                <Probe label="Liveness probe" none="None" value={form.liveness} onChange={set("liveness")} touched={touched} />
              </>
            )}
            {tab === "Variables & secrets" && (
              <>
                <Field label="Environment variables" value={form.env} onInput={set("env")} lines={6} fault={shown.env} placeholder={"NAME=value"} hint="One NAME=VALUE a line." />
                <Field label="Secrets exposed as variables" value={form.secrets} onInput={set("secrets")} lines={3} fault={shown.secrets} placeholder={"KEY=my-secret:latest"} hint="One NAME=SECRET:VERSION a line. The service account needs roles/secretmanager.secretAccessor on it." />
              </>
            )}
            {tab === "Volumes" && <Volumes rows={form.volumes} onChange={set("volumes")} touched={touched} />}
            {tab === "Networking" && (
              <>
                <Check label="Use HTTP/2 end-to-end" value={form.http2} onChange={set("http2")} />
                <Check label="Session affinity" value={form.affinity} onChange={set("affinity")} />
                <Check label="Default URL" value={form.defaultUrl} onChange={set("defaultUrl")} />
                <p class="hint">Connections to a VPC are not offered: a container's outbound traffic leaves from this machine.</p>
              </>
            )}
            {tab === "Scaling" && (
              <div class="pair">
                <Field label="Minimum number of instances" type="number" value={form.min} onInput={set("min")} fault={shown.min} placeholder="0" />
                <Field label="Maximum number of instances" type="number" value={form.max} onInput={set("max")} fault={shown.max} placeholder="100" />
                <Field label="Maximum concurrent requests per instance" type="number" value={form.concurrency} onInput={set("concurrency")} fault={shown.concurrency} placeholder="80" />
              </div>
            )}
            {tab === "Security" && (
              <Field label="Service account" value={form.account} onInput={set("account")} fault={shown.account} placeholder="the default compute account" hint="Whose identity the container has. You need iam.serviceAccounts.actAs on it." />
            )}
          </div>
        </section>
        <ErrorNote error={error.value} />
        {touched && Object.keys(faults).length > 0 && (
          <p class="fault" role="alert">
            {`Not sent yet: ${Object.values(faults).join(" ")}`}
          </p>
        )}
        {creating !== "" && <Stages name={creating} />}
        <div class="form-actions">
          <Button kind="main" submit busy={busy.value} why={needs(may.data.value, "run.services.create")}>
            Create
          </Button>
          <Button onClick={() => go(view("/console/services"))}>Cancel</Button>
        </div>
        <SameChange ways={form.by === "iap" && agent ? withAgent(ways, `${place(project.value, form.region)}/services/${form.name || "SERVICE"}`, agent, true) : ways} />
      </form>
    </>
  );
}

export function Authentication(props: {
  value: "open" | "private";
  onChange: (value: "open" | "private") => void;
  disabled?: boolean;
}) {
  return (
    <Radios
      legend="Authentication"
      value={props.value}
      onChange={props.onChange}
      disabled={props.disabled}
      choices={[
        {
          value: "open",
          text: "Allow public access",
          about: "Switches the Invoker IAM check off: anyone may call the service, without any identity.",
        },
        {
          value: "private",
          text: "Require authentication",
          about: "Switches the Invoker IAM check on: a request needs an identity that may invoke the service.",
        },
      ]}
    />
  );
}
