// What changed, as it changes: kinds and names only. A page loads what it shows again.
import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export interface Change {
  kind: string;
  name: string;
}

/** False while the stream is cut; the pages then say that they may be old. */
export const online = signal(true);
export const lastChange = signal<Change | null>(null);

let source: EventSource | null = null;

export function listen(): void {
  if (source !== null) {
    return;
  }
  source = new EventSource("/console/events");
  source.onopen = () => {
    const was = online.value;
    online.value = true;
    if (!was) {
      lastChange.value = { kind: "*", name: "" }; /* Something may have been missed. */
    }
  };
  source.onerror = () => {
    online.value = false;
  };
  source.addEventListener("change", (event) => {
    lastChange.value = JSON.parse((event as MessageEvent<string>).data) as Change;
  });
}

export function silence(): void {
  source?.close();
  source = null;
}

/** Calls RELOAD after each change of a resource that starts with PREFIX, at most twice a second. */
export function useLive(prefix: string, reload: () => void): void {
  useEffect(() => {
    let timer = 0;
    const stop = effect(() => {
      const change = lastChange.value;
      if (change === null || (change.kind !== "*" && !related(change.name, prefix)) || timer !== 0) {
        return;
      }
      timer = window.setTimeout(() => {
        timer = 0;
        reload();
      }, 300);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [prefix]);
}

/** Of the same branch of the tree: a policy of the project decides what is below it. */
const related = (name: string, prefix: string) => name.startsWith(prefix) || prefix.startsWith(name);
