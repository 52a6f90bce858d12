// What an organization, a folder or a project can forbid, and what it does forbid.
import { effective, listConstraints, listPolicies, shortConstraint, tree, type Constraint, type OrgPolicy, type TreeNode } from "../api/org";
import { Empty, ErrorNote, Head, Link, Loading, queryOf } from "../parts/basics";
import { Select } from "../parts/fields";
import { useLoad } from "../parts/load";
import { setQuery } from "../parts/location";
import { NodeTree } from "../parts/node_tree";
import { Pager, pageOf } from "../parts/pager";
import { project } from "../parts/session";

export const nodeOfView = () => queryOf("node") || `projects/${project.value}`;

/** The tree as the lines of a menu. */
export const nodeOptions = (lines: TreeNode[]) =>
  lines.map((one): [string, string] => [one.name, `${"\u2003".repeat(one.depth)}${one.title}`]);

export function NodePicker() {
  const nodes = useLoad("tree", tree, "");
  const node = nodeOfView();
  const known = nodeOptions(nodes.data.value ?? []);
  return (
    <Select
      label="Resource"
      value={node}
      options={known.some(([name]) => name === node) ? known : [[node, node], ...known]}
      onChange={(name) => setQuery("node", name)}
    />
  );
}

export function rulesText(policy: OrgPolicy | undefined): string {
  const rules = policy?.spec?.rules ?? [];
  if (rules.length === 0) {
    return "as by default";
  }
  return rules
    .map((rule) => {
      const when = rule.condition ? ` if ${rule.condition.expression}` : "";
      if (rule.enforce !== undefined) {
        return `${rule.enforce ? "Enforced" : "Not enforced"}${when}`;
      }
      if (rule.allowAll || rule.denyAll) {
        return `${rule.allowAll ? "Allow all" : "Deny all"}${when}`;
      }
      const allowed = rule.values?.allowedValues ?? [];
      const denied = rule.values?.deniedValues ?? [];
      return `${allowed.length > 0 ? `Allows ${allowed.join(", ")}` : `Denies ${denied.join(", ")}`}${when}`;
    })
    .join("; ");
}

const ELSEWHERE = "About something that is not here";

export function OrgPoliciesPage() {
  const node = nodeOfView();
  const loaded = useLoad(
    `org policies ${node}`,
    async () => {
      const [constraints, own] = await Promise.all([listConstraints(node), listPolicies(node)]);
      return { constraints, own: new Set(own.map((one) => shortConstraint(one.name))) };
    },
    "",
  );
  const words = queryOf("filter").toLowerCase();
  const fitting = (loaded.data.value?.constraints ?? []).filter((one) =>
    `${one.displayName} ${one.name}`.toLowerCase().includes(words),
  );
  const own = loaded.data.value?.own ?? new Set<string>();
  /* Most constraints are about products that are not here: they are kept and shown, and decide nothing. */
  const elsewhere = (one: Constraint) => one.displayName === ELSEWHERE && !own.has(shortConstraint(one.name));
  const all = queryOf("all") === "on";
  const hidden = fitting.filter(elsewhere).length;
  const rows = all || words !== "" ? [...fitting.filter((one) => !elsewhere(one)), ...fitting.filter(elsewhere)] : fitting.filter((one) => !elsewhere(one));
  const { shown, page, pages } = pageOf(rows);
  return (
    <>
      <Head title="Organization policies" />
      <div class="with-tree">
      <NodeTree name={node} />
      <div>
      <div class="bar bottom">
        <label class="search">
          <span class="hidden">Filter by name</span>
          <input
            type="search"
            placeholder="Filter by name"
            value={queryOf("filter")}
            onInput={(event) => setQuery("filter", (event.target as HTMLInputElement).value, true)}
          />
        </label>
        {hidden > 0 && words === "" && (
          <button type="button" class="chip" aria-pressed={all} onClick={() => setQuery("all", all ? "" : "on")}>
            {`With ${hidden} about what is not here`}
          </button>
        )}
      </div>
      <ErrorNote error={loaded.error.value} again={loaded.reload} />
      {loaded.data.value === undefined && !loaded.error.value && <Loading what="constraints" />}
      {loaded.data.value !== undefined && rows.length === 0 && <Empty title="No constraint fits the filter" />}
      {rows.length > 0 && (
        <div class="table-place" role="region" aria-label="Constraints" tabIndex={0}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Constraint</th>
                <th scope="col">Set here</th>
                <th scope="col">In force</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((one) => (
                <ConstraintRow key={one.name} node={node} constraint={one} own={loaded.data.value?.own.has(shortConstraint(one.name)) ?? false} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <Pager page={page} pages={pages} total={rows.length} />
      </div>
      </div>
    </>
  );
}

function ConstraintRow(props: { node: string; constraint: Constraint; own: boolean }) {
  const short = shortConstraint(props.constraint.name);
  const policy = useLoad(`effective ${props.node} ${short}`, () => effective(props.node, short), "");
  return (
    <tr>
      <th scope="row" class="wrap">
        <Link to={`/console/policies/${encodeURIComponent(short)}?node=${encodeURIComponent(props.node)}`}>
          {props.constraint.displayName === ELSEWHERE ? short : (props.constraint.displayName ?? short)}
        </Link>
        <small class={props.constraint.displayName === ELSEWHERE ? "block" : "block mono"}>
          {props.constraint.displayName === ELSEWHERE ? "about something that is not here: kept, and refuses nothing" : short}
        </small>
      </th>
      <td>{props.own ? "Yes" : "Inherited"}</td>
      <td class="wrap">{policy.error.value ? policy.error.value.message : rulesText(policy.data.value)}</td>
    </tr>
  );
}
