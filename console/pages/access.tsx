// The questions that Homerun is for: what is public, who was refused, who may, what changed.
import { useEffect, useState } from "preact/hooks";
import { explain, history, publicNow, what, who } from "../api/access";
import { entries } from "../api/logs";
import { tree } from "../api/org";
import { listServices, projectOf, regionOf, shortName } from "../api/run";
import type { Denial, PublicRow, WhatRow } from "../api/types";
import { ingressText } from "../parts/access";
import { Button, Empty, ErrorNote, Head, Link, Loading, queryOf, Tabs, Time } from "../parts/basics";
import { Field, Select } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import { go, setQuery, type Params } from "../parts/location";
import { Pager, pageOf } from "../parts/pager";
import { project, serviceView, view } from "../parts/session";
import { Verdict } from "./denial";
import { nodeOptions } from "./org_policies";
import { WhatIf } from "./what_if";

const TABS: [string, string][] = [
  ["public", "Public now"],
  ["refused", "Refused"],
  ["who", "Who may call"],
  ["what", "What may they call"],
  ["explain", "May they?"],
  ["plan", "What if"],
  ["history", "History"],
];

export function AccessPage(props: { params: Params }) {
  const tab = props.params.tab ?? "public";
  const [denial, setDenial] = useState("");
  return (
    <>
      <Head title="Access">
        <form
          class="inline"
          onSubmit={(event) => {
            event.preventDefault();
            const id = /d-[a-z0-9]+/.exec(denial)?.[0];
            if (id) {
              go(view(`/console/denials/${id}`));
            }
          }}
        >
          <label>
            <span class="hidden">Denial id</span>
            <input
              type="search"
              class="mono"
              placeholder="d-… explains a denial"
              value={denial}
              onInput={(event) => setDenial((event.target as HTMLInputElement).value)}
            />
          </label>
          <Button submit why={!/d-[a-z0-9]+/.test(denial) && "Paste the id that a refused request was given: d-…"}>
            Explain
          </Button>
        </form>
      </Head>
      <Tabs label="Access" tabs={TABS} current={tab} to={(to) => view(`/console/access/${to}`)} />
      {tab === "public" && <PublicNow />}
      {tab === "refused" && <Refused />}
      {tab === "who" && <WhoMay />}
      {tab === "what" && <WhatMay />}
      {tab === "explain" && <MayThey />}
      {tab === "plan" && <WhatIf name={queryOf("service")} picker={<ServicePicker label="Service" />} />}
      {tab === "history" && <History />}
    </>
  );
}

/** When a stranger was last let in, by the name of the service: as far back as the log of requests is read. */
async function lastStrangers(rows: PublicRow[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const project of new Set(rows.map((one) => projectOf(one.resource)))) {
    const lines = await entries(project, 'labels.rung="check_off" OR labels.rung="all_users"', 1000).catch(() => []);
    for (const one of lines) {
      const { location = "", service_name = "" } = one.resource?.labels ?? {};
      const name = `projects/${project}/locations/${location}/services/${service_name}`;
      if (!found.has(name)) {
        found.set(name, one.timestamp);
      }
    }
  }
  return found;
}

function PublicNow() {
  const list = useLoad("public", publicNow, "");
  const rows = list.data.value;
  const strangers = useLoad(`strangers ${(rows ?? []).map((one) => one.resource).join(" ")}`, () => lastStrangers(rows ?? []));
  if (rows === undefined) {
    return list.error.value ? <ErrorNote error={list.error.value} again={list.reload} /> : <Loading what="what is public" />;
  }
  const { shown, page, pages } = pageOf(rows);
  if (rows.length === 0) {
    return (
      <Empty title="Nothing is public">
        <p>Every service asks for an identity that may invoke it.</p>
      </Empty>
    );
  }
  return (
    <>
    <div class="table-place" role="region" aria-label="Public services" tabIndex={0}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Service</th>
            <th scope="col">Why</th>
            <th scope="col">Ingress</th>
            <th scope="col">Since</th>
            <th scope="col">By</th>
            <th scope="col">Last stranger</th>
            <th scope="col">Until</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={one.resource}>
              <th scope="row">
                <Link to={serviceView(one.resource, "security")}>{shortName(one.resource)}</Link>
                <small>{regionOf(one.resource)}</small>
              </th>
              <td>
                <span class="badge public">Public access</span> <small class="block">{one.reasons.join(" ")}</small>
              </td>
              <td>{ingressText(one.ingress)}</td>
              <td>
                <Time at={one.since} />
              </td>
              <td class="wrap mono">{one.by}</td>
              <td>
                <Time at={strangers.data.value?.get(one.resource)} />
              </td>
              <td>
                {one.publicUntil ? <Time at={one.publicUntil} /> : "it is closed"}
                {one.publicReason && <small class="block wrap">{one.publicReason}</small>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
    <Pager page={page} pages={pages} total={rows.length} />
    </>
  );
}

function Refused() {
  const list = useLoad(
    `refused ${project.value}`,
    () => entries(project.value, "severity>=WARNING", 200),
    "",
  );
  const rows = (list.data.value ?? []).filter((one) => one.labels?.denial);
  if (list.data.value === undefined) {
    return list.error.value ? <ErrorNote error={list.error.value} again={list.reload} /> : <Loading what="refusals" />;
  }
  if (rows.length === 0) {
    return <Empty title="No request was refused lately" />;
  }
  const { shown, page, pages } = pageOf(rows);
  return (
    <>
    <div class="table-place" role="region" aria-label="Refused requests" tabIndex={0}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Service</th>
            <th scope="col">Request</th>
            <th scope="col">Cause</th>
            <th scope="col">
              <span class="hidden">Explanation</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={one.insertId}>
              <td>
                <Time at={one.timestamp} />
              </td>
              <td>{one.resource?.labels?.service_name}</td>
              <td class="mono wrap">
                {one.httpRequest?.status} {one.httpRequest?.requestMethod} {one.httpRequest?.requestUrl}
              </td>
              <td class="wrap">{one.textPayload}</td>
              <td>
                <Link to={view(`/console/denials/${encodeURIComponent(one.labels?.denial ?? "")}`)}>Explain</Link>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
    <Pager page={page} pages={pages} total={rows.length} />
    </>
  );
}

function ServicePicker(props: { label: string }) {
  const list = useLoad(`names ${project.value}`, () => listServices(project.value, "-"), `projects/${project.value}`);
  const names = (list.data.value ?? []).map((one) => one.name);
  return (
    <Select
      label={props.label}
      value={queryOf("service")}
      options={[["", "Choose a service"], ...names.map((one): [string, string] => [one, `${shortName(one)} (${regionOf(one)})`])]}
      onChange={(name) => setQuery("service", name)}
    />
  );
}

function WhoMay() {
  const name = queryOf("service");
  const list = useLoad(`who ${name}`, async () => (name === "" ? null : await who(name)), name === "" ? "\n" : name);
  const found = list.data.value;
  const { shown, page, pages } = pageOf(found?.bindings ?? []);
  return (
    <section>
      <div class="bar">
        <ServicePicker label="Who may call" />
      </div>
      <ErrorNote error={list.error.value} again={list.reload} />
      {found?.iapEnabled && (
        <p class="effect" role="status">
          Sign-in (IAP) comes first:{" "}
          {found.iapHidden ?? `${(found.iapBindings ?? []).map((row) => row.member).join(", ") || "nobody"} may come in`}.
          {found.iapAgentMayInvoke === false && " Its agent may not invoke the service, so nobody gets any further."}
        </p>
      )}
      {found?.invokerIamDisabled && !found.iapEnabled && (
        <p class="effect public" role="status">
          Anyone: the Invoker IAM check of this service is off. The members below matter once it is on.
        </p>
      )}
      {found && (
        <div class="table-place" role="region" aria-label="Members" tabIndex={0}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Member</th>
                <th scope="col">Role</th>
                <th scope="col">Granted on</th>
                <th scope="col">Condition</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((one) => (
                <tr key={`${one.on} ${one.role} ${one.member} ${one.condition}`}>
                  <th scope="row" class="mono wrap">
                    {one.member}
                  </th>
                  <td class="mono">{one.role}</td>
                  <td class="mono wrap">{one.on}</td>
                  <td class="mono wrap">{one.condition}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <Pager page={page} pages={pages} total={(found?.bindings ?? []).length} />
    </section>
  );
}

function WhatMay() {
  const [member, setMember] = useState(queryOf("member"));
  const [answer, setAnswer] = useState<{ member: string; rows: WhatRow[] } | null>(null);
  const { busy, error, run } = useAction();
  const { shown, page, pages } = pageOf(answer?.rows ?? []);
  const ask = (asked: string) =>
    void run(async () => {
      const rows = await what(asked);
      rows.sort((one, other) => Number(other.allowed) - Number(one.allowed));
      setAnswer({ member: asked, rows });
      if (queryOf("member") !== asked) {
        setQuery("member", asked, true);
      }
    });
  /* A URL that names somebody has the answer, too. */
  useEffect(() => {
    if (member !== "") {
      ask(member);
    }
  }, []);
  return (
    <section>
      <form
        class="bar ask-line"
        onSubmit={(event) => {
          event.preventDefault();
          ask(member.trim());
        }}
      >
        <Field
          label="Who calls"
          value={member}
          onInput={setMember}
          placeholder="user:ann@example.com"
          hint="allUsers is a stranger, without any credential."
        />
        <Button kind="main" submit busy={busy.value} why={member.trim() === "" && "Write a principal first."}>
          Ask
        </Button>
      </form>
      <ErrorNote error={error.value} />
      {answer && answer.rows.length === 0 && <Empty title="There is no service that you may ask about" />}
      {answer && answer.rows.length > 0 && (
        <>
          <p role="status" class="answer-line">
            {`${answer.member} may call ${answer.rows.filter((one) => one.allowed).length} of ${answer.rows.length} services.`}
          </p>
          <div class="table-place" role="region" aria-label="Services" tabIndex={0}>
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">Service</th>
                  <th scope="col">May call</th>
                  <th scope="col">Because</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((one) => (
                  <tr key={one.resource}>
                    <th scope="row">
                      <Link to={serviceView(one.resource, "permissions")}>{shortName(one.resource)}</Link>
                      <small>{`${projectOf(one.resource)}, ${regionOf(one.resource)}`}</small>
                    </th>
                    <td>
                      <span class={`badge ${one.allowed ? "yes" : "no"}`}>{one.allowed ? "Yes" : "No"}</span>
                    </td>
                    <td class="wrap">{one.fact}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <Pager page={page} pages={pages} total={answer.rows.length} />
        </>
      )}
    </section>
  );
}

function MayThey() {
  const [member, setMember] = useState("");
  const [path, setPath] = useState("/");
  const [answer, setAnswer] = useState<Denial | null>(null);
  const { busy, error, run } = useAction();
  const name = queryOf("service");
  return (
    <section class="card">
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void run(async () => {
            setAnswer(
              await explain({ resource: name, path, ...(member.trim() !== "" && { member: member.trim() }) }),
            );
          });
        }}
      >
        <ServicePicker label="Service" />
        <Field
          label="Who calls"
          value={member}
          onInput={setMember}
          placeholder="user:ann@example.com"
          hint="Leave it empty for a stranger, without any credential."
        />
        <Field label="Path" value={path} onInput={setPath} />
        <ErrorNote error={error.value} />
        <Button kind="main" submit busy={busy.value} why={name === "" && "Choose a service first."}>
          Ask
        </Button>
      </form>
      {answer && <Verdict answer={answer} />}
    </section>
  );
}

function History() {
  const list = useLoad(`names ${project.value}`, () => listServices(project.value, "-"), `projects/${project.value}`);
  const nodes = useLoad("tree", tree, "");
  const resource = queryOf("resource") || `projects/${project.value}`;
  const rows = useLoad(`history ${resource}`, () => history(resource), resource);
  const { shown, page, pages } = pageOf(rows.data.value ?? []);
  const known = [
    ...nodeOptions(nodes.data.value ?? []),
    ...(list.data.value ?? []).map((one): [string, string] => [one.name, `Service ${shortName(one.name)} (${regionOf(one.name)})`]),
  ];
  return (
    <section>
      <div class="bar">
        <Select
          label="Changes of"
          value={resource}
          options={known.some(([name]) => name === resource) ? known : [[resource, resource], ...known]}
          onChange={(name) => setQuery("resource", name)}
        />
      </div>
      <ErrorNote error={rows.error.value} again={rows.reload} />
      {rows.data.value === undefined && !rows.error.value && <Loading what="the history" />}
      {rows.data.value?.length === 0 && <Empty title="No change of access is recorded" />}
      <ol class="history">
        {shown.map((one) => (
          <li key={one.number}>
            <div>
              <Time at={one.time} /> <strong>{one.deed}</strong> <code class="wrap">{one.resource}</code>
            </div>
            <small class="wrap">
              {one.caller}
              {one.method ? ` by ${one.method}` : ""}
            </small>
            {(one.before !== undefined || one.after !== undefined) && (
              <details>
                <summary>Before and after</summary>
                <div class="columns">
                  <pre tabIndex={0}>{one.before === undefined ? "(nothing)" : JSON.stringify(one.before, null, 2)}</pre>
                  <pre tabIndex={0}>{one.after === undefined ? "(nothing)" : JSON.stringify(one.after, null, 2)}</pre>
                </div>
              </details>
            )}
          </li>
        ))}
      </ol>
      <Pager page={page} pages={pages} total={(rows.data.value ?? []).length} />
    </section>
  );
}
