// What the form of a new service holds, what is wrong with it, and the service that it asks for, in every language.
import type { Probe, Volume, VolumeMount } from "../api/model";
import type { Container, Ingress, RevisionTemplate, Service } from "../api/types";
import { quoted, type Ways } from "../parts/same_change";
import { project } from "../parts/session";
import { toTerraform } from "../parts/terraform";
import { toYaml } from "../parts/yaml";

export type VolumeKind = "secret" | "memory" | "bucket" | "nfs";

export interface VolumeRow {
  kind: VolumeKind;
  path: string; // of the file that holds the secret; of the folder, for all others
  secret: string;
  version: string;
  size: string;
  source: string; // "BUCKET", "SERVER:/PATH": a folder that was mapped
  readOnly: boolean;
}

export const emptyVolume = (): VolumeRow => ({ kind: "secret", path: "", secret: "", version: "", size: "", source: "", readOnly: false });

/** A check of a container's health. Empty numbers are Cloud Run's own. */
export interface ProbeForm {
  kind: "" | "tcp" | "http" | "grpc"; // "": none of its own
  path: string;
  port: string;
  delay: string;
  period: string;
  timeout: string;
  failures: string;
}

export const emptyProbe = (): ProbeForm => ({ kind: "", path: "", port: "", delay: "", period: "", timeout: "", failures: "" });

export interface Form {
  image: string;
  name: string;
  region: string;
  open: "open" | "private";
  by: "iam" | "iap";
  ingress: Ingress;
  port: string;
  env: string;
  secrets: string;
  command: string;
  args: string;
  cpu: string;
  memory: string;
  min: string;
  max: string;
  concurrency: string;
  account: string;
  volumes: VolumeRow[];
  startup: ProbeForm;
  liveness: ProbeForm;
  http2: boolean;
  affinity: boolean;
  defaultUrl: boolean;
}

export const emptyForm = (region: string): Form => ({
  image: "",
  name: "",
  region,
  open: "private",
  by: "iam",
  ingress: "INGRESS_TRAFFIC_ALL",
  port: "",
  env: "",
  secrets: "",
  command: "",
  args: "",
  cpu: "",
  memory: "",
  min: "",
  max: "",
  concurrency: "",
  account: "",
  volumes: [],
  startup: emptyProbe(),
  liveness: emptyProbe(),
  http2: false,
  affinity: false,
  defaultUrl: true,
});

export type Faults = Partial<Record<keyof Form, string>>;

const NAME = /^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$/;
const SECRET = /^([^=\s]+)=([A-Za-z0-9_-]+):(latest|[1-9]\d*)$/;

/** What is wrong with one volume; "" if nothing is. */
export function volumeFault(row: VolumeRow): string {
  if (!/^\/[^\s:]+$/.test(row.path) || row.path.endsWith("/")) {
    return row.kind === "secret" ? "Write the path of a file, such as /secrets/key." : "Write the path of a folder, such as /cache.";
  }
  if (row.kind === "secret" && !/^\/[^/]+\/./.test(row.path)) {
    return "A secret's file needs a folder of its own, such as /secrets/key.";
  }
  if (row.kind === "secret" && !/^[A-Za-z0-9_-]+$/.test(row.secret)) {
    return "Name a secret.";
  }
  if (row.kind === "secret" && !/^(latest|[1-9]\d*)$/.test(row.version || "latest")) {
    return "A version is a number, or latest.";
  }
  if (row.kind === "bucket" && !/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(row.source)) {
    return "Name a bucket.";
  }
  if (row.kind === "nfs" && !/^[^\s:]+:\/\S*$/.test(row.source)) {
    return "Write an export as SERVER:/PATH.";
  }
  if (row.kind === "memory" && row.size !== "" && !/^\d+(\.\d+)?(Ki|Mi|Gi|k|M|G)?$/.test(row.size)) {
    return "A size reads like 64Mi.";
  }
  return "";
}

/** What is wrong with a check of health, field by field. */
export function probeFaults(probe: ProbeForm): Partial<Record<keyof ProbeForm, string>> {
  const faults: Partial<Record<keyof ProbeForm, string>> = {};
  const between = (key: "port" | "delay" | "period" | "timeout" | "failures", low: number, high: number) => {
    const value = Number(probe[key]);
    if (probe.kind !== "" && probe[key] !== "" && !(Number.isInteger(value) && value >= low && value <= high)) {
      faults[key] = `A whole number from ${low} to ${high}.`;
    }
  };
  between("port", 1, 65535);
  between("delay", 0, 240);
  between("period", 1, 240);
  between("timeout", 1, 240);
  between("failures", 1, 100);
  if (probe.kind === "http" && probe.path !== "" && !/^\/\S*$/.test(probe.path)) {
    faults.path = "A path begins with a slash.";
  }
  if (!faults.timeout && !faults.period && probe.kind !== "" && Number(probe.timeout || "1") > Number(probe.period || "10")) {
    faults.timeout = "It cannot be longer than the period.";
  }
  return faults;
}

export function faultsOf(form: Form): Faults {
  const faults: Faults = {};
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
  for (const line of linesOf(form.secrets)) {
    if (!SECRET.test(line.trim())) {
      faults.secrets = `“${line}” is not NAME=SECRET:VERSION.`;
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
  for (const key of ["startup", "liveness"] as const) {
    if (Object.keys(probeFaults(form[key])).length > 0) {
      faults[key] = `The ${key} probe is not right.`;
    }
  }
  if (form.cpu !== "" && !/^(\d+(\.\d+)?|\d+m)$/.test(form.cpu)) {
    faults.cpu = "CPU reads like 1, 0.5 or 500m.";
  }
  if (form.memory !== "" && !/^\d+(\.\d+)?(Ki|Mi|Gi|k|M|G)?$/.test(form.memory)) {
    faults.memory = "Memory reads like 512Mi or 2Gi.";
  }
  if (form.account !== "" && !/^[^@\s]+@[^@\s]+$/.test(form.account)) {
    faults.account = "A service account is named by its address: NAME@PROJECT.iam.gserviceaccount.com.";
  }
  const wrong = form.volumes.map(volumeFault).find((one) => one !== "");
  const paths = form.volumes.map((one) => (one.kind === "secret" ? folderOf(one.path) : one.path));
  if (wrong) {
    faults.volumes = wrong;
  } else if (new Set(paths).size < paths.length) {
    faults.volumes = "Two volumes cannot be mounted at one folder.";
  }
  return faults;
}

const linesOf = (text: string) => text.split("\n").filter((line) => line.trim() !== "");
const wordsOf = (text: string) => text.split(/\s+/).filter((word) => word !== "");
const folderOf = (path: string) => path.slice(0, path.lastIndexOf("/"));
const fileOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** NAME=VALUE lines as pairs. */
const variables = (form: Form): [string, string][] =>
  linesOf(form.env).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);

const secrets = (form: Form): [string, string, string][] =>
  linesOf(form.secrets).map((line) => {
    const [, name = "", secret = "", version = ""] = SECRET.exec(line.trim()) ?? [];
    return [name, secret, version];
  });

const volumeName = (at: number) => `volume-${at + 1}`;

const serverOf = (source: string) => source.slice(0, source.indexOf(":"));
const exportOf = (source: string) => source.slice(source.indexOf(":") + 1);

function volumeOf(row: VolumeRow): Volume {
  switch (row.kind) {
    case "secret":
      return { secret: { secret: row.secret, items: [{ path: fileOf(row.path), version: row.version || "latest" }] } };
    case "memory":
      return { emptyDir: { medium: "MEMORY", ...(row.size !== "" && { sizeLimit: row.size }) } };
    case "bucket":
      return { gcs: { bucket: row.source, ...(row.readOnly && { readOnly: true }) } };
    case "nfs":
      return { nfs: { server: serverOf(row.source), path: exportOf(row.source), ...(row.readOnly && { readOnly: true }) } };
  }
}

const volumesOf = (form: Form): Volume[] => form.volumes.map((row, at) => ({ name: volumeName(at), ...volumeOf(row) }));

/** The check as the API has it, in both versions; undefined for none. */
function probeOf(probe: ProbeForm): Probe | undefined {
  const port = probe.port === "" ? {} : { port: Number(probe.port) };
  const numbers = {
    ...(probe.delay !== "" && { initialDelaySeconds: Number(probe.delay) }),
    ...(probe.period !== "" && { periodSeconds: Number(probe.period) }),
    ...(probe.timeout !== "" && { timeoutSeconds: Number(probe.timeout) }),
    ...(probe.failures !== "" && { failureThreshold: Number(probe.failures) }),
  };
  switch (probe.kind) {
    case "tcp":
      return { tcpSocket: port, ...numbers };
    case "http":
      return { httpGet: { path: probe.path || "/", ...port }, ...numbers };
    case "grpc":
      return { grpc: port, ...numbers };
    case "":
      return undefined;
  }
}

/** The same as gcloud's flag: "httpGet.path=/,periodSeconds=5". */
function probeFlag(flag: string, probe: ProbeForm): string[] {
  const made = probeOf(probe);
  if (made === undefined) {
    return [];
  }
  const pairs = Object.entries(made).flatMap(([name, value]) =>
    typeof value === "object" ? Object.entries(value as object).map(([key, one]) => `${name}.${key}=${one}`) : [`${name}=${value}`],
  );
  return [`--${flag}=${quoted(pairs.join(","))}`];
}

const mountsOf = (form: Form): VolumeMount[] =>
  form.volumes.map((row, at) => ({ name: volumeName(at), mountPath: row.kind === "secret" ? folderOf(row.path) : row.path }));

export function serviceOf(form: Form): Partial<Service> {
  const container: Container = { image: form.image.trim() };
  if (form.port !== "" || form.http2) {
    container.ports = [{ ...(form.http2 && { name: "h2c" }), containerPort: Number(form.port || "8080") }];
  }
  const env = [
    ...variables(form).map(([name, value]) => ({ name, value })),
    ...secrets(form).map(([name, secret, version]) => ({ name, valueSource: { secretKeyRef: { secret, version } } })),
  ];
  if (env.length > 0) {
    container.env = env;
  }
  if (form.command.trim() !== "") {
    container.command = wordsOf(form.command);
  }
  if (form.args.trim() !== "") {
    container.args = wordsOf(form.args);
  }
  if (form.cpu !== "" || form.memory !== "") {
    /* v2 takes limits without cpuIdle for CPU that is always allocated; gcloud and YAML have it while requests run. */
    container.resources = { limits: { cpu: form.cpu || "1", memory: form.memory || "512Mi" }, cpuIdle: true };
  }
  if (form.volumes.length > 0) {
    container.volumeMounts = mountsOf(form);
  }
  const [startup, liveness] = [probeOf(form.startup), probeOf(form.liveness)];
  if (startup !== undefined) {
    container.startupProbe = startup;
  }
  if (liveness !== undefined) {
    container.livenessProbe = liveness;
  }
  const template: RevisionTemplate = { containers: [container] };
  if (form.volumes.length > 0) {
    template.volumes = volumesOf(form);
  }
  if (form.concurrency !== "") {
    template.maxInstanceRequestConcurrency = Number(form.concurrency);
  }
  if (form.account !== "") {
    template.serviceAccount = form.account;
  }
  if (form.affinity) {
    template.sessionAffinity = true;
  }
  if (form.min !== "" || form.max !== "") {
    template.scaling = {
      ...(form.min !== "" && { minInstanceCount: Number(form.min) }),
      ...(form.max !== "" && { maxInstanceCount: Number(form.max) }),
    };
  }
  return {
    template,
    ingress: form.ingress,
    ...(form.open === "open" && { invokerIamDisabled: true }),
    ...(form.by === "iap" && { iapEnabled: true }),
    ...(!form.defaultUrl && { defaultUriDisabled: true }),
  };
}

// ---- the same by other ways ----

const ingressWord = (form: Form) =>
  ({ INGRESS_TRAFFIC_ALL: "all", INGRESS_TRAFFIC_INTERNAL_ONLY: "internal" })[form.ingress as string] ?? "internal-and-cloud-load-balancing";

/** PAIRS as one flag. A comma in one of them takes another separator, which both tools know. */
function pairsFlag(flag: string, pairs: string[]): string {
  const text = pairs.join("");
  const separator = text.includes(",") ? (["|", ";", "#", "~", "@"].find((one) => !text.includes(one)) ?? "\u00a6") : ",";
  return `${flag}=${quoted((separator === "," ? "" : `^${separator}^`) + pairs.join(separator))}`;
}

function flagsOf(form: Form): string[] {
  const secretPairs = [
    ...secrets(form).map(([name, secret, version]) => `${name}=${secret}:${version}`),
    ...form.volumes.filter((one) => one.kind === "secret").map((one) => `${one.path}=${one.secret}:${one.version || "latest"}`),
  ];
  return [
    `--image=${quoted(form.image || "IMAGE")}`,
    `--region=${form.region}`,
    `--project=${project.value}`,
    ...(form.open === "open" ? ["--no-invoker-iam-check"] : []),
    ...(form.by === "iap" ? ["--iap"] : []),
    `--ingress=${ingressWord(form)}`,
    ...(form.defaultUrl ? [] : ["--no-default-url"]),
    ...(form.port ? [`--port=${form.port}`] : []),
    ...(form.command.trim() ? [`--command=${quoted(wordsOf(form.command).join(","))}`] : []),
    ...(form.args.trim() ? [`--args=${quoted(wordsOf(form.args).join(","))}`] : []),
    ...(form.env.trim() ? [pairsFlag("--set-env-vars", variables(form).map(([name, value]) => `${name}=${value}`))] : []),
    ...(secretPairs.length > 0 ? [pairsFlag("--set-secrets", secretPairs)] : []),
    ...(form.min ? [`--min-instances=${form.min}`] : []),
    ...(form.max ? [`--max-instances=${form.max}`] : []),
    ...(form.concurrency ? [`--concurrency=${form.concurrency}`] : []),
    ...(form.cpu || form.memory ? [`--cpu=${form.cpu || "1"}`, `--memory=${form.memory || "512Mi"}`] : []),
    ...(form.account ? [`--service-account=${quoted(form.account)}`] : []),
    ...(form.affinity ? ["--session-affinity"] : []),
  ];
}

/** What only gcloud has a flag for. */
const gcloudFlags = (form: Form) => [
  ...(form.open === "open" ? [] : ["--no-allow-unauthenticated"]),
  ...(form.http2 ? ["--use-http2"] : []),
  ...form.volumes.flatMap((row, at) =>
    row.kind === "secret"
      ? []
      : [
          `--add-volume=${quoted(`name=${volumeName(at)},${gcloudVolume(row)}`)}`,
          `--add-volume-mount=${quoted(`volume=${volumeName(at)},mount-path=${row.path}`)}`,
        ],
  ),
  ...probeFlag("startup-probe", form.startup),
  ...probeFlag("liveness-probe", form.liveness),
];

function gcloudVolume(row: VolumeRow): string {
  const readOnly = row.readOnly ? ",readonly=true" : "";
  return row.kind === "bucket"
    ? `type=cloud-storage,bucket=${row.source}${readOnly}`
    : row.kind === "nfs"
      ? `type=nfs,location=${row.source}${readOnly}`
      : `type=in-memory${row.size ? `,size-limit=${row.size}` : ""}`;
}

/** v1's form of what serviceOf() says. */
function knativeOf(form: Form): Record<string, unknown> {
  const { template = {} } = serviceOf(form);
  const { env, resources, ...container } = template.containers?.[0] ?? {};
  const notes = {
    "run.googleapis.com/ingress": ingressWord(form),
    "run.googleapis.com/invoker-iam-disabled": String(form.open === "open"),
    ...(form.by === "iap" && { "run.googleapis.com/iap-enabled": "true" }),
    ...(!form.defaultUrl && { "run.googleapis.com/default-url-disabled": "true" }),
  };
  const templateNotes = {
    ...(form.min && { "autoscaling.knative.dev/minScale": form.min }),
    ...(form.max && { "autoscaling.knative.dev/maxScale": form.max }),
    ...(form.affinity && { "run.googleapis.com/sessionAffinity": "true" }),
  };
  return {
    apiVersion: "serving.knative.dev/v1",
    kind: "Service",
    metadata: { name: form.name || "SERVICE", annotations: notes },
    spec: {
      template: {
        ...(Object.keys(templateNotes).length > 0 && { metadata: { annotations: templateNotes } }),
        spec: {
          ...(template.maxInstanceRequestConcurrency !== undefined && { containerConcurrency: template.maxInstanceRequestConcurrency }),
          ...(template.serviceAccount && { serviceAccountName: template.serviceAccount }),
          containers: [
            {
              ...container,
              image: container.image || "IMAGE",
              ...(env && {
                env: env.map((one) =>
                  one.valueSource
                    ? { name: one.name, valueFrom: { secretKeyRef: { name: one.valueSource.secretKeyRef?.secret, key: one.valueSource.secretKeyRef?.version } } }
                    : one,
                ),
              }),
              ...(resources && { resources: { limits: resources.limits } }),
            },
          ],
          ...(template.volumes && {
            volumes: template.volumes.map(({ secret, gcs, ...one }) => ({
              ...one,
              ...(gcs && {
                csi: {
                  driver: "gcsfuse.run.googleapis.com",
                  ...(gcs.readOnly && { readOnly: true }),
                  volumeAttributes: { bucketName: gcs.bucket },
                },
              }),
              ...(secret && { secret: { secretName: secret.secret, items: (secret.items ?? []).map((item) => ({ key: item.version, path: item.path })) } }),
            })),
          }),
        },
      },
    },
  };
}

export function waysOf(form: Form): Ways {
  const name = form.name || "SERVICE";
  const flags = flagsOf(form);
  const track = form.by === "iap" || !form.defaultUrl ? "gcloud beta run" : "gcloud run";
  const line = (tool: string, all: string[]) => `${tool} deploy ${name} \\\n  ${all.join(" \\\n  ")}`;
  const homerunCan =
    !form.http2 && form.startup.kind === "" && form.liveness.kind === "" && form.volumes.every((one) => one.kind === "secret");
  const service = serviceOf({ ...form, image: form.image || "IMAGE" });
  return {
    gcloud: line(track, [...flags, ...gcloudFlags(form)]),
    homerun: homerunCan ? line("homerun", flags) : undefined,
    terraform: toTerraform("google_cloud_run_v2_service", name, { project: project.value, location: form.region, name, ...service }),
    yaml: toYaml(knativeOf(form)),
  };
}
