// The door itself. The radio is the Invoker IAM check; what the policy adds is shown beside it, since
// "Require authentication" would otherwise not be what a stranger sees.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { bindAgent, holds, INVOKER, lets, setPolicy, withMembers, withoutMember } from "../api/access";
import { patchService, shortName } from "../api/run";
import type { Policy, Service } from "../api/types";
import { Button, ErrorNote, Fact, Link, Notice, needs, say } from "../parts/basics";
import { Dialog } from "../parts/dialog";
import { useAction, useLoad } from "../parts/load";
import { AskPlan } from "../parts/plan";
import { SameChange, type Ways } from "../parts/same_change";
import { serviceChange } from "../parts/service_change";
import { serviceView, view } from "../parts/session";
import { Authentication } from "./deploy";
import { Audiences } from "./service_audiences";
import { DoorPolicy, SignIn, useAgent, withAgent, type SignInBy } from "./service_door";

function waysOf(service: Service, open: boolean, by: SignInBy, agent?: string): Ways {
  const door = by === "iap";
  const turned = door !== (service.iapEnabled === true);
  const ways = serviceChange(service, {
    flags: [open ? "--no-invoker-iam-check" : "--invoker-iam-check", ...(turned ? [door ? "--iap" : "--no-iap"] : [])],
    beta: turned,
    fields: { invokerIamDisabled: open, iapEnabled: door },
    v1: ({ metadata }) => {
      metadata.annotations["run.googleapis.com/invoker-iam-disabled"] = String(open);
      if (turned) {
        metadata.annotations["run.googleapis.com/iap-enabled"] = String(door);
      }
    },
  });
  return turned && agent ? withAgent(ways, service.name, agent, door) : ways;
}

export function ServiceSecurity(props: { service: Service; policy?: Policy; reload: () => void }) {
  const { service, policy } = props;
  const now = service.invokerIamDisabled ? "open" : "private";
  const by: SignInBy = service.iapEnabled ? "iap" : "iam";
  const [chosen, choose] = useState<"open" | "private" | null>(null);
  const [chosenBy, chooseBy] = useState<SignInBy | null>(null);
  const may = useLoad(`may ${service.name}`, () => holds(service.name, ["run.services.update", "run.services.setIamPolicy"]));
  const { busy, error, run } = useAction();
  const agent = useAgent(service.name);
  const value = chosen ?? now;
  const valueBy = chosenBy ?? by;
  const everyone = lets(policy, "allUsers");
  /* Somebody else has saved the same thing meanwhile: there is nothing left to choose. */
  useEffect(() => {
    if (chosen === now) {
      choose(null);
    }
    if (chosenBy === by) {
      chooseBy(null);
    }
  }, [now, by]);
  const save = () =>
    void run(async () => {
      const open = value === "open";
      const door = valueBy === "iap";
      await patchService(service, { invokerIamDisabled: open, iapEnabled: door }, ["invokerIamDisabled", "iapEnabled"]);
      choose(null);
      chooseBy(null);
      if (door !== (by === "iap")) {
        await bindAgent(service.name, door);
      }
      say(
        door
          ? "Callers sign in first: who may come in stands in the policy of Identity-Aware Proxy."
          : open
            ? "The Invoker IAM check is off: anyone may call the service."
            : everyone
              ? "The Invoker IAM check is on. allUsers may still invoke, so the service stays public."
              : "The Invoker IAM check is on: a request needs an identity that may invoke the service.",
      );
      props.reload();
    });
  const missing = needs(may.data.value, "run.services.update");
  return (
    <div class="columns">
      <section class="card">
        <Authentication value={value} onChange={choose} disabled={Boolean(missing)} />
        <SignIn value={valueBy} onChange={chooseBy} disabled={Boolean(missing)} />
        {by === "iap" && policy?.door?.iapAgentMayInvoke === false && (
          <Notice kind="warning">
            Nobody gets in: <code class="wrap">{policy.door.iapAgent}</code>, who calls the service for those who signed
            in, lacks <code>{INVOKER}</code> here.
          </Notice>
        )}
        {everyone && (
          <Notice kind={by === "iap" ? "warning" : "public"}>
            <p>
              <strong>allUsers</strong> has {everyone.role}
              {everyone.condition ? " on a condition" : ""}:{" "}
              {by === "iap"
                ? "once Identity-Aware Proxy is off, a stranger is let in."
                : "a stranger is let in whatever the radio says."}
            </p>
            <RemoveEveryone
              service={service}
              policy={policy ?? {}}
              why={needs(may.data.value, "run.services.setIamPolicy")}
              reload={props.reload}
            />
          </Notice>
        )}
        <SaveFailed error={error.value} service={service} reload={props.reload} close={() => (error.value = null)} />
        <div class="form-actions">
          <Button kind="main" onClick={save} busy={busy.value} why={missing || (chosen === null && chosenBy === null && "Nothing is changed yet.")}>
            Save
          </Button>
          {(chosen !== null || chosenBy !== null) && (
            <Button
              onClick={() => {
                choose(null);
                chooseBy(null);
              }}
            >
              Cancel
            </Button>
          )}
        </div>
        {(chosen !== null || chosenBy !== null) && <AskSecurity service={service} policy={policy} agent={agent} open={value === "open"} by={valueBy} turned={valueBy !== by} />}
        <SameChange ways={waysOf(service, value === "open", valueBy, agent)} />
        {by === "iap" && <DoorPolicy name={service.name} changed={props.reload} />}
      </section>
      <div class="column">
        <section class="card">
          <h2>Identity</h2>
          <dl>
            <Fact name="Service account">
              <span class="mono wrap">{service.template?.serviceAccount ?? "default"}</span>
            </Fact>
          </dl>
          <p class="hint">
            Who may call it is on <Link to={serviceView(service.name, "permissions")}>Permissions</Link>; what an
            organization forbids is on <Link to={view("/console/policies")}>Organization policies</Link>.
          </p>
        </section>
        <Audiences service={service} missing={missing} reload={props.reload} />
      </div>
    </div>
  );
}

/** Who would gain and lose by what is chosen. Turning the sign-in on lets its agent invoke as well, as Save does. */
function AskSecurity(props: { service: Service; policy?: Policy; agent?: string; open: boolean; by: SignInBy; turned: boolean }) {
  const { service, policy = {}, agent, open, by, turned } = props;
  const door = by === "iap";
  const binding = (policy.bindings ?? []).find((one) => one.role === INVOKER && !one.condition);
  const changed = !turned || !agent
    ? undefined
    : door
      ? withMembers(policy, INVOKER, [agent])
      : binding && withoutMember(policy, binding, agent);
  return (
    <AskPlan
      why={turned && agent === undefined && "The project is being looked up."}
      question={{
        resource: service.name,
        invokerIamDisabled: open,
        ...(turned && { iapEnabled: door }),
        ...(changed && { policy: { bindings: changed.bindings ?? [] } }),
      }}
    />
  );
}

function RemoveEveryone(props: { service: Service; policy: Policy; why: string | false; reload: () => void }) {
  const { busy, error, run } = useAction();
  return (
    <>
      <Button
        busy={busy.value}
        why={props.why}
        onClick={() =>
          void run(async () => {
            let policy = props.policy;
            for (let found = lets(policy, "allUsers"); found; found = lets(policy, "allUsers")) {
              policy = withoutMember(policy, found, "allUsers");
            }
            await setPolicy(props.service.name, policy);
            say("allUsers is no longer bound here.");
            props.reload();
          })
        }
      >
        Remove allUsers
      </Button>
      <ErrorNote error={error.value} />
    </>
  );
}

/** Refused: by organization policy, by somebody who saved first, or by anything else. */
function SaveFailed(props: { error: Error | null; service: Service; reload: () => void; close: () => void }) {
  const { error } = props;
  if (error === null) {
    return null;
  }
  const constraints = error instanceof ApiError ? error.constraints : (error.message.match(/constraints\/[A-Za-z.]+/g) ?? []);
  if (constraints.length > 0) {
    return (
      <Dialog title="An organization policy forbids this" onClose={props.close} actions={<Button onClick={props.close}>Close</Button>}>
        <p>{error.message}</p>
        {error instanceof ApiError && error.help.map((one) => <p key={one}>{one}</p>)}
        {constraints.map((one) => (
          <p key={one}>
            <Link to={view(`/console/policies/${encodeURIComponent(shortName(one))}`)}>{one}</Link>
          </p>
        ))}
        <p>
          What can be done instead: grant <code>roles/run.invoker</code> to those who are to call it, on{" "}
          <Link to={serviceView(props.service.name, "permissions")}>Permissions</Link>; or ask who administers the
          organization policy to change it.
        </p>
      </Dialog>
    );
  }
  if (error instanceof ApiError && (error.status === 409 || error.code === "ABORTED")) {
    return (
      <div class="note warning" role="alert">
        <p>Somebody else has changed this service since it was loaded. Your choice was not saved, and theirs is kept.</p>
        <Button
          onClick={() => {
            props.close();
            props.reload();
          }}
        >
          Load what is there now
        </Button>
      </div>
    );
  }
  return <ErrorNote error={error} />;
}
