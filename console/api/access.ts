// Who may call what: allow policies, and the questions that only Homerun answers (homerun.v1).
import { call } from "./http";
import type { Binding, Denial, HistoryRow, Policy, PublicRow, WhatRow, Who } from "./types";

/** The API and the method's form differ by the kind of resource; the policy is the same. */
function policyPath(resource: string): string {
  if (resource.includes("/iap_web/")) {
    return `/v1/${resource}`;
  }
  if (resource.includes("/services/")) {
    return `/v2/${resource}`;
  }
  return resource.includes("/serviceAccounts/") ? `/v1/${resource}` : `/v3/${resource}`;
}

export function getPolicy(resource: string): Promise<Policy> {
  const path = policyPath(resource);
  return path.startsWith("/v2/")
    ? call<Policy>("GET", `${path}:getIamPolicy?options.requestedPolicyVersion=3`)
    : call<Policy>("POST", `${path}:getIamPolicy`, { options: { requestedPolicyVersion: 3 } });
}

export const setPolicy = (resource: string, { version, etag, bindings }: Policy) =>
  call<Policy>("POST", `${policyPath(resource)}:setIamPolicy`, { policy: { etag, bindings, version: Math.max(version ?? 0, 3) } });

/** The resource of Identity-Aware Proxy that stands before the service NAME. */
export function doorOf(name: string): string {
  const [, project = "", , region = "", , service = ""] = name.split("/");
  return `projects/${project}/iap_web/cloud_run-${region}/services/${service}`;
}

/** Who calls services behind doors of PROJECT, for those who came in. */
export async function doorAgent(project: string): Promise<string> {
  const found = await call<{ projectNumber: string }>("GET", `/v1/projects/${project}`);
  return `serviceAccount:service-${found.projectNumber}@gcp-sa-iap.iam.gserviceaccount.com`;
}

/** The policy of the service NAME, with who its door lets in, if it may have one. */
export async function policyWithDoor(name: string, door: boolean): Promise<Policy> {
  const policy = await getPolicy(name);
  const found = door ? await who(name) : undefined;
  return found?.iapEnabled ? { ...policy, door: found } : policy;
}

export async function holds(resource: string, permissions: string[]): Promise<Set<string>> {
  const answer = await call<{ permissions?: string[] }>("POST", `${policyPath(resource)}:testIamPermissions`, {
    permissions,
  });
  return new Set(answer.permissions ?? []);
}

const same = (one: Binding, role: string) => one.role === role && !one.condition;

/** POLICY with MEMBERS bound to ROLE, without a condition. */
export function withMembers(policy: Policy, role: string, members: string[]): Policy {
  const bindings = (policy.bindings ?? []).map((one) => ({ ...one, members: [...(one.members ?? [])] }));
  const found = bindings.find((one) => same(one, role));
  if (found) {
    found.members = [...new Set([...found.members, ...members])];
  } else {
    bindings.push({ role, members });
  }
  return { ...policy, bindings };
}

/** POLICY without MEMBER in BINDING (told by role and condition). */
export function withoutMember(policy: Policy, binding: Binding, member: string): Policy {
  const bindings = (policy.bindings ?? [])
    .map((one) =>
      one.role === binding.role && one.condition?.expression === binding.condition?.expression
        ? { ...one, members: (one.members ?? []).filter((name) => name !== member) }
        : one,
    )
    .filter((one) => (one.members ?? []).length > 0);
  return { ...policy, bindings };
}

/** Roles that hold run.routes.invoke and are usually given for it. */
const INVOKES = new Set(["roles/run.invoker", "roles/run.servicesInvoker", "roles/run.admin", "roles/owner", "roles/editor"]);
export const invokes = (role: string) => INVOKES.has(role);
export const INVOKER = "roles/run.invoker";
/** The role that lets in at the door. */
export const ACCESSOR = "roles/iap.httpsResourceAccessor";
/** Whether ROLE is one that lets everybody get somewhere, if everybody has it. */
export const opens = (role: string) => invokes(role) || role === ACCESSOR;
export const EVERYONE = ["allUsers", "allAuthenticatedUsers"];
export const lets = (policy: Policy | undefined, member: string) =>
  (policy?.bindings ?? []).find((one) => invokes(one.role) && (one.members ?? []).includes(member));

// ---- homerun.v1 ----

const query = (values: Record<string, string>) => new URLSearchParams(values).toString();

export const publicNow = async () =>
  (await call<{ services?: PublicRow[] }>("GET", "/homerun/v1/access:public")).services ?? [];
export const who = (resource: string) => call<Who>("GET", `/homerun/v1/access:who?${query({ resource })}`);
export const history = async (resource: string) =>
  (await call<{ history?: HistoryRow[] }>("GET", `/homerun/v1/access:history?${query({ resource })}`)).history ?? [];
export const explainDenial = (denial: string) =>
  call<Denial>("GET", `/homerun/v1/access:explain?${query({ denial })}`);
export const explain = (values: Record<string, string>) =>
  call<Denial>("GET", `/homerun/v1/access:explain?${query(values)}`);

/** One recorded kind of request that a change would let in or shut out. */
export interface PlanRow {
  who: string;
  path: string;
  requests: number;
  last: string;
}

export interface Plan {
  gains: PlanRow[];
  loses: PlanRow[];
  requestsRead: number;
  requestsOmitted: number;
  since?: string;
  publicBefore: boolean;
  publicAfter: boolean;
  organizationPolicy?: { allowed: boolean; text?: string };
}

/** What CHANGE, which names its resource, would do. Nothing is changed. */
export const plan = (change: Record<string, unknown>) => call<Plan>("POST", "/homerun/v1/access:plan", change);

/** A service that violates an organization policy, and what would end that. */
export interface Breach {
  resource: string;
  violations: { what: string; now: boolean }[];
  mended?: { loses: PlanRow[]; requestsLost: number; servicesJudged: number; servicesConcerned: number };
}

export interface PolicyPlan {
  services: Breach[];
  servicesRead: number;
  policies: Breach[];
  policiesRead: number;
}

export const planPolicy = (organizationPolicy: Record<string, unknown>) =>
  call<PolicyPlan>("POST", "/homerun/v1/access:plan", { organizationPolicy });

/** Which services MEMBER may call. */
export const what = async (member: string) =>
  (await call<{ services: WhatRow[] }>("GET", `/homerun/v1/access:what?member=${encodeURIComponent(member)}`)).services;

/** As gcloud does it: IAP's own account may invoke the service while it stands before it. */
export async function bindAgent(name: string, on: boolean): Promise<void> {
  const policy = await getPolicy(name);
  if (on) {
    const agent = (await who(name)).iapAgent;
    if (agent) {
      await setPolicy(name, withMembers(policy, INVOKER, [agent]));
    }
    return;
  }
  const binding = (policy.bindings ?? []).find((one) => one.role === INVOKER && !one.condition);
  const agent = (binding?.members ?? []).find((one) => one.endsWith("@gcp-sa-iap.iam.gserviceaccount.com"));
  if (binding && agent) {
    await setPolicy(name, withoutMember(policy, binding, agent));
  }
}
