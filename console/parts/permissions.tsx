// The permissions of one resource: members by role, with what is inherited; add and remove.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { all } from "../api/http";
import { EVERYONE, getPolicy, holds, opens as lets, setPolicy, who, withMembers, withoutMember } from "../api/access";
import type { Binding, Policy, WhoRow } from "../api/types";
import { Button, Empty, ErrorNote, Loading, Notice, needs, say } from "./basics";
import { Dialog } from "./dialog";
import { Field } from "./fields";
import { useAction, useLoad } from "./load";
import { here, setQuery } from "./location";
import { Pager, usePages } from "./pager";
import { AskPlan } from "./plan";
import { quoted, SameChange, type Ways } from "./same_change";
import { toTerraform } from "./terraform";
import { toYaml } from "./yaml";

interface Role {
  name: string;
  title?: string;
}

const MEMBER = /^(allUsers|allAuthenticatedUsers|(user|serviceAccount|group|domain|principal|principalSet|deleted):.+)$/;

function memberFault(text: string): string | false {
  const bad = membersOf(text).find((one) => !MEMBER.test(one));
  return bad !== undefined && `${bad} names nobody: write user:, serviceAccount:, group: or domain: in front, or allUsers.`;
}

const membersOf = (text: string) => text.split(/[\s,]+/).filter((one) => one !== "");

export interface PermissionsProps {
  resource: string; // projects/P/locations/L/services/S, projects/P, folders/N, organizations/N
  permission: string; // what it takes to change the policy
  ways: (members: string[], role: string, add: boolean) => Ways;
  above?: () => Promise<WhoRow[]>; // what is inherited, where the resource is no service
  heading?: "h2" | "h3"; // of a role, below what stands above the permissions
  linked?: boolean; // the view's URL may name a member and a role that are to be added
}

export function Permissions(props: PermissionsProps) {
  const policy = useLoad(`policy ${props.resource}`, () => getPolicy(props.resource), props.resource);
  const inherited = useLoad(`who ${props.resource}`, async () => {
    if (props.above) {
      return props.above();
    }
    return props.resource.includes("/services/") ? ((await who(props.resource)).bindings ?? []) : [];
  }, props.resource);
  const may = useLoad(`may ${props.resource} ${props.permission}`, () => holds(props.resource, [props.permission]));
  const query = here.value.searchParams;
  const linked = props.linked ? { members: query.get("member") ?? "", role: query.get("role") ?? "" } : undefined;
  const [adding, setAdding] = useState(Boolean(linked?.members));
  const closeAdding = () => {
    setAdding(false);
    if (linked?.members) {
      setQuery("member", "", true);
      setQuery("role", "", true);
    }
  };
  const [removing, setRemoving] = useState<{ binding: Binding; member: string } | null>(null);
  const missing = needs(may.data.value, props.permission);
  const bindings = policy.data.value?.bindings ?? [];
  const grants = bindings.flatMap((binding) => (binding.members ?? []).map((member) => ({ binding, member })));
  const { shown, ...pager } = usePages(grants);
  if (policy.data.value === undefined) {
    return policy.error.value ? (
      <ErrorNote error={policy.error.value} again={policy.reload} />
    ) : (
      <Loading what="permissions" />
    );
  }
  const above = (inherited.data.value ?? []).filter((row) => row.on !== props.resource);
  return (
    <div class="permissions">
      <div class="bar">
        <Button kind="main" onClick={() => setAdding(true)} why={missing}>
          Add principal
        </Button>
      </div>
      {bindings.length === 0 && above.length === 0 && (
        <Empty title="Nobody is named here">
          <p>Add a principal to let somebody in.</p>
        </Empty>
      )}
      {[...new Set(shown.map((one) => one.binding))].map((binding) => (
        <RoleGroup
          key={binding.role + (binding.condition?.expression ?? "")}
          heading={props.heading ?? "h2"}
          title={<code>{binding.role}</code>}
          condition={binding.condition?.expression}
        >
          {shown.filter((one) => one.binding === binding).map(({ member }) => (
            <li key={member} class={EVERYONE.includes(member) && lets(binding.role) ? "everyone" : undefined}>
              <span class="mono wrap">{member}</span>
              <Button
                kind="quiet"
                label={`Remove ${member} from ${binding.role}`}
                why={missing}
                onClick={() => setRemoving({ binding, member })}
              >
                <Bin /> Remove
              </Button>
            </li>
          ))}
        </RoleGroup>
      ))}
      <Pager {...pager} total={grants.length} label="Pages of members" />
      {above.length > 0 && <Inherited rows={above} heading={props.heading ?? "h2"} />}
      {adding && (
        <AddPrincipal
          {...props}
          policy={policy.data.value}
          first={linked}
          onClose={closeAdding}
          onDone={() => {
            closeAdding();
            policy.reload();
          }}
        />
      )}
      {removing && (
        <RemovePrincipal
          {...props}
          {...removing}
          policy={policy.data.value}
          onClose={() => setRemoving(null)}
          onDone={() => {
            setRemoving(null);
            policy.reload();
          }}
        />
      )}
    </div>
  );
}

function RoleGroup(props: {
  heading: "h2" | "h3";
  title: ComponentChildren;
  condition?: string;
  children: ComponentChildren;
}) {
  const Heading = props.heading;
  return (
    <section class="role-group">
      <Heading>{props.title}</Heading>
      {props.condition && (
        <p class="hint">
          only if <code class="wrap">{props.condition}</code>
        </p>
      )}
      <ul>{props.children}</ul>
    </section>
  );
}

function Inherited(props: { rows: WhoRow[]; heading: "h2" | "h3" }) {
  const { shown, ...pager } = usePages(props.rows);
  return (
    <>
    <RoleGroup heading={props.heading} title="Inherited">
      {shown.map((row) => (
        <li key={`${row.on} ${row.role} ${row.member}`}>
          <span class="mono wrap">{row.member}</span>
          <small>
            {row.role} on {row.on}
          </small>
        </li>
      ))}
    </RoleGroup>
    <Pager {...pager} total={props.rows.length} label="Pages of what is inherited" />
    </>
  );
}

const Bin = () => (
  <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
    <path
      fill="none"
      stroke="currentColor"
      stroke-width="1.4"
      d="M2.5 4.5h11M6 4V2.5h4V4m2.3.5-.7 9H4.4l-.7-9M6.5 7v4m3-4v4"
    />
  </svg>
);

interface ChangeProps extends PermissionsProps {
  policy: Policy;
  onClose: () => void;
  onDone: () => void;
}

function AddPrincipal(props: ChangeProps & { first?: { members: string; role: string } }) {
  const roles = useLoad("roles", () => all<Role>("/v1/roles?pageSize=1000", "roles"));
  const [members, setMembers] = useState(props.first?.members ?? "");
  const [role, setRole] = useState(props.first?.role ?? "");
  const [touched, setTouched] = useState(false);
  const [confirming, setConfirming] = useState(false);
  const { busy, error, run } = useAction();
  const chosen = roleOf(role, roles.data.value ?? []);
  const names = membersOf(members);
  const opens = names.filter((one) => EVERYONE.includes(one)).length > 0 && lets(chosen);
  const fault = memberFault(members);
  const gains = names.filter(
    (one) => !(props.policy.bindings ?? []).some((b) => b.role === chosen && !b.condition && (b.members ?? []).includes(one)),
  );
  const save = () =>
    void run(async () => {
      await setPolicy(props.resource, withMembers(props.policy, chosen, names));
      say(opens ? `${names.join(", ")} may now invoke it: it is public.` : `${names.join(", ")} now has ${chosen}.`);
      props.onDone();
    });
  const submit = () => {
    setTouched(true);
    if (fault || names.length === 0 || chosen === "") {
      return;
    }
    if (opens) {
      setConfirming(true);
    } else {
      save();
    }
  };
  if (confirming) {
    return (
      <Dialog
        title="Make this resource public?"
        onClose={() => setConfirming(false)}
        actions={
          <>
            <Button onClick={() => setConfirming(false)}>Cancel</Button>
            <Button kind="danger" busy={busy.value} onClick={save}>
              Allow public access
            </Button>
          </>
        }
      >
        <p>
          <strong>{names.filter((one) => EVERYONE.includes(one)).join(" and ")}</strong> with {chosen} lets{" "}
          {names.includes("allUsers") ? "anyone on the network, without any sign-in," : "every account that any issuer known here vouches for"}{" "}
          call <code class="wrap">{props.resource}</code>.
        </p>
        <p class="hint">This adds a binding to the policy. The Invoker IAM check stays as it is.</p>
        <Failure error={error.value} />
      </Dialog>
    );
  }
  return (
    <Dialog
      title="Add principal"
      onClose={props.onClose}
      actions={
        <>
          <Button onClick={props.onClose}>Cancel</Button>
          <Button kind="main" busy={busy.value} onClick={submit}>
            Save
          </Button>
        </>
      }
    >
      <Field
        label="New principals"
        value={members}
        onInput={setMembers}
        placeholder="user:ann@example.com"
        options={["allUsers", "allAuthenticatedUsers"]}
        fault={touched && (names.length === 0 ? "Name at least one principal." : fault)}
        hint="user:, serviceAccount:, group: or domain: in front; several with a comma between."
      />
      <Field
        label="Select a role"
        value={role}
        onInput={setRole}
        placeholder="Cloud Run Invoker"
        options={(roles.data.value ?? []).map((one) => one.title ?? one.name)}
        fault={touched && chosen === "" && "Choose a role from the list, or write its name: roles/run.invoker."}
        hint={chosen !== "" && chosen !== role ? <code>{chosen}</code> : undefined}
      />
      {chosen !== "" && names.length > 0 && !fault && (
        <p class={`effect ${opens ? "public" : ""}`} role="status">
          {gains.length === 0
            ? "Nobody new: all of them have this role here."
            : opens
              ? "Lets in everyone who was not let in before: the service becomes public."
              : `Lets in what was not let in before: ${gains.join(", ")}.`}
        </p>
      )}
      {chosen !== "" && names.length > 0 && !fault && (
        <AskPermissions resource={props.resource} policy={withMembers(props.policy, chosen, names)} />
      )}
      <Failure error={error.value} />
      <SameChange ways={{ ...props.ways(names, chosen, true), yaml: policyYaml(props.resource, withMembers(props.policy, chosen || "ROLE", names)) }} />
    </Dialog>
  );
}

/** Who would gain and lose: of a service or its door, whose requests are recorded. */
function AskPermissions(props: { resource: string; policy: Policy }) {
  const bindings = (props.policy.bindings ?? []).filter((one) => (one.members ?? []).length > 0);
  const door = /^projects\/([^/]+)\/iap_web\/cloud_run-([^/]+)\/services\/([^/]+)$/.exec(props.resource);
  if (door !== null) {
    const [, project, region, service] = door;
    return <AskPlan question={{ resource: `projects/${project}/locations/${region}/services/${service}`, iapPolicy: { bindings } }} />;
  }
  return props.resource.includes("/services/") ? <AskPlan question={{ resource: props.resource, policy: { bindings } }} /> : null;
}

function roleOf(typed: string, roles: Role[]): string {
  const text = typed.trim();
  if (/^(roles|projects\/[^/]+\/roles|organizations\/[^/]+\/roles)\/[A-Za-z0-9_.]+$/.test(text)) {
    return text;
  }
  return roles.find((one) => one.title?.toLowerCase() === text.toLowerCase())?.name ?? "";
}

function RemovePrincipal(props: ChangeProps & { binding: Binding; member: string }) {
  const { busy, error, run } = useAction();
  return (
    <Dialog
      title="Remove principal?"
      onClose={props.onClose}
      actions={
        <>
          <Button onClick={props.onClose}>Cancel</Button>
          <Button
            kind="danger"
            busy={busy.value}
            onClick={() =>
              void run(async () => {
                await setPolicy(props.resource, withoutMember(props.policy, props.binding, props.member));
                say(`${props.member} no longer has ${props.binding.role} here.`);
                props.onDone();
              })
            }
          >
            Remove
          </Button>
        </>
      }
    >
      <p>
        <code class="wrap">{props.member}</code> loses <code>{props.binding.role}</code> on{" "}
        <code class="wrap">{props.resource}</code>. It is in force with the next request.
      </p>
      <AskPermissions resource={props.resource} policy={withoutMember(props.policy, props.binding, props.member)} />
      <Failure error={error.value} />
      <SameChange
        ways={{
          ...props.ways([props.member], props.binding.role, false),
          yaml: policyYaml(props.resource, withoutMember(props.policy, props.binding, props.member)),
        }}
      />
    </Dialog>
  );
}

/** The whole policy as it will be, and the command that takes it. */
function policyYaml(resource: string, policy: Policy): string {
  const [kind = "", id = "", , region = "", , service = ""] = resource.split("/");
  const commands: [RegExp, string][] = [
    [/\/services\//, `gcloud run services set-iam-policy ${service} policy.yaml --region=${region} --project=${id}`],
    [/^projects\//, `gcloud projects set-iam-policy ${id} policy.yaml`],
    [/^folders\//, `gcloud resource-manager folders set-iam-policy ${id} policy.yaml`],
    [/^organizations\//, `gcloud organizations set-iam-policy ${id} policy.yaml`],
  ];
  const door = /^projects\/([^/]+)\/iap_web\/cloud_run-([^/]+)\/services\/([^/]+)$/.exec(resource);
  const command = door
    ? `gcloud beta iap web set-iam-policy policy.yaml --resource-type=cloud-run --region=${door[2]} --service=${door[3]} --project=${door[1]}`
    : (commands.find(([pattern]) => pattern.test(resource))?.[1] ?? kind);
  const { etag, version } = policy;
  const bindings = (policy.bindings ?? []).filter((one) => (one.members ?? []).length > 0);
  return `# ${command}\n${toYaml({ bindings, ...(etag && { etag }), version: Math.max(version ?? 1, 1) })}`;
}

/** Cloud Run's words where organization policy is in the way. */
function Failure(props: { error: Error | null }) {
  if (props.error === null) {
    return null;
  }
  return (
    <>
      <Notice kind="warning">
        <strong>IAM policy update failed</strong>
      </Notice>
      <ErrorNote error={props.error} />
    </>
  );
}

/** The change of a service's policy in the words of every other surface. */
export function serviceWays(resource: string) {
  const [, project = "", , region = "", , service = ""] = resource.split("/");
  return (members: string[], role: string, add: boolean): Ways => {
    const list = members.length === 0 ? ["MEMBER"] : members;
    const verb = add ? "add" : "remove";
    const line = (tool: string) =>
      list
        .map(
          (member) =>
            `${tool} services ${verb}-iam-policy-binding ${quoted(service)} --region=${region} --project=${project} --member=${quoted(member)} --role=${quoted(role || "ROLE")}`,
        )
        .join("\n");
    return {
      gcloud: line("gcloud run"),
      homerun: line("homerun"),
      terraform: memberTerraform("google_cloud_run_v2_service_iam_member", { project, location: region, name: service }, members, role, add),
    };
  };
}

/** Grants as resources of Terraform, one for each member; a grant that goes is one that is taken out. */
export function memberTerraform(kind: string, of: Record<string, string>, members: string[], role: string, add: boolean): string {
  const list = members.length === 0 ? ["MEMBER"] : members;
  const label = (member: string) => `${member}_${role || "role"}`.toLowerCase().replace(/[^a-z0-9]+/g, "_").slice(0, 60);
  const blocks = list.map((member) => toTerraform(kind, label(member), { ...of, role: role || "ROLE", member }));
  return (add ? "" : "# Take this out of the configuration:\n") + blocks.join("\n\n");
}
