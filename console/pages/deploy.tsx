// A new service: image, name, and before anything else who may call it.
import { useState } from "preact/hooks";
import { call } from "../api/http";
import { createService, listRevisions, place, shortName } from "../api/run";
import type { Container, Ingress, RevisionTemplate, Service } from "../api/types";
import { INGRESS_CHOICES } from "../parts/access";
import { Button, ErrorNote, Head, say } from "../parts/basics";
import { Field, Radios, Select } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import { go } from "../parts/location";
import { quoted, SameChange, type Ways } from "../parts/same_change";
import { project, region, serviceView, session, view } from "../parts/session";

interface Form {
  image: string;
  name: string;
  region: string;
  open: "open" | "private";
  ingress: Ingress;
  port: string;
  env: string;
  command: string;
  args: string;
  cpu: string;
  memory: string;
  min: string;
  max: string;
  concurrency: string;
  account: string;
}

const NAME = /^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$/;

function faultsOf(form: Form): Partial<Record<keyof Form, string>> {
  const faults: Partial<Record<keyof Form, string>> = {};
  if (form.image.trim() === "") {
    faults.image = "Name an image. The built-in page is us-docker.pkg.dev/cloudrun/container/hello.";
  }
  if (!NAME.test(form.name)) {
    faults.name = "Lower-case letters, digits and hyphens; a letter first; at most 49; no hyphen at the end.";
  } else if (form.name.includes("---")) {
    faults.name = "Three hyphens in a row separate a traffic tag from a service: a name cannot have them.";
  }
  if (form.port !== "" && !(Number(form.port) >= 1 && Number(form.port) <= 65535)) {
    faults.port = "A port is a number from 1 to 65535.";
  }
  for (const line of linesOf(form.env)) {
    if (!/^[^=\s]+=/.test(line)) {
      faults.env = `“${line}” is not NAME=VALUE.`;
    }
  }
  for (const key of ["min", "max", "concurrency"] as const) {
    if (form[key] !== "" && !/^\d+$/.test(form[key])) {
      faults[key] = "Write a whole number.";
    }
  }
  if (!faults.min && !faults.max && form.max !== "" && Number(form.min) > Number(form.max)) {
    faults.max = "The most cannot be less than the least.";
  }
  return faults;
}

const linesOf = (text: string) => text.split("\n").filter((line) => line.trim() !== "");
const wordsOf = (text: string) => text.split(/\s+/).filter((word) => word !== "");

function serviceOf(form: Form): Partial<Service> {
  const container: Container = { image: form.image.trim() };
  if (form.port !== "") {
    container.ports = [{ containerPort: Number(form.port) }];
  }
  if (form.env.trim() !== "") {
    container.env = linesOf(form.env).map((line) => {
      const at = line.indexOf("=");
      return { name: line.slice(0, at), value: line.slice(at + 1) };
    });
  }
  if (form.command.trim() !== "") {
    container.command = wordsOf(form.command);
  }
  if (form.args.trim() !== "") {
    container.args = wordsOf(form.args);
  }
  if (form.cpu !== "" || form.memory !== "") {
    container.resources = { limits: { cpu: form.cpu || "1", memory: form.memory || "512Mi" } };
  }
  const template: RevisionTemplate = { containers: [container] };
  if (form.concurrency !== "") {
    template.maxInstanceRequestConcurrency = Number(form.concurrency);
  }
  if (form.account !== "") {
    template.serviceAccount = form.account;
  }
  if (form.min !== "" || form.max !== "") {
    template.scaling = {
      ...(form.min !== "" && { minInstanceCount: Number(form.min) }),
      ...(form.max !== "" && { maxInstanceCount: Number(form.max) }),
    };
  }
  return { template, ingress: form.ingress, ...(form.open === "open" && { invokerIamDisabled: true }) };
}

function waysOf(form: Form): Ways {
  const name = form.name || "SERVICE";
  const check = form.open === "open" ? "--no-invoker-iam-check" : "--no-allow-unauthenticated";
  const ingress = { INGRESS_TRAFFIC_ALL: "all", INGRESS_TRAFFIC_INTERNAL_ONLY: "internal" }[form.ingress as string];
  const flags = [
    `--image=${quoted(form.image || "IMAGE")}`,
    `--region=${form.region}`,
    `--project=${project.value}`,
    check,
    `--ingress=${ingress ?? "internal-and-cloud-load-balancing"}`,
    ...(form.port ? [`--port=${form.port}`] : []),
    ...(form.env.trim() ? [`--set-env-vars=${quoted(linesOf(form.env).join(","))}`] : []),
    ...(form.min ? [`--min-instances=${form.min}`] : []),
    ...(form.max ? [`--max-instances=${form.max}`] : []),
    ...(form.concurrency ? [`--concurrency=${form.concurrency}`] : []),
    ...(form.cpu ? [`--cpu=${form.cpu}`] : []),
    ...(form.memory ? [`--memory=${form.memory}`] : []),
    ...(form.account ? [`--service-account=${quoted(form.account)}`] : []),
  ];
  const homerun = form.open === "open" ? flags : flags.filter((one) => one !== "--no-allow-unauthenticated");
  return {
    gcloud: `gcloud run deploy ${name} \\\n  ${flags.join(" \\\n  ")}`,
    homerun: `homerun deploy ${name} \\\n  ${homerun.join(" \\\n  ")}`,
    terraform: `resource "google_cloud_run_v2_service" "${name}" {
  project              = "${project.value}"
  location             = "${form.region}"
  name                 = "${name}"
  ingress              = "${form.ingress}"
  invoker_iam_disabled = ${form.open === "open"}

  template {
    containers {
      image = ${JSON.stringify(form.image || "IMAGE")}
    }
  }
}`,
    yaml: `apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: ${name}
  annotations:
    run.googleapis.com/ingress: ${ingress ?? "internal-and-cloud-load-balancing"}
    run.googleapis.com/invoker-iam-disabled: '${form.open === "open"}'
spec:
  template:
    spec:
      containers:
      - image: ${form.image || "IMAGE"}`,
  };
}

const TABS = ["Container", "Variables & secrets", "Scaling", "Security"] as const;

export function DeployPage() {
  const [form, setForm] = useState<Form>({
    image: "",
    name: "",
    region: region.value === "-" ? (session.value?.region ?? "") : region.value,
    open: "private",
    ingress: "INGRESS_TRAFFIC_ALL",
    port: "",
    env: "",
    command: "",
    args: "",
    cpu: "",
    memory: "",
    min: "",
    max: "",
    concurrency: "",
    account: "",
  });
  const [tab, setTab] = useState<(typeof TABS)[number]>("Container");
  const [touched, setTouched] = useState(false);
  const [progress, setProgress] = useState("");
  const { busy, error, run } = useAction();
  const images = useLoad("images", async () => {
    const found = await call<{ images?: { name: string }[] }>("GET", "/homerun/v1/images").catch(() => ({ images: [] }));
    return (found.images ?? []).map((one) => one.name);
  });
  const regions = useLoad(`regions ${project.value}`, async () =>
    (await call<{ locations?: { locationId: string }[] }>("GET", `/v1/projects/${project.value}/locations`)).locations ?? [],
  );
  const set = <K extends keyof Form>(key: K) => (value: Form[K]) => setForm((old) => ({ ...old, [key]: value }));
  const faults = faultsOf(form);
  const shown = touched ? faults : {};
  const name = `${place(project.value, form.region)}/services/${form.name}`;
  const submit = (event: Event) => {
    event.preventDefault();
    setTouched(true);
    if (Object.keys(faults).length > 0) {
      return;
    }
    void run(async () => {
      setProgress("Creating the revision and starting an instance of it…");
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
      say(`${form.name} is deployed and serves.`);
      go(serviceView(name));
    }).finally(() => setProgress(""));
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
                  <Field label="Memory" value={form.memory} onInput={set("memory")} placeholder="512Mi" />
                  <Field label="CPU" value={form.cpu} onInput={set("cpu")} placeholder="1" />
                </div>
              </>
            )}
            {tab === "Variables & secrets" && (
              <Field label="Environment variables" value={form.env} onInput={set("env")} lines={6} fault={shown.env} placeholder={"NAME=value"} hint="One NAME=VALUE a line." />
            )}
            {tab === "Scaling" && (
              <div class="pair">
                <Field label="Minimum number of instances" type="number" value={form.min} onInput={set("min")} fault={shown.min} placeholder="0" />
                <Field label="Maximum number of instances" type="number" value={form.max} onInput={set("max")} fault={shown.max} placeholder="100" />
                <Field label="Maximum concurrent requests per instance" type="number" value={form.concurrency} onInput={set("concurrency")} fault={shown.concurrency} placeholder="80" />
              </div>
            )}
            {tab === "Security" && (
              <Field label="Service account" value={form.account} onInput={set("account")} placeholder="the default compute account" hint="Whose identity the container has. You need iam.serviceAccounts.actAs on it." />
            )}
          </div>
        </section>
        <ErrorNote error={error.value} />
        {touched && Object.keys(faults).length > 0 && (
          <p class="fault" role="alert">
            {`Not sent yet: ${Object.values(faults).join(" ")}`}
          </p>
        )}
        {progress !== "" && (
          <p role="status" class="loading">
            <span class="spinner" aria-hidden="true" /> {progress}
          </p>
        )}
        <div class="form-actions">
          <Button kind="main" submit busy={busy.value}>
            Create
          </Button>
          <Button onClick={() => go(view("/console/services"))}>Cancel</Button>
        </div>
        <SameChange ways={waysOf(form)} />
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
