// One plot: lines over time by uPlot, and the same numbers as a table for who does not see lines.
import { useEffect, useId, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { dark } from "./theme";

export interface Series {
  name: string;
  color: string; // a custom property of the style: "--accent"
  values: (number | null)[];
}

interface Props {
  title: string;
  unit: string;
  times: number[]; // seconds
  series: Series[];
  format: (value: number) => string;
}

const HEIGHT = 180;
const ROWS_MAX = 60; // of the table

function style(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const DAY = 86400;

/** "10:40"; over more than a day "Nov 28", or with the hour where two marks are of one day. */
function moment(seconds: number, step: number, span: number): string {
  const at = new Date(seconds * 1000);
  const clock = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (span <= DAY) {
    return clock;
  }
  const day = at.toLocaleDateString([], { month: "short", day: "numeric" });
  return step < DAY && clock !== "00:00" ? clock : day;
}

/** Where a value stands alone: a line would not show it. */
function alone(values: (number | null | undefined)[]): number[] {
  const there = (at: number) => values[at] !== null && values[at] !== undefined;
  return values.map((_, at) => at).filter((at) => there(at) && !there(at - 1) && !there(at + 1));
}

function options(props: Props, width: number): uPlot.Options {
  const span = (props.times[props.times.length - 1] ?? 0) - (props.times[0] ?? 0);
  const axis = { stroke: style("--soft"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, size: 28, values: (_plot, marks, _axis, _space, step) => marks.map((one) => moment(one, step, span)) },
      { ...axis, size: 64, values: (_plot, marks) => marks.map(props.format) },
    ],
    series: [
      {},
      ...props.series.map((one) => ({
        label: one.name,
        stroke: style(one.color),
        width: 1.5,
        points: {
          show: true,
          size: 5,
          fill: style(one.color),
          filter: (drawn: uPlot, at: number, show: boolean) => (show ? alone(drawn.data[at] as (number | null)[]) : null),
        },
      })),
    ],
  };
}

/** The last value that is there. */
export function last(values: (number | null)[]): number | null {
  return values.reduce<number | null>((found, one) => one ?? found, null);
}

export function Plot(props: Props) {
  const place = useRef<HTMLDivElement>(null);
  const id = useId();
  const look = dark.value;
  const shape = props.series.map((one) => `${one.name} ${one.color}`).join();
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null) {
      return undefined;
    }
    const drawn = new uPlot(options(props, element.clientWidth), [props.times, ...props.series.map((one) => one.values)], element);
    plot.current = drawn;
    const watch = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [look, shape]);
  useEffect(() => {
    plot.current?.setData([props.times, ...props.series.map((one) => one.values)]);
  }, [props.times, props.series]);
  return (
    <figure class="plot card" aria-labelledby={id}>
      <figcaption id={id}>
        <span class="plot-title">{props.title}</span> <span class="soft">{props.unit}</span>
      </figcaption>
      <ul class="plot-key">
        {props.series.map((one) => {
          const value = last(one.values);
          return (
            <li key={one.name}>
              <span class={`plot-mark plot-${one.color.slice(2)}`} aria-hidden="true" />
              {one.name} <b>{value === null ? "–" : props.format(value)}</b>
            </li>
          );
        })}
      </ul>
      <div ref={place} class="plot-place" aria-hidden="true" />
      <details>
        <summary>Numbers</summary>
        <Numbers {...props} />
      </details>
    </figure>
  );
}

/** The newest intervals in which anything was. */
function Numbers(props: Props) {
  const rows = props.times
    .map((time, at) => ({ time, values: props.series.map((one) => one.values[at] ?? null) }))
    .filter((row) => row.values.some((value) => value !== null && value !== 0))
    .slice(-ROWS_MAX)
    .reverse();
  if (rows.length === 0) {
    return <p class="soft">Nothing in this time.</p>;
  }
  return (
    <div class="table-place" role="region" aria-label={`${props.title}: numbers`} tabIndex={0}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Time</th>
            {props.series.map((one) => (
              <th scope="col" key={one.name}>
                {one.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.time}>
              <th scope="row">{new Date(row.time * 1000).toLocaleString([], { hourCycle: "h23" })}</th>
              {row.values.map((value, at) => (
                <td key={at}>{value === null ? "–" : props.format(value)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
