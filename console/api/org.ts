// The tree of organization, folders and projects, and what each forbids.
import { all, ApiError, call } from "./http";

export interface Constraint {
  name: string;
  displayName?: string;
  description?: string;
  constraintDefault?: "ALLOW" | "DENY";
  listConstraint?: object;
  booleanConstraint?: object;
}

export interface Rule {
  enforce?: boolean;
  allowAll?: boolean;
  denyAll?: boolean;
  values?: { allowedValues?: string[]; deniedValues?: string[] };
  condition?: { expression: string; title?: string };
}

export interface OrgPolicy {
  name: string;
  etag?: string;
  spec?: { etag?: string; inheritFromParent?: boolean; reset?: boolean; rules?: Rule[] };
  dryRunSpec?: object;
}

export interface TreeNode {
  name: string; // organizations/N, folders/N, projects/ID
  title: string;
  depth: number;
}

interface Named {
  name: string;
  displayName?: string;
  projectId?: string;
}

/** The tree as lines, each below what it stands in. What the person may not see is not there. */
export async function tree(): Promise<TreeNode[]> {
  const lines: TreeNode[] = [];
  const below = async (parent: string, depth: number): Promise<void> => {
    const [folders, projects] = await Promise.all([
      all<Named>(`/v3/folders?parent=${parent}`, "folders").catch(() => []),
      all<Named>(`/v3/projects?parent=${parent}`, "projects").catch(() => []),
    ]);
    for (const folder of folders) {
      lines.push({ name: folder.name, title: folder.displayName ?? folder.name, depth });
      await below(folder.name, depth + 1);
    }
    for (const one of projects) {
      lines.push({ name: `projects/${one.projectId}`, title: one.projectId ?? one.name, depth });
    }
  };
  for (const one of await all<Named>("/v3/organizations:search", "organizations").catch(() => [])) {
    lines.push({ name: one.name, title: one.displayName ?? one.name, depth: 0 });
    await below(one.name, 1);
  }
  return lines;
}

export const listConstraints = (node: string) =>
  all<Constraint>(`/v2/${node}/constraints?pageSize=500`, "constraints");
export const listPolicies = (node: string) => all<OrgPolicy>(`/v2/${node}/policies`, "policies");
export const effective = (node: string, constraint: string) =>
  call<OrgPolicy>("GET", `/v2/${node}/policies/${constraint}:getEffectivePolicy`);

/** The node's own policy; null where it has none. */
export async function ownPolicy(node: string, constraint: string): Promise<OrgPolicy | null> {
  try {
    return await call<OrgPolicy>("GET", `/v2/${node}/policies/${constraint}`);
  } catch (why) {
    if (why instanceof ApiError && why.status === 404) {
      return null;
    }
    throw why;
  }
}

export async function setOwnPolicy(node: string, constraint: string, before: OrgPolicy | null, rules: Rule[] | null): Promise<void> {
  const path = `/v2/${node}/policies/${constraint}`;
  if (rules === null) {
    await call("DELETE", path);
  } else if (before === null) {
    await call("POST", `/v2/${node}/policies`, { name: `${node}/policies/${constraint}`, spec: { rules } });
  } else {
    await call("PATCH", path, { ...before, spec: { ...before.spec, rules, inheritFromParent: false, reset: false } });
  }
}

export const shortConstraint = (name: string) => name.slice(name.lastIndexOf("/") + 1);
