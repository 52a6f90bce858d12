// A change of a service that is there, in every language: whole files, since half of one is no configuration.
import { getV1, projectOf, regionOf, shortName } from "../api/run";
import type { Service } from "../api/types";
import { quoted, type Ways } from "./same_change";
import { toTerraform } from "./terraform";
import { toYaml } from "./yaml";

export interface V1 {
  metadata: { annotations: Record<string, string> };
  spec: Record<string, unknown>;
}

export interface ServiceChange {
  flags: string[]; // of `services update`
  beta?: boolean; // gcloud has one of them in its beta track alone
  fields: Partial<Service>;
  v1: (service: V1) => void; // the same in the YAML form
}

/** What the server alone says is left out, but for the version: with it nobody's change is lost. */
export function exported(service: Record<string, unknown>): V1 {
  const { status: _status, ...rest } = service;
  const metadata = { ...(rest.metadata as Record<string, unknown>) };
  for (const name of ["selfLink", "uid", "creationTimestamp", "generation"]) {
    delete metadata[name];
  }
  const annotations = { ...(metadata.annotations as Record<string, string> | undefined) };
  for (const name of Object.keys(annotations)) {
    if (/^serving\.knative\.dev\/(creator|lastModifier)$|^run\.googleapis\.com\/(operation-id|urls|ingress-status)$/.test(name)) {
      delete annotations[name];
    }
  }
  return { ...rest, metadata: { ...metadata, annotations } } as unknown as V1;
}

/** Fields of a service that a configuration has. */
const CONFIGURED = [
  "description", "labels", "annotations", "ingress", "launchStage", "invokerIamDisabled", "iapEnabled", "defaultUriDisabled",
  "customAudiences", "scaling", "binaryAuthorization", "template", "traffic",
] as const;

/** As configuration for Terraform, which takes over the service that is there. */
export function serviceTerraform(service: Service): string {
  const { revision: _revision, ...template } = service.template ?? {};
  const labels = Object.entries(template.labels ?? {}).filter(([name]) => !name.startsWith("client.knative.dev/"));
  const { labels: _labels, ...plain } = template;
  const whole: Record<string, unknown> = { ...service, template: labels.length > 0 ? { labels: Object.fromEntries(labels), ...plain } : plain };
  const kept = CONFIGURED.filter((name) => {
    const value = whole[name];
    return value !== undefined && value !== false && !(typeof value === "object" && Object.keys(value as object).length === 0);
  });
  const name = shortName(service.name);
  const [project, region] = [projectOf(service.name), regionOf(service.name)];
  const body = { project, location: region, name, ...Object.fromEntries(kept.map((one) => [one, whole[one]])) };
  return `import {\n  to = google_cloud_run_v2_service.${name}\n  id = "${service.name}"\n}\n\n${toTerraform("google_cloud_run_v2_service", name, body)}`;
}

export function serviceChange(service: Service, change: ServiceChange): Ways {
  const line = (tool: string) =>
    `${tool} services update ${quoted(shortName(service.name))} --region=${regionOf(service.name)} --project=${projectOf(service.name)} ${change.flags.join(" ")}`;
  return {
    gcloud: line(change.beta ? "gcloud beta run" : "gcloud run"),
    homerun: line("homerun"),
    terraform: serviceTerraform({ ...service, ...change.fields }),
    yaml: serviceYaml(service, JSON.stringify(change.fields), change.v1),
  };
}

/** The whole service with CHANGE in it, for `services replace`. */
export const serviceYaml = (service: Service, key: string, change: (service: V1) => void): Ways["yaml"] => ({
  key: `${service.name} ${service.etag} ${key}`,
  make: async () => {
    const whole = exported(await getV1(service.name));
    change(whole);
    return `# gcloud run services replace service.yaml --region=${regionOf(service.name)} --project=${projectOf(service.name)}\n${toYaml(whole)}`;
  },
});
