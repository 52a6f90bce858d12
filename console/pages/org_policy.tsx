// One constraint on one resource: what is in force, and Manage policy.
import { useEffect, useState } from "preact/hooks";
import { effective, listConstraints, ownPolicy, setOwnPolicy, shortConstraint, type Constraint, type OrgPolicy, type Rule } from "../api/org";
import { holds, planPolicy } from "../api/access";
import { Button, Copy, ErrorNote, Fact, Head, Loading, Notice, needs, say } from "../parts/basics";
import { Field, Radios } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import type { Params } from "../parts/location";
import { AskPolicyPlan, BreachNote } from "../parts/plan";
import { SameChange } from "../parts/same_change";
import { toTerraform } from "../parts/terraform";
import { toYaml } from "../parts/yaml";
import { NodePicker, nodeOfView, rulesText } from "./org_policies";

const SET = "orgpolicy.policy.set";

type Source = "inherit" | "override";
type Mode = "on" | "off" | "allow" | "deny" | "values";

export function OrgPolicyPage(props: { params: Params }) {
  const node = nodeOfView();
  const short = props.params.constraint ?? "";
  const loaded = useLoad(
    `org policy ${node} ${short}`,
    async () => {
      const [constraints, own, now] = await Promise.all([
        listConstraints(node),
        ownPolicy(node, short),
        effective(node, short),
      ]);
      return { constraint: constraints.find((one) => shortConstraint(one.name) === short), own, now };
    },
    "",
  );
  const found = loaded.data.value;
  const [turn, setTurn] = useState(0);
  return (
    <>
      <Head
        title={found?.constraint?.displayName && !/not here$/.test(found.constraint.displayName) ? found.constraint.displayName : short}
        back={{ to: `/console/policies?node=${encodeURIComponent(node)}`, text: "Organization policies" }}
      />
      <div class="bar">
        <NodePicker />
      </div>
      <ErrorNote error={loaded.error.value} again={loaded.reload} />
      {found === undefined ? (
        !loaded.error.value && <Loading what="the policy" />
      ) : (
        <div class="columns">
          <div class="column">
          <section class="card">
            <p>{found.constraint?.description}</p>
            <dl>
              <Fact name="Constraint">
                <code class="wrap">{short}</code> <Copy text={short} what="the constraint" />
              </Fact>
              <Fact name="In force here">{rulesText(found.now)}</Fact>
              <Fact name="Set by">{found.own ? `this resource, ${node}` : "a resource above, or the default"}</Fact>
            </dl>
          </section>
          <ViolatedToday name={`${node}/policies/${short}`} now={found.now} />
          </div>
          <Manage key={`${node} ${turn}`} node={node} short={short} constraint={found.constraint} own={found.own} reload={loaded.reload} again={() => setTurn(turn + 1)} />
        </div>
      )}
    </>
  );
}

/** What stands against the policy that is in force: it was there before. */
function ViolatedToday(props: { name: string; now: OrgPolicy }) {
  const rules = props.now.spec?.rules ?? [];
  const found = useLoad(`violated ${props.name} ${JSON.stringify(rules)}`, async () =>
    rules.length === 0 ? null : planPolicy({ name: props.name, spec: { rules } }),
  );
  const answer = found.data.value;
  const breaches = [...(answer?.services ?? []), ...(answer?.policies ?? [])];
  return (
    <section class="card">
      <h2>Violated today by</h2>
      <ErrorNote error={found.error.value} again={found.reload} />
      {answer === undefined && !found.error.value && <Loading what="what violates it" />}
      {answer !== undefined && breaches.length === 0 && <p class="hint">Nothing that is here.</p>}
      {breaches.map((one) => (
        <BreachNote key={one.resource} breach={one} />
      ))}
    </section>
  );
}

function modeOf(rule: Rule | undefined, boolean: boolean): Mode {
  if (boolean) {
    return rule?.enforce ? "on" : "off";
  }
  return rule?.denyAll ? "deny" : rule?.values ? "values" : "allow";
}

function Manage(props: { node: string; short: string; constraint?: Constraint; own: OrgPolicy | null; reload: () => void; again: () => void }) {
  const boolean = props.constraint?.listConstraint === undefined;
  /* The form is of the policy as it was when it was opened: what others change meanwhile takes nothing that was typed. */
  const [own] = useState(props.own);
  const overtaken = JSON.stringify(props.own?.spec) !== JSON.stringify(own?.spec);
  const first = own?.spec?.rules?.[0];
  const [source, setSource] = useState<Source>(own ? "override" : "inherit");
  const [mode, setMode] = useState<Mode>(modeOf(first, boolean));
  const [values, setValues] = useState((first?.values?.allowedValues ?? []).join("\n"));
  const [condition, setCondition] = useState(first?.condition?.expression ?? "");
  const [saved, setSaved] = useState(false);
  const { busy, error, run } = useAction();
  /* What this form has set itself is where it goes on from. */
  useEffect(() => {
    if (saved && overtaken) {
      props.again();
    }
  }, [saved, overtaken]);
  useEffect(() => setMode(modeOf(first, boolean)), [boolean]);
  const may = useLoad(`may ${props.node} policy`, () => holds(props.node, [SET]));
  const missing = needs(may.data.value, SET);
  const several = (own?.spec?.rules ?? []).length > 1;
  const rule: Rule = {
    ...(boolean && { enforce: mode === "on" }),
    ...(mode === "allow" && { allowAll: true }),
    ...(mode === "deny" && { denyAll: true }),
    ...(mode === "values" && { values: { allowedValues: values.split("\n").filter((one) => one.trim() !== "") } }),
  };
  /* A conditional rule needs a last one without a condition. */
  const rules: Rule[] =
    condition.trim() === ""
      ? [rule]
      : [{ ...rule, condition: { expression: condition.trim() } }, boolean ? { enforce: mode !== "on" } : { allowAll: true }];
  const flag = props.node.startsWith("projects/") ? "--project" : props.node.startsWith("folders/") ? "--folder" : "--organization";
  const where = `${flag}=${props.node.split("/")[1]}`;
  /* The provider has words where the API has truths. */
  const word = (value: boolean) => (value ? "TRUE" : "FALSE");
  const terraform = (all: Rule[]) =>
    toTerraform("google_org_policy_policy", props.short.replace(/[^A-Za-z0-9]+/g, "_"), {
      name: `${props.node}/policies/${props.short}`,
      parent: props.node,
      spec: {
        rules: all.map(({ enforce, allowAll, denyAll, ...one }) => ({
          ...(enforce !== undefined && { enforce: word(enforce) }),
          ...(allowAll !== undefined && { allowAll: word(allowAll) }),
          ...(denyAll !== undefined && { denyAll: word(denyAll) }),
          ...one,
        })),
      },
    });
  return (
    <section class="card">
      <h2>Manage policy</h2>
      <Radios<Source>
        legend="Policy source"
        value={source}
        onChange={setSource}
        choices={[
          { value: "inherit", text: "Inherit parent's policy", about: "This resource says nothing of its own." },
          { value: "override", text: "Override parent's policy", about: "The rule below decides, here and beneath." },
        ]}
      />
      {source === "override" && (
        <>
          {boolean ? (
            <Radios<Mode>
              legend="Enforcement"
              value={mode}
              onChange={setMode}
              choices={[
                { value: "on", text: "On", about: "The constraint is enforced." },
                { value: "off", text: "Off", about: "The constraint is not enforced." },
              ]}
            />
          ) : (
            <Radios<Mode>
              legend="Rule"
              value={mode}
              onChange={setMode}
              choices={[
                { value: "allow", text: "Allow all", about: "Every value is allowed." },
                { value: "deny", text: "Deny all", about: "No value is allowed." },
                {
                  value: "values",
                  text: "Custom",
                  about: "Only these values are allowed.",
                  below: <Field label="Allowed values" value={values} onInput={setValues} lines={4} hint="One a line." />,
                },
              ]}
            />
          )}
          <Field
            label="Condition"
            value={condition}
            onInput={setCondition}
            placeholder="resource.matchTag('123/env', 'prod')"
            hint="Leave it empty for a rule that always holds."
          />
          {several && <p class="fault">This policy has several rules. Setting it here replaces them by the one above.</p>}
        </>
      )}
      {overtaken && (
        <Notice kind="warning">
          <p>Somebody else has changed this policy since the form was opened. What you chose is kept, and is not set.</p>
          <Button onClick={props.again}>Load what is there now</Button>
        </Notice>
      )}
      <ErrorNote error={error.value} />
      <div class="form-actions">
        <Button
          kind="main"
          busy={busy.value}
          why={
            missing ||
            (overtaken && "Somebody else has changed this policy: load what is there now first.") ||
            (source === "inherit" && own === null && "It inherits already.")
          }
          onClick={() =>
            void run(async () => {
              await setOwnPolicy(props.node, props.short, own, source === "inherit" ? null : rules);
              say(source === "inherit" ? "The policy of this resource is gone: it inherits." : "The policy is set, and in force.");
              setSaved(true);
              props.reload();
            })
          }
        >
          Set policy
        </Button>
      </div>
      {source === "override" && (
        <AskPolicyPlan policy={{ name: `${props.node}/policies/${props.short}`, spec: { rules } }} />
      )}
      <SameChange
        ways={
          source === "inherit"
            ? {
                gcloud: `gcloud org-policies delete ${props.short} ${where}`,
                homerun: `homerun org-policies delete ${props.short} ${where}`,
                terraform: `# Take this out of the configuration:\n${terraform(own?.spec?.rules ?? [])}`,
              }
            : {
                gcloud: "gcloud org-policies set-policy policy.yaml",
                homerun: "homerun org-policies set-policy policy.yaml",
                terraform: terraform(rules),
                yaml: `# gcloud org-policies set-policy policy.yaml\n${toYaml({ name: `${props.node}/policies/${props.short}`, spec: { rules } })}`,
              }
        }
      />
    </section>
  );
}
