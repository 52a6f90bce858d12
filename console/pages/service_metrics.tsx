// What a service did: requests, latency, refusals, instances, memory and processor time.
import { useEffect } from "preact/hooks";
import { history, type History, type Point } from "../api/metrics";
import { Empty, ErrorNote, Loading, queryOf } from "../parts/basics";
import { useLoad } from "../parts/load";
import { setQuery } from "../parts/location";
import { Plot, type Series } from "../parts/plot";

const RANGES: [string, string, number][] = [
  ["1h", "1 hour", 3600],
  ["6h", "6 hours", 6 * 3600],
  ["1d", "1 day", 86400],
  ["7d", "7 days", 7 * 86400],
];

const CLASSES: [string, string][] = [
  ["2xx", "--private"],
  ["3xx", "--accent"],
  ["4xx", "--warn"],
  ["5xx", "--bad"],
];

/* What the rungs of the ladder are called here; docs/access.md has them all. */
const REASONS: Record<string, string> = {
  no_credential: "no identity sent",
  bad_credential: "identity not believed",
  no_binding: "not allowed",
  path_unclear: "unclear path",
  ingress: "network shut out",
};
const REASON_COLORS = ["--warn", "--bad", "--accent", "--soft", "--public", "--private"];

const rate = (value: number) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const time = (value: number) =>
  value >= 1 ? `${value.toFixed(value >= 10 ? 0 : 1)} s` : `${(value * 1000).toFixed(value >= 0.01 ? 0 : 1)} ms`;
const whole = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
const mebibytes = (value: number) => `${(value / 1048576).toFixed(value < 10 * 1048576 ? 1 : 0)} MiB`;
const cores = (value: number) => value.toFixed(value < 0.1 ? 3 : 2);

const each = (found: History, value: (point: Point) => number | null, nothing: number | null = 0) =>
  found.points.map((point) => (point === null ? nothing : value(point)));

function requestSeries(found: History): Series[] {
  return CLASSES.filter(([name]) => name === "2xx" || found.points.some((point) => (point?.requests[name] ?? 0) > 0)).map(
    ([name, color]) => ({ name, color, values: each(found, (point) => (point.requests[name] ?? 0) / found.interval) }),
  );
}

function refusedSeries(found: History): Series[] {
  const reasons = new Set(found.points.flatMap((point) => Object.keys(point?.refused ?? {})));
  return [...reasons].sort().map((reason, at) => ({
    name: REASONS[reason] ?? reason.replaceAll("_", " "),
    color: REASON_COLORS[at % REASON_COLORS.length] ?? "--soft",
    values: each(found, (point) => (point.refused[reason] ?? 0) / found.interval),
  }));
}

function Plots(props: { found: History }) {
  const { found } = props;
  const refused = refusedSeries(found);
  const plot = { times: found.times };
  return (
    <div class="plots">
      <Plot {...plot} title="Requests" unit="per second, by class of status" series={requestSeries(found)} format={rate} />
      <Plot
        {...plot}
        title="Latency"
        unit="of requests that were let in"
        format={time}
        series={(["p50", "p95", "p99"] as const).map((name, at) => ({
          name,
          color: ["--private", "--accent", "--warn"][at] ?? "--soft",
          values: each(found, (point) => point.latency[name] ?? null, null),
        }))}
      />
      {refused.length > 0 && <Plot {...plot} title="Refused" unit="per second, by reason" series={refused} format={rate} />}
      <Plot
        {...plot}
        title="Instances"
        unit="by state"
        format={whole}
        series={[
          { name: "ready", color: "--private", values: each(found, (point) => point.instances.ready) },
          { name: "starting", color: "--accent", values: each(found, (point) => point.instances.starting) },
          { name: "draining", color: "--soft", values: each(found, (point) => point.instances.draining) },
        ]}
      />
      <Plot
        {...plot}
        title="Memory"
        unit="of all instances"
        format={mebibytes}
        series={[{ name: "in use", color: "--accent", values: each(found, (point) => Number(point.memoryBytes)) }]}
      />
      <Plot
        {...plot}
        title="Processor"
        unit="vCPUs in use"
        format={cores}
        series={[{ name: "in use", color: "--accent", values: each(found, (point) => point.cpuSeconds / found.interval) }]}
      />
    </div>
  );
}

export function ServiceMetrics(props: { name: string }) {
  const chosen = RANGES.find(([key]) => key === queryOf("range")) ?? RANGES[0];
  const [key, , period] = chosen ?? ["1h", "1 hour", 3600];
  const { data, error, reload } = useLoad(`metrics ${props.name} ${key}`, () => history(props.name, period));
  useEffect(() => {
    const timer = window.setInterval(() => document.visibilityState === "visible" && reload(), 10000);
    return () => window.clearInterval(timer);
  }, [reload]);
  const found = data.value;
  return (
    <>
      <div class="bar" role="group" aria-label="How far back">
        {RANGES.map(([one, text]) => (
          <button
            key={one}
            type="button"
            class="chip"
            aria-pressed={one === key}
            onClick={() => setQuery("range", one === "1h" ? "" : one)}
          >
            {text}
          </button>
        ))}
      </div>
      <ErrorNote error={error.value} again={reload} />
      {found === undefined ? (
        error.value === null && <Loading what="metrics" />
      ) : found.points.every((point) => point === null) ? (
        <Empty title="Nothing happened in this time">
          <p>Requests show here ten seconds after they were answered.</p>
        </Empty>
      ) : (
        <Plots found={found} />
      )}
    </>
  );
}
