// One constraint on one resource: what is in force, and Manage policy.
import { useEffect, useState } from "preact/hooks";
import { effective, listConstraints, ownPolicy, setOwnPolicy, shortConstraint, type Constraint, type OrgPolicy, type Rule } from "../api/org";
import { Button, Copy, ErrorNote, Fact, Head, Loading, say } from "../parts/basics";
import { Field, Radios } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import type { Params } from "../parts/location";
import { AskPolicyPlan } from "../parts/plan";
import { SameChange } from "../parts/same_change";
import { NodePicker, nodeOfView, rulesText } from "./org_policies";

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
  return (
    <>
      <Head
        title={found?.constraint?.displayName ?? short}
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
          <Manage key={`${node} ${found.own?.spec?.etag ?? ""}`} node={node} short={short} constraint={found.constraint} own={found.own} reload={loaded.reload} />
        </div>
      )}
    </>
  );
}

function modeOf(rule: Rule | undefined, boolean: boolean): Mode {
  if (boolean) {
    return rule?.enforce ? "on" : "off";
  }
  return rule?.denyAll ? "deny" : rule?.values ? "values" : "allow";
}

function Manage(props: { node: string; short: string; constraint?: Constraint; own: OrgPolicy | null; reload: () => void }) {
  const boolean = props.constraint?.listConstraint === undefined;
  const first = props.own?.spec?.rules?.[0];
  const [source, setSource] = useState<Source>(props.own ? "override" : "inherit");
  const [mode, setMode] = useState<Mode>(modeOf(first, boolean));
  const [values, setValues] = useState((first?.values?.allowedValues ?? []).join("\n"));
  const [condition, setCondition] = useState(first?.condition?.expression ?? "");
  const { busy, error, run } = useAction();
  useEffect(() => setMode(modeOf(first, boolean)), [boolean]);
  const several = (props.own?.spec?.rules ?? []).length > 1;
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
  const yaml = `name: ${props.node}/policies/${props.short}\nspec:\n  rules:\n${rules.map((one) => `  - ${JSON.stringify(one)}`).join("\n")}`;
  const flag = props.node.startsWith("projects/") ? "--project" : props.node.startsWith("folders/") ? "--folder" : "--organization";
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
      <ErrorNote error={error.value} />
      <div class="form-actions">
        <Button
          kind="main"
          busy={busy.value}
          why={source === "inherit" && props.own === null && "It inherits already."}
          onClick={() =>
            void run(async () => {
              await setOwnPolicy(props.node, props.short, props.own, source === "inherit" ? null : rules);
              say(source === "inherit" ? "The policy of this resource is gone: it inherits." : "The policy is set, and in force.");
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
            ? { gcloud: `gcloud org-policies delete ${props.short} ${flag}=${props.node.split("/")[1]}` }
            : { gcloud: `gcloud org-policies set-policy policy.yaml`, yaml }
        }
      />
    </section>
  );
}
