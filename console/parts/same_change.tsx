// Beneath every form: the same change by every other way in. Nobody should have to learn the console to leave it.
import { useState } from "preact/hooks";
import { Copy } from "./basics";

export interface Ways {
  gcloud?: string;
  homerun?: string;
  terraform?: string;
  yaml?: string;
  curl?: string;
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
  const name = there.some(([one]) => one === chosen) ? chosen : there[0]?.[0];
  if (name === undefined) {
    return null;
  }
  const text = props.ways[name] ?? "";
  return (
    <details class="same" open={props.open}>
      <summary>{props.open ? "By" : "The same change by"} gcloud, Terraform, YAML</summary>
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
