// The services of a project: what is there, and above all what is public.
import { useEffect, useState } from "preact/hooks";
import { holds, policyWithDoor } from "../api/access";
import { now, type Now } from "../api/metrics";
import { listServices, place, ready, regionOf, shortName } from "../api/run";
import type { Policy, Service } from "../api/types";
import { AccessCell, accessOf, ingressText } from "../parts/access";
import { Button, Empty, ErrorNote, Head, Link, Loading, Time, needs, queryOf } from "../parts/basics";
import { useLoad } from "../parts/load";
import { go, setQuery } from "../parts/location";
import { Pager, pageOf } from "../parts/pager";
import { Permissions, serviceWays } from "../parts/permissions";
import { project, region, serviceView, view } from "../parts/session";

type Policies = Map<string, Policy>;

/** The policies of the services that are shown, asked for a few at a time and kept. */
function usePolicies(services: Service[], version: unknown): Policies {
  const [policies, setPolicies] = useState<Policies>(new Map());
  const key = services.map((one) => one.name).join(" ");
  useEffect(() => {
    let alive = true;
    const found: Policies = new Map();
    const waiting = [...services];
    const worker = async () => {
      for (let one = waiting.shift(); one !== undefined && alive; one = waiting.shift()) {
        found.set(one.name, await policyWithDoor(one.name, one.iapEnabled === true).catch(() => ({})));
      }
    };
    void Promise.all(Array.from({ length: 6 }, worker)).then(() => alive && setPolicies(found));
    return () => {
      alive = false;
    };
  }, [key, version]);
  return policies;
}

function fits(service: Service, policy: Policy | undefined): boolean {
  const text = queryOf("filter").toLowerCase();
  const access = queryOf("access");
  const words = `${shortName(service.name)} ${ingressText(service.ingress)}`.toLowerCase();
  return words.includes(text) && (access === "" || accessOf(service, policy).openness === access);
}

export function ServicesPage() {
  const list = useLoad(
    `services ${project.value} ${region.value}`,
    () => listServices(project.value, region.value),
    `projects/${project.value}`,
  );
  const [picked, setPicked] = useState<string[]>([]);
  const [panel, setPanel] = useState(false);
  const services = list.data.value;
  const running = useLoad(`running ${project.value}`, () => now(project.value));
  useEffect(() => {
    const timer = window.setInterval(() => document.visibilityState === "visible" && running.reload(), 10000);
    return () => window.clearInterval(timer);
  }, [running.reload]);
  const may = useLoad(`may create ${project.value}`, () => holds(`projects/${project.value}`, ["run.services.create"]));
  const missing = needs(may.data.value, "run.services.create");
  const onlyPublic = queryOf("access") === "public";
  const named = (services ?? []).filter((one) => fits({ ...one }, undefined) || queryOf("access") !== "");
  /* The public alone needs every policy; else those of the page are enough. */
  const wanted = queryOf("access") !== "" ? named : pageOf(named).shown;
  const policies = usePolicies(wanted, services);
  const rows = (services ?? []).filter((one) => fits(one, policies.get(one.name)));
  const { shown, page, pages } = pageOf(rows);
  const pick = (name: string, on: boolean) => {
    setPicked(on ? [...picked, name] : picked.filter((one) => one !== name));
    if (on) {
      setPanel(true);
    }
  };
  return (
    <div class={panel && picked.length > 0 ? "with-panel" : undefined}>
      <div>
        <Head title="Services">
          <Button kind="quiet" onClick={() => setPanel(!panel)} disabled={picked.length === 0}>
            {panel && picked.length > 0 ? "Hide Info Panel" : "Show Info Panel"}
          </Button>
          <Button kind="main" onClick={() => go(view("/console/deploy"))} why={missing}>
            Deploy container
          </Button>
        </Head>
        <div class="bar">
          <label class="search">
            <span class="hidden">Filter by name or ingress</span>
            <input
              type="search"
              placeholder="Filter by name or ingress"
              value={queryOf("filter")}
              onInput={(event) => setQuery("filter", (event.target as HTMLInputElement).value, true)}
            />
          </label>
          <button
            type="button"
            class="chip"
            aria-pressed={onlyPublic}
            onClick={() => setQuery("access", onlyPublic ? "" : "public")}
          >
            Public only
          </button>
          <button
            type="button"
            class="chip"
            aria-pressed={queryOf("access") === "private"}
            onClick={() => setQuery("access", queryOf("access") === "private" ? "" : "private")}
          >
            Private only
          </button>
        </div>
        <ErrorNote error={list.error.value} again={list.reload} />
        {services === undefined ? (
          !list.error.value && <Loading what="services" />
        ) : services.length === 0 ? (
          <Empty title="No service is deployed here yet">
            <p>
              Deploy the built-in page: <code>homerun deploy hello --image=us-docker.pkg.dev/cloudrun/container/hello</code>
            </p>
          </Empty>
        ) : rows.length === 0 ? (
          <Empty title="No service fits the filter">
            <Button onClick={() => go(view("/console/services"), true)}>Show all</Button>
          </Empty>
        ) : (
          <ServiceTable rows={shown} policies={policies} running={running.data.value} picked={picked} pick={pick} />
        )}
        <Pager page={page} pages={pages} total={rows.length} />
      </div>
      {panel && picked.length > 0 && <InfoPanel names={picked} close={() => setPanel(false)} />}
    </div>
  );
}

function ServiceTable(props: {
  rows: Service[];
  policies: Policies;
  running?: Map<string, Now>;
  picked: string[];
  pick: (name: string, on: boolean) => void;
}) {
  return (
    <div class="table-place" role="region" aria-label="Services" tabIndex={0}>
      <table class="table services">
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Choose</span>
            </th>
            <th scope="col">Name</th>
            <th scope="col">Authentication</th>
            <th scope="col">Ingress</th>
            <th scope="col">Revision / traffic</th>
            <th scope="col" class="number">Instances</th>
            <th scope="col" class="number">Req/sec</th>
            <th scope="col">Region</th>
            <th scope="col">Last deployed</th>
            <th scope="col">Deployed by</th>
          </tr>
        </thead>
        <tbody>
          {props.rows.map((one) => (
            <ServiceRow
              key={one.name}
              service={one}
              policy={props.policies.get(one.name)}
              now={props.running === undefined ? null : props.running.get(one.name)}
              picked={props.picked.includes(one.name)}
              pick={props.pick}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  service: Service;
  policy?: Policy;
  now?: Now | null; // null: not known
  picked: boolean;
  pick: (name: string, on: boolean) => void;
}

function ServiceRow(props: RowProps) {
  const { service } = props;
  const name = shortName(service.name);
  return (
    <tr
      class={props.picked ? "picked" : undefined}
      onClick={(event) => {
        const target = event.target as HTMLElement;
        if (target.closest("a, input, button, label") === null && !window.getSelection()?.toString()) {
          go(serviceView(service.name));
        }
      }}
    >
      <td>
        <input
          type="checkbox"
          aria-label={`Choose ${name}`}
          checked={props.picked}
          onChange={(event) => props.pick(service.name, (event.target as HTMLInputElement).checked)}
        />
      </td>
      <th scope="row" class="named">
        <Health service={service} /> <Link to={serviceView(service.name)}>{name}</Link>
      </th>
      <td>
        <AccessCell service={service} policy={props.policy} />
      </td>
      <td>{ingressText(service.ingress)}</td>
      <td class="mono">{trafficText(service)}</td>
      <td class="number">{instancesText(props.now)}</td>
      <td class="number">{props.now === null ? "–" : (props.now?.requestsPerSecond ?? 0).toFixed(1)}</td>
      <td>{regionOf(service.name)}</td>
      <td>
        <Time at={service.updateTime} />
      </td>
      <td class="by" title={service.lastModifier ?? service.creator}>
        {service.lastModifier ?? service.creator}
      </td>
    </tr>
  );
}

export function Health(props: { service: Service }) {
  const state = ready(props.service)?.state;
  const text = state === "CONDITION_SUCCEEDED" ? "Ready" : state === "CONDITION_FAILED" ? "Not ready" : "Deploying";
  return <span class={`dot ${text.toLowerCase().replace(" ", "-")}`} role="img" aria-label={text} title={text} />;
}

/** "2", "1 + 1 starting"; a service that sleeps has none. */
function instancesText(running: Now | null | undefined): string {
  if (running === null) {
    return "–";
  }
  const { ready = 0, starting = 0 } = running?.instances ?? {};
  return starting > 0 ? `${ready} + ${starting} starting` : ready > 0 ? String(ready) : "asleep";
}

function trafficText(service: Service): string {
  const targets = (service.trafficStatuses ?? service.traffic ?? []).filter((one) => (one.percent ?? 0) > 0);
  if (targets.length === 0) {
    return "none serves";
  }
  const latest = shortName(service.latestReadyRevision ?? "");
  return targets.map((one) => `${one.revision ?? (latest || "latest")} ${one.percent}%`).join(", ");
}

function InfoPanel(props: { names: string[]; close: () => void }) {
  return (
    <aside class="panel" aria-label="Info panel">
      <div class="panel-head">
        <h2>{props.names.length === 1 ? shortName(props.names[0] ?? "") : `${props.names.length} services`}</h2>
        <Button kind="quiet" onClick={props.close} label="Close the info panel">
          Close
        </Button>
      </div>
      <p class="panel-tab">Permissions</p>
      {props.names.map((name) => (
        <section key={name}>
          {props.names.length > 1 && <h2>{shortName(name)}</h2>}
          <Permissions resource={name} permission="run.services.setIamPolicy" ways={serviceWays(name)} heading="h3" />
        </section>
      ))}
    </aside>
  );
}

export const servicePlace = () => place(project.value, region.value);
