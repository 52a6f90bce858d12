// The organization, its folders and its projects, to be seen and walked: a nested list of links.
import { useId, useState } from "preact/hooks";
import { tree, type TreeNode } from "../api/org";
import { Button, Link } from "./basics";
import { useLoad } from "./load";
import { here } from "./location";
import { PAGE_ROWS } from "./pager";

interface Branch {
  node: TreeNode;
  below: Branch[];
}

/** LINES, each with its depth, as what stands in what. */
function branches(lines: TreeNode[]): Branch[] {
  const roots: Branch[] = [];
  const above: Branch[] = [];
  for (const node of lines) {
    const one = { node, below: [] };
    above.length = node.depth;
    (above[node.depth - 1]?.below ?? roots).push(one);
    above.push(one);
  }
  return roots;
}

const has = (branch: Branch, name: string): boolean => branch.node.name === name || branch.below.some((one) => has(one, name));

/** This view of another resource: its first page. */
function viewOf(name: string): string {
  const url = new URL(here.value);
  url.searchParams.set("node", name);
  url.searchParams.delete("page");
  return url.pathname + url.search;
}

const KINDS: Record<string, string> = { organizations: "organization", folders: "folder" };

/** What NAME may be chosen from; what the person may not see is not there. */
export function NodeTree(props: { name: string }) {
  const loaded = useLoad("tree", tree, "");
  const [words, setWords] = useState("");
  const lines = loaded.data.value ?? [];
  const known = lines.some((one) => one.name === props.name) ? lines : [{ name: props.name, title: props.name, depth: 0 }, ...lines];
  const wanted = words.trim().toLowerCase();
  const fitting = known.filter((one) => `${one.title} ${one.name}`.toLowerCase().includes(wanted));
  return (
    <nav class="card tree" aria-label="Organization, folders and projects">
      {known.length > 12 && (
        <input type="search" aria-label="Find a folder or project" placeholder="Find a folder or project" value={words} onInput={(event) => setWords((event.target as HTMLInputElement).value)} />
      )}
      {fitting.length === 0 && <p class="hint">No folder or project fits.</p>}
      <Level key={wanted} rows={wanted === "" ? branches(known) : fitting.map((node) => ({ node, below: [] }))} name={props.name} small={known.length <= PAGE_ROWS} />
    </nav>
  );
}

/** What stands in one place. Of many the first are shown, and the one that is chosen; more on request. */
function Level(props: { rows: Branch[]; name: string; small: boolean; id?: string }) {
  const [most, setMost] = useState(PAGE_ROWS);
  const shown = props.rows.filter((one, index) => index < most || has(one, props.name));
  return (
    <ul id={props.id}>
      {shown.map((one) => (
        <Twig key={one.node.name} branch={one} name={props.name} small={props.small} />
      ))}
      {shown.length < props.rows.length && (
        <li>
          <Button kind="quiet" onClick={() => setMost(most + PAGE_ROWS)}>{`${props.rows.length - shown.length} more`}</Button>
        </li>
      )}
    </ul>
  );
}

function Twig(props: { branch: Branch; name: string; small: boolean }) {
  const id = useId();
  const { node, below } = props.branch;
  const [chosen, choose] = useState<boolean | null>(null);
  /* A small tree lies open; of a large one what leads to the chosen. */
  const open = chosen ?? (props.small || node.depth === 0 || below.some((one) => has(one, props.name)));
  const kind = KINDS[node.name.split("/")[0] ?? ""];
  return (
    <li>
      <div class="twig">
        {below.length > 0 && (
          <button type="button" class="fold" aria-expanded={open} aria-controls={id} aria-label={`What is in ${node.title}`} onClick={() => choose(!open)}>
            <span aria-hidden="true">{open ? "▾" : "▸"}</span>
          </button>
        )}
        <Link to={viewOf(node.name)} current={node.name === props.name}>
          {node.title}
          {kind && <small>{` ${kind}`}</small>}
        </Link>
      </div>
      {open && below.length > 0 && <Level rows={below} name={props.name} small={props.small} id={id} />}
    </li>
  );
}
