// What changed, as it changes: kinds and names only. A page loads what it shows again.
import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, signedOut } from "./http";

export interface Change {
  kind: string;
  name: string;
}

/** False while the stream is cut; the pages then say that they may be old. */
export const online = signal(true);
export const lastChange = signal<Change | null>(null);

const AGAIN_MS = 2000;
let source: EventSource | null = null;
let again = 0;

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
    /* A browser comes back by itself after a break, and never after a refusal: a 503 while nobody serves. */
    if (source?.readyState === EventSource.CLOSED) {
      silence();
      again = window.setTimeout(() => void ask(), AGAIN_MS);
    }
  };
  source.addEventListener("change", (event) => {
    lastChange.value = JSON.parse((event as MessageEvent<string>).data) as Change;
  });
}

/** Listens again once the session is answered for; 401 shows the sign-in, which listens then. */
async function ask(): Promise<void> {
  try {
    await call("GET", "/console/session");
    listen();
  } catch {
    again = signedOut.value ? 0 : window.setTimeout(() => void ask(), AGAIN_MS);
  }
}

export function silence(): void {
  window.clearTimeout(again);
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
