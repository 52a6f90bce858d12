// What a page shows is loaded, may fail, and is loaded again: one small state for all of them.
import { useSignal, type Signal } from "@preact/signals";
import { useCallback, useEffect, useRef } from "preact/hooks";
import { useLive } from "../api/live";

export interface Loaded<T> {
  data: Signal<T | undefined>;
  error: Signal<Error | null>;
  reload: () => void;
}

/** Loads by ASK at once, whenever KEY changes, and after each change below LIVE ("" for none). */
export function useLoad<T>(key: string, ask: () => Promise<T>, live = "\n"): Loaded<T> {
  const data = useSignal<T | undefined>(undefined);
  const error = useSignal<Error | null>(null);
  const latest = useRef(0);
  const current = useRef(ask);
  current.current = ask;
  const reload = useCallback(() => {
    const turn = ++latest.current;
    current
      .current()
      .then((found) => {
        if (turn === latest.current) {
          data.value = found;
          error.value = null;
        }
      })
      .catch((why: unknown) => {
        if (turn === latest.current) {
          error.value = why instanceof Error ? why : new Error(String(why));
        }
      });
  }, []);
  useEffect(() => {
    data.value = undefined;
    error.value = null;
    reload();
  }, [key]);
  useLive(live, reload);
  return { data, error, reload };
}

/** A write: busy while it runs, its error beside the form, its result said in words. */
export function useAction(): {
  busy: Signal<boolean>;
  error: Signal<Error | null>;
  run: (work: () => Promise<void>) => Promise<boolean>;
} {
  const busy = useSignal(false);
  const error = useSignal<Error | null>(null);
  const run = async (work: () => Promise<void>) => {
    if (busy.value) {
      return false;
    }
    busy.value = true;
    error.value = null;
    try {
      await work();
      return true;
    } catch (why) {
      error.value = why instanceof Error ? why : new Error(String(why));
      return false;
    } finally {
      busy.value = false;
    }
  };
  return { busy, error, run };
}
