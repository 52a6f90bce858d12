// The log of one service: requests and what its containers print.
import { useEffect } from "preact/hooks";
import { entries, text } from "../api/logs";
import { listRevisions, projectOf, regionOf, shortName } from "../api/run";
import type { LogEntry } from "../api/types";
import { Button, Empty, ErrorNote, Link, Loading, queryOf } from "../parts/basics";
import { Select } from "../parts/fields";
import { useLoad } from "../parts/load";
import { setQuery } from "../parts/location";
import { Pager, pageOf } from "../parts/pager";
import { view } from "../parts/session";

const FOLLOW_MS = 2000;
const LINE_MAX = 2000;
const ENTRIES_MOST = 200; // asked for at once; what is older on request
const SEVERITIES: [string, string][] = [
  ["", "Any severity"],
  ["INFO", "Info and above"],
  ["WARNING", "Warning and above"],
  ["ERROR", "Error and above"],
];

function filterOf(name: string): string {
  const parts = [
    'resource.type="cloud_run_revision"',
    `resource.labels.service_name=${text(shortName(name))}`,
    `resource.labels.location=${text(regionOf(name))}`,
  ];
  const severity = queryOf("severity");
  const revision = queryOf("revision");
  const trace = queryOf("trace");
  if (severity !== "") {
    parts.push(`severity>=${severity}`);
  }
  if (revision !== "") {
    parts.push(`resource.labels.revision_name=${text(revision)}`);
  }
  if (trace !== "") {
    parts.push(`trace=${text(trace)}`);
  }
  if (queryOf("before") !== "") {
    parts.push(`timestamp<=${text(queryOf("before"))}`);
  }
  return parts.join(" AND ");
}

function lineOf(entry: LogEntry): string {
  const request = entry.httpRequest;
  const said = entry.textPayload ?? (entry.jsonPayload ? JSON.stringify(entry.jsonPayload) : "");
  const head = request ? `${request.requestMethod} ${request.status} ${request.latency ?? ""} ${request.requestUrl}` : "";
  const whole = [head, said].filter((one) => one !== "").join(" – ");
  return whole.length > LINE_MAX ? `${whole.slice(0, LINE_MAX)}… (${whole.length} characters)` : whole;
}

export function ServiceLogs(props: { name: string }) {
  const filter = filterOf(props.name);
  const list = useLoad(`logs ${filter}`, () => entries(projectOf(props.name), filter, ENTRIES_MOST));
  const follow = queryOf("follow") === "on";
  useEffect(() => {
    if (!follow) {
      return;
    }
    const timer = window.setInterval(list.reload, FOLLOW_MS);
    return () => window.clearInterval(timer);
  }, [follow, filter]);
  const known = useLoad(`revision names ${props.name}`, () => listRevisions(props.name), props.name);
  const named = (known.data.value ?? []).map((one) => shortName(one.name));
  const chosen = queryOf("revision");
  const revisions = chosen === "" || named.includes(chosen) ? named : [chosen, ...named];
  const words = queryOf("text").toLowerCase();
  const rows = (list.data.value ?? []).filter((one) => lineOf(one).toLowerCase().includes(words));
  const { shown, page, pages } = pageOf(rows);
  const trace = queryOf("trace");
  const before = queryOf("before");
  const oldest = list.data.value?.length === ENTRIES_MOST ? list.data.value.at(-1)?.timestamp : undefined;
  return (
    <section>
      <div class="bar">
        <label class="search">
          <span class="hidden">Filter the text</span>
          <input
            type="search"
            placeholder="Filter the text"
            value={queryOf("text")}
            onInput={(event) => setQuery("text", (event.target as HTMLInputElement).value)}
          />
        </label>
        <Select
          quiet
          label="Severity"
          value={queryOf("severity")}
          options={SEVERITIES}
          onChange={(value) => setQuery("severity", value)}
        />
        <Select
          quiet
          label="Revision"
          value={queryOf("revision")}
          options={[["", "Any revision"], ...revisions.map((one): [string, string] => [one, one])]}
          onChange={(value) => setQuery("revision", value)}
        />
        <button type="button" class="chip" aria-pressed={follow} onClick={() => setQuery("follow", follow ? "" : "on")}>
          Follow
        </button>
        {trace !== "" && (
          <button type="button" class="chip" aria-pressed="true" onClick={() => setQuery("trace", "")}>
            One request only ×
          </button>
        )}
        {before !== "" && (
          <button type="button" class="chip" aria-pressed="true" onClick={() => setQuery("before", "")}>
            {`Up to ${before.replace("T", " ").slice(0, 19)} ×`}
          </button>
        )}
      </div>
      <ErrorNote error={list.error.value} again={list.reload} />
      {list.data.value === undefined && !list.error.value && <Loading what="the log" />}
      {list.data.value !== undefined && rows.length === 0 && (
        <Empty title="No entry">
          <p>Call the service, or widen the filter.</p>
        </Empty>
      )}
      {rows.length > 0 && (
        <div class="table-place" role="region" aria-label="Log entries" tabIndex={0}>
        <table class="table log">
          <thead>
            <tr>
              <th scope="col">Severity</th>
              <th scope="col">Time</th>
              <th scope="col">Entry</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((one) => (
              <tr key={`${one.timestamp} ${one.insertId}`} class={(one.severity ?? "DEFAULT").toLowerCase()}>
                <td>{one.severity ?? "DEFAULT"}</td>
                <td class="mono">
                  <time dateTime={one.timestamp}>{one.timestamp.replace("T", " ").slice(0, 23)}</time>
                </td>
                <td class="mono wrap">
                  {lineOf(one)}{" "}
                  {one.labels?.denial && (
                    <Link to={view(`/console/denials/${encodeURIComponent(one.labels.denial)}`)}>why?</Link>
                  )}{" "}
                  {one.trace && trace === "" && (
                    <button type="button" class="link" onClick={() => setQuery("trace", one.trace ?? "")}>
                      this request
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        </div>
      )}
      <div class="bar">
        <Pager page={page} pages={pages} total={rows.length} />
        {page === pages && oldest !== undefined && oldest !== before && <Button onClick={() => setQuery("before", oldest)}>Older entries</Button>}
      </div>
    </section>
  );
}
