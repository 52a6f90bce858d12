// Beneath every form: the same change by every other way in. Nobody should have to learn the console to leave it.
import { useEffect, useState } from "preact/hooks";
import { Copy } from "./basics";

/** A form that takes a look at the API is made once it is asked for; KEY says when it has to be made anew. */
export type Way = string | { key: string; make: () => Promise<string> };

export interface Ways {
  gcloud?: Way;
  homerun?: Way;
  terraform?: Way;
  yaml?: Way;
  curl?: Way;
}

const NAMES: [keyof Ways, string][] = [
  ["gcloud", "gcloud"],
  ["homerun", "homerun"],
  ["terraform", "Terraform"],
  ["yaml", "YAML"],
  ["curl", "curl"],
];

/** A word as a shell reads it. */
export const quoted = (word: string) => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** OPEN: the change is what the page is about. */
export function SameChange(props: { ways: Ways; open?: boolean }) {
  const there = NAMES.filter(([name]) => props.ways[name]);
  const [chosen, choose] = useState<keyof Ways>("gcloud");
  const [open, setOpen] = useState(props.open ?? false);
  const name = there.some(([one]) => one === chosen) ? chosen : there[0]?.[0];
  const text = useText(name === undefined || !open ? "" : (props.ways[name] ?? ""));
  if (name === undefined) {
    return null;
  }
  const names = there.map(([, label]) => label).join(", ");
  return (
    <details class="same" open={props.open} onToggle={(event) => setOpen((event.target as HTMLDetailsElement).open)}>
      <summary>{`${props.open ? "By" : "The same change by"} ${names}`}</summary>
      <div class="same-ways" role="group" aria-label="Way of the change">
        {there.map(([one, label]) => (
          <button
            type="button"
            key={one}
            aria-pressed={one === name}
            class="chip"
            onClick={() => choose(one)}
          >
            {label}
          </button>
        ))}
        <Copy text={text} what={`the ${name} form`} />
      </div>
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </details>
  );
}

/** What WAY says, once it is known. A form is typed into: it is asked for after a pause. */
function useText(way: Way): string {
  const [made, setMade] = useState("");
  const key = typeof way === "string" ? "" : way.key;
  useEffect(() => {
    if (typeof way === "string") {
      return undefined;
    }
    let alive = true;
    const timer = window.setTimeout(() => {
      way.make().then(
        (text) => alive && setMade(text),
        (why: unknown) => alive && setMade(`# ${why instanceof Error ? why.message : String(why)}`),
      );
    }, 200);
    return () => {
      alive = false;
      window.clearTimeout(timer);
    };
  }, [key]);
  return typeof way === "string" ? way : made;
}
