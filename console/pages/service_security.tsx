// The door itself. The radio is the Invoker IAM check; what the policy adds is shown beside it, since
// "Require authentication" would otherwise not be what a stranger sees.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { holds, lets, setPolicy, withoutMember } from "../api/access";
import { patchService, shortName } from "../api/run";
import type { Policy, Service } from "../api/types";
import { Button, ErrorNote, Fact, Link, Notice, needs, say } from "../parts/basics";
import { Dialog } from "../parts/dialog";
import { useAction, useLoad } from "../parts/load";
import { quoted, SameChange, type Ways } from "../parts/same_change";
import { serviceView, view } from "../parts/session";
import { Authentication } from "./deploy";

function waysOf(service: Service, open: boolean): Ways {
  const [, project = "", , region = ""] = service.name.split("/");
  const name = shortName(service.name);
  const flag = open ? "--no-invoker-iam-check" : "--invoker-iam-check";
  const line = (tool: string) => `${tool} services update ${quoted(name)} --region=${region} --project=${project} ${flag}`;
  return {
    gcloud: line("gcloud run"),
    homerun: line("homerun"),
    terraform: `resource "google_cloud_run_v2_service" "${name}" {\n  # …\n  invoker_iam_disabled = ${open}\n}`,
    yaml: `metadata:\n  annotations:\n    run.googleapis.com/invoker-iam-disabled: '${open}'`,
  };
}

export function ServiceSecurity(props: { service: Service; policy?: Policy; reload: () => void }) {
  const { service, policy } = props;
  const now = service.invokerIamDisabled ? "open" : "private";
  const [chosen, choose] = useState<"open" | "private" | null>(null);
  const may = useLoad(`may ${service.name}`, () => holds(service.name, ["run.services.update", "run.services.setIamPolicy"]));
  const { busy, error, run } = useAction();
  const value = chosen ?? now;
  const everyone = lets(policy, "allUsers");
  /* Somebody else has saved the same thing meanwhile: there is nothing left to choose. */
  useEffect(() => {
    if (chosen === now) {
      choose(null);
    }
  }, [now]);
  const save = () =>
    void run(async () => {
      const open = value === "open";
      await patchService(service, { invokerIamDisabled: open }, ["invokerIamDisabled"]);
      say(
        open
          ? "The Invoker IAM check is off: anyone may call the service."
          : everyone
            ? "The Invoker IAM check is on. allUsers may still invoke, so the service stays public."
            : "The Invoker IAM check is on: a request needs an identity that may invoke the service.",
      );
      choose(null);
      props.reload();
    });
  const missing = needs(may.data.value, "run.services.update");
  return (
    <div class="columns">
      <section class="card">
        <Authentication value={value} onChange={choose} disabled={Boolean(missing)} />
        {everyone && (
          <Notice kind="public">
            <p>
              <strong>allUsers</strong> has {everyone.role}
              {everyone.condition ? " on a condition" : ""}: a stranger is let in whatever the radio says.
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
          <Button kind="main" onClick={save} busy={busy.value} why={missing || (chosen === null && "Nothing is changed yet.")}>
            Save
          </Button>
          {chosen !== null && <Button onClick={() => choose(null)}>Cancel</Button>}
        </div>
        <SameChange ways={waysOf(service, value === "open")} />
      </section>
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
    </div>
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
