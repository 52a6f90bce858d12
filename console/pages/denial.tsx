// Why one request was refused.
import { explainDenial } from "../api/access";
import type { Change, Denial, Rung } from "../api/types";
import { Copy, ErrorNote, Fact, Head, Link, Loading, Notice, Time } from "../parts/basics";
import { useLoad } from "../parts/load";
import type { Params } from "../parts/location";
import { SameChange } from "../parts/same_change";
import { serviceView, view } from "../parts/session";

const FACTS: [keyof Denial, string][] = [
  ["service", "Service"],
  ["region", "Region"],
  ["method", "Method"],
  ["url", "URL"],
  ["principal", "Principal"],
  ["fault", "Fault"],
];

export function DenialPage(props: { params: Params }) {
  const id = props.params.denial ?? "";
  const found = useLoad(`denial ${id}`, () => explainDenial(id));
  const denial = found.data.value;
  return (
    <>
      <Head title="Why was this refused?" back={{ to: view("/console/access/refused"), text: "Refused" }} />
      <p class="mono answer-line">
        {id} <Copy text={id} what="the denial id" />
      </p>
      <ErrorNote error={found.error.value} again={found.reload} />
      {denial === undefined ? (
        !found.error.value && <Loading what="the explanation" />
      ) : (
        <section class="card">
          <Verdict answer={denial} />
          <dl>
            {denial.time && (
              <Fact name="When">
                <Time at={denial.time} />
              </Fact>
            )}
            {FACTS.filter(([key]) => denial[key]).map(([key, name]) => (
              <Fact key={key} name={name}>
                <span class="mono wrap">{String(denial[key])}</span>
              </Fact>
            ))}
          </dl>
          {denial.resource && (
            <p>
              <Link to={serviceView(denial.resource, "permissions")}>Permissions of the service</Link>
            </p>
          )}
        </section>
      )}
    </>
  );
}

const RESULTS: Record<Rung["result"], string> = {
  PASSED: "went on",
  DECIDED: "decided",
  NOT_REACHED: "not reached",
};

/** What comes near, and the smallest change that lets exactly this caller in. */
function Cure(props: { answer: Denial }) {
  const { near = [], changes = [], instead = [] } = props.answer;
  return (
    <>
      <Lines title="Near to it" lines={near} />
      {changes.length > 0 && (
        <section class="cure">
          <h2>What lets exactly this caller in</h2>
          {changes.map((one, at) => (
            <OneChange key={at} change={one} />
          ))}
        </section>
      )}
      <Lines title={changes.length > 0 ? "Or" : "What can be done"} lines={instead} />
    </>
  );
}

function Lines(props: { title: string; lines: string[] }) {
  return props.lines.length === 0 ? null : (
    <section class="cure">
      <h2>{props.title}</h2>
      <ul>
        {props.lines.map((one) => (
          <li key={one} class="wrap">
            {one}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** A place in this console; a link that leads elsewhere is none. */
function placeOf(link: string | undefined): string | null {
  const url = link === undefined ? null : new URL(link, window.location.href);
  return url !== null && url.pathname.startsWith("/console/") ? url.pathname + url.search : null;
}

function OneChange(props: { change: Change }) {
  const { change } = props;
  const to = placeOf(change.console);
  const policy = change.organizationPolicy;
  return (
    <div class="change">
      <p class="wrap">{change.what ?? change.kind}</p>
      <SameChange open ways={change} />
      {policy?.allowed === false && <Notice kind="warning">{`Organization policy says no: ${policy.text ?? ""}`}</Notice>}
      {to !== null && (
        <p>
          <Link to={to}>Do it here</Link>
        </p>
      )}
    </div>
  );
}

/** The answer in one line, then the rungs from top to bottom where the API tells them. */
export function Verdict(props: { answer: Denial }) {
  const { answer } = props;
  const allowed = answer.allowed === true;
  return (
    <div class="verdict" role="status">
      <p class={`verdict-line ${allowed ? "yes" : "no"}`}>
        {allowed ? "Yes, this request is let in" : `No: it is answered with ${answer.status ?? 403}`}
        {`: ${answer.cause ?? answer.fact ?? answer.text ?? ""}`}
      </p>
      {answer.because && (
        <p>
          <code class="wrap">{answer.because.member}</code> has <code>{answer.because.role}</code> on{" "}
          <code class="wrap">{answer.because.on}</code>
          {answer.because.condition ? (
            <>
              , if <code class="wrap">{answer.because.condition}</code>
            </>
          ) : null}
          .
        </p>
      )}
      {!allowed && <Cure answer={answer} />}
      {answer.rungs ? (
        <ol class="rungs" aria-label="The questions, from top to bottom">
          {answer.rungs.map((one) => (
            <li key={one.rung} class={`${one.result.toLowerCase()} ${allowed ? "yes" : "no"}`}>
              <span class="rung-rule mono">{one.rule}</span>
              <span>
                <strong>{one.question}</strong>
                {one.fact && <small class="block wrap">{one.fact}</small>}
              </span>
              <span class="rung-result">{RESULTS[one.result]}</span>
            </li>
          ))}
        </ol>
      ) : (
        answer.rung && (
          <p class="hint">
            Decided by <code>{answer.rung}</code>
          </p>
        )
      )}
    </div>
  );
}
