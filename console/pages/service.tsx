// One service: its tabs, and what is true of it now.
import { holds, policyWithDoor } from "../api/access";
import { deleteService, getService, place, ready } from "../api/run";
import { useState } from "preact/hooks";
import { AccessCell } from "../parts/access";
import { Button, Copy, ErrorNote, Head, Loading, Notice, Tabs, needs } from "../parts/basics";
import { useLoad } from "../parts/load";
import { go, type Params } from "../parts/location";
import { quoted } from "../parts/same_change";
import { project, serviceView, view } from "../parts/session";
import { TakeAway } from "../parts/take_away";
import { Health } from "./services";
import { ServiceLogs } from "./service_logs";
import { ServiceMetrics } from "./service_metrics";
import { ServiceNetworking } from "./service_networking";
import { ServicePermissions } from "./service_permissions";
import { ServiceRevisions } from "./service_revisions";
import { ServiceSecurity } from "./service_security";
import { ServiceYaml } from "./service_yaml";

const TABS: [string, string][] = [
  ["metrics", "Metrics"],
  ["revisions", "Revisions"],
  ["logs", "Logs"],
  ["networking", "Networking"],
  ["security", "Security"],
  ["permissions", "Permissions"],
  ["yaml", "YAML"],
];

export function ServicePage(props: { params: Params }) {
  const name = `${place(project.value, props.params.region ?? "")}/services/${props.params.service}`;
  const service = useLoad(`service ${name}`, () => getService(name), name);
  const policy = useLoad(`policy ${name}`, () => policyWithDoor(name, true), name);
  const may = useLoad(`may delete ${name}`, () => holds(name, ["run.services.delete"]), name);
  const [deleting, setDeleting] = useState(false);
  const tab = props.params.tab ?? "revisions";
  const found = service.data.value;
  if (found === undefined) {
    return (
      <>
        <Head title={props.params.service ?? ""} back={{ to: view("/console/services"), text: "Services" }} />
        {service.error.value ? (
          <ErrorNote error={service.error.value} again={service.reload} />
        ) : (
          <Loading what="the service" />
        )}
      </>
    );
  }
  const condition = ready(found);
  return (
    <>
      <Head title={props.params.service ?? ""} back={{ to: view("/console/services"), text: "Services" }}>
        <Button onClick={() => setDeleting(true)} why={needs(may.data.value, "run.services.delete")}>
          Delete
        </Button>
      </Head>
      <div class="summary">
        <Health service={found} />
        <AccessCell service={found} policy={policy.data.value} />
        {found.uri && (
          <span class="uri">
            <a href={found.uri} target="_blank" rel="noreferrer noopener" class="mono wrap">
              {found.uri}
            </a>
            <Copy text={found.uri} what="the service's URL" />
          </span>
        )}
      </div>
      <ErrorNote error={service.error.value} again={service.reload} />
      {condition?.state === "CONDITION_FAILED" && <Notice kind="warning">{condition.message ?? "The service is not ready."}</Notice>}
      <Tabs label="Service" tabs={TABS} current={tab} to={(to) => serviceView(name, to)} />
      {tab === "revisions" && <ServiceRevisions service={found} reload={service.reload} />}
      {tab === "metrics" && <ServiceMetrics name={name} />}
      {tab === "logs" && <ServiceLogs name={name} />}
      {tab === "networking" && <ServiceNetworking service={found} reload={service.reload} />}
      {tab === "security" && (
        <ServiceSecurity
          service={found}
          policy={policy.data.value}
          reload={() => {
            service.reload();
            policy.reload();
          }}
        />
      )}
      {tab === "permissions" && <ServicePermissions name={name} />}
      {tab === "yaml" && <ServiceYaml name={name} />}
      {deleting && <DeleteDialog name={name} close={() => setDeleting(false)} />}
    </>
  );
}

function DeleteDialog(props: { name: string; close: () => void }) {
  const short = props.name.slice(props.name.lastIndexOf("/") + 1);
  const [, project = "", , region = ""] = props.name.split("/");
  const line = (tool: string) => `${tool} services delete ${quoted(short)} --region=${region} --project=${project}`;
  return (
    <TakeAway
      title={`Delete ${short}?`}
      close={props.close}
      act={() => deleteService(props.name)}
      said={`${short} is deleted.`}
      done={() => go(view("/console/services"))}
      ways={{ gcloud: line("gcloud run"), homerun: line("homerun") }}
    >
      <p>Its revisions and its policy go with it. Callers get 404 from the next request on. This cannot be undone.</p>
    </TakeAway>
  );
}
