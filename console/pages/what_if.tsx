// What a change of access would do, before it is made: who of those that called would gain, and who would lose.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { getPolicy, INVOKER, plan, withMembers, withoutMember, type Plan } from "../api/access";
import { Button, ErrorNote } from "../parts/basics";
import { Field, Select } from "../parts/fields";
import { useAction } from "../parts/load";
import { Outcome } from "../parts/plan";
import { quoted, SameChange } from "../parts/same_change";
import { shortName, regionOf } from "../api/run";

const CHANGES: [string, string][] = [
  ["off", "Allow public access (the Invoker IAM check off)"],
  ["on", "Require authentication (the check on)"],
  ["give", "Let somebody call it (roles/run.invoker)"],
  ["take", "Take that from somebody"],
  ["INGRESS_TRAFFIC_ALL", "Ingress: from everywhere"],
  ["INGRESS_TRAFFIC_INTERNAL_ONLY", "Ingress: internal alone"],
];

/** What the API is asked about CHANGE. */
async function wish(resource: string, change: string, member: string): Promise<Record<string, unknown>> {
  if (change === "on" || change === "off") {
    return { resource, invokerIamDisabled: change === "off" };
  }
  if (change === "give" || change === "take") {
    const policy = await getPolicy(resource);
    const changed = change === "give" ? withMembers(policy, INVOKER, [member]) : withoutMember(policy, { role: INVOKER, members: [] }, member);
    return { resource, policy: { bindings: changed.bindings ?? [] } };
  }
  return { resource, ingress: change };
}

/** The same question at a terminal. */
function command(resource: string, change: string, member: string): string | undefined {
  const where = `${quoted(shortName(resource))} --region=${regionOf(resource)}`;
  const flags: Record<string, string> = {
    off: "--no-invoker-iam-check",
    on: "--invoker-iam-check",
    INGRESS_TRAFFIC_ALL: "--ingress=all",
    INGRESS_TRAFFIC_INTERNAL_ONLY: "--ingress=internal",
  };
  if (flags[change] !== undefined) {
    return `homerun access plan ${where} ${flags[change]}`;
  }
  const verb = change === "give" ? "add" : "remove";
  return `homerun services ${verb}-iam-policy-binding ${where} --member=${quoted(member || "MEMBER")} --role=${INVOKER} --dry-run`;
}

export function WhatIf(props: { name: string; picker: ComponentChildren }) {
  const [change, setChange] = useState("off");
  const [member, setMember] = useState("");
  const [answer, setAnswer] = useState<Plan | null>(null);
  const { busy, error, run } = useAction();
  const needsMember = change === "give" || change === "take";
  const why = props.name === "" ? "Choose a service first." : needsMember && member.trim() === "" && "Write a principal first.";
  return (
    <section class="card">
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void run(async () => setAnswer(await plan(await wish(props.name, change, member.trim()))));
        }}
      >
        {props.picker}
        <Select label="Change" value={change} options={CHANGES} onChange={setChange} />
        {needsMember && (
          <Field label="Principal" value={member} onInput={setMember} placeholder="user:ann@example.com" required />
        )}
        <ErrorNote error={error.value} />
        <Button kind="main" submit busy={busy.value} why={why}>
          Ask
        </Button>
        {props.name !== "" && <SameChange ways={{ homerun: command(props.name, change, member.trim()) }} />}
      </form>
      {answer && <Outcome answer={answer} />}
    </section>
  );
}
