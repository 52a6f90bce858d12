// What a change would do to those that called: asked in a form, before it is saved.
import { useEffect, useState } from "preact/hooks";
import { plan, planPolicy, type Breach, type Plan, type PlanRow, type PolicyPlan } from "../api/access";
import { Button, ErrorNote, Notice, Time } from "./basics";
import { useAction } from "./load";

/** KEY says what the form holds: an answer to what it held before is not shown any more. */
function useAnswer<T>(key: string, ask: () => Promise<T>) {
  const [answer, setAnswer] = useState<{ key: string; answer: T } | null>(null);
  const { busy, error, run } = useAction();
  useEffect(() => {
    error.value = null;
  }, [key]);
  const start = () =>
    void run(async () => {
      const found = await ask();
      setAnswer({ key, answer: found });
    });
  return { busy, error, start, answer: answer?.key === key ? answer.answer : null };
}

/** The button that asks who would gain and lose by the change QUESTION of a service, and the answer. */
export function AskPlan(props: { question: Record<string, unknown>; why?: string | false }) {
  const { busy, error, start, answer } = useAnswer(JSON.stringify(props.question), () => plan(props.question));
  return (
    <div class="ask-plan">
      <Button kind="quiet" busy={busy.value} why={props.why} onClick={start}>
        Who would gain and lose?
      </Button>
      <ErrorNote error={error.value} />
      {answer && <Outcome answer={answer} />}
    </div>
  );
}

/** The same of an organization policy, which is asked when something changes: which services violate it. */
export function AskPolicyPlan(props: { policy: Record<string, unknown>; why?: string | false }) {
  const { busy, error, start, answer } = useAnswer(JSON.stringify(props.policy), () => planPolicy(props.policy));
  return (
    <div class="ask-plan">
      <Button kind="quiet" busy={busy.value} why={props.why} onClick={start}>
        What would violate it?
      </Button>
      <ErrorNote error={error.value} />
      {answer && <PolicyOutcome answer={answer} />}
    </div>
  );
}

function PolicyOutcome(props: { answer: PolicyPlan }) {
  const { services, servicesRead, policies, policiesRead } = props.answer;
  const found = services.length + policies.length;
  return (
    <div class="verdict" role="status">
      <p>
        {found === 0
          ? `None of ${servicesRead} services and ${policiesRead} other allow policies violates it.`
          : `${services.length} of ${servicesRead} services and ${policies.length} of ${policiesRead} other allow policies violate it. No request is refused at once: they stay as they are, and what violates it cannot be set again.`}
      </p>
      {[...services, ...policies].map((one) => (
        <BreachNote key={one.resource} breach={one} />
      ))}
      <p class="hint">Nothing was changed.</p>
    </div>
  );
}

export function BreachNote(props: { breach: Breach }) {
  const { resource, violations, mended } = props.breach;
  return (
    <section class="cure">
      <h3 class="mono wrap">{resource}</h3>
      <ul>
        {violations.map((one) => (
          <li key={one.what} class="wrap">
            {one.what}
            {one.now && " (already so)"}
          </li>
        ))}
      </ul>
      {mended &&
        (mended.loses.length === 0 ? (
          mended.servicesJudged > 0 && <p>No recorded caller would lose by what ends that.</p>
        ) : (
          <Rows title="Lose by what ends that" rows={mended.loses} />
        ))}
      {mended && mended.servicesJudged < mended.servicesConcerned && (
        <p class="hint">{`It concerns ${mended.servicesConcerned} services: the requests of ${mended.servicesJudged} were looked at.`}</p>
      )}
    </section>
  );
}

export function Outcome(props: { answer: Plan }) {
  const { answer } = props;
  const says = answer.organizationPolicy;
  return (
    <div class="verdict" role="status">
      {answer.publicAfter && !answer.publicBefore && (
        <Notice kind="public">This makes the service public: everybody may call it.</Notice>
      )}
      {answer.publicBefore && !answer.publicAfter && <Notice kind="info">The service is no longer public.</Notice>}
      {says?.allowed === false && <Notice kind="warning">{`Organization policy says no: ${says.text ?? ""}`}</Notice>}
      {answer.gains.length + answer.loses.length === 0 ? (
        <p>No recorded caller would gain or lose.</p>
      ) : (
        <>
          <Rows title="Gain" rows={answer.gains} />
          <Rows title="Lose" rows={answer.loses} />
        </>
      )}
      <p class="hint">
        {`Judged by ${answer.requestsRead} recorded requests`}
        {answer.since ? " since " : ""}
        {answer.since ? <Time at={answer.since} /> : ""}
        {answer.requestsOmitted > 0 ? `; ${answer.requestsOmitted} were too many to look at` : ""}. Nothing was changed.
      </p>
    </div>
  );
}

function Rows(props: { title: string; rows: PlanRow[] }) {
  return props.rows.length === 0 ? null : (
    <section class="cure">
      <h2>{props.title}</h2>
      <div class="table-place" role="region" aria-label={props.title} tabIndex={0}>
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Who</th>
              <th scope="col">Path</th>
              <th scope="col" class="number">
                Requests
              </th>
              <th scope="col">Last</th>
            </tr>
          </thead>
          <tbody>
            {props.rows.map((row, at) => (
              <tr key={at}>
                <th scope="row" class="mono wrap">
                  {row.who}
                </th>
                <td class="mono wrap">{row.path}</td>
                <td class="number">{row.requests}</td>
                <td>
                  <Time at={row.last} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
