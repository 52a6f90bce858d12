// The URL is the state of a view: where we are, and how to go elsewhere.
import { signal } from "@preact/signals";

export interface Params {
  [name: string]: string;
}

/** Where we are: path and query. Set by go() and by the browser's own back and forward. */
export const here = signal(new URL(window.location.href));

window.addEventListener("popstate", () => {
  here.value = new URL(window.location.href);
});

function move(url: URL, replace: boolean): void {
  window.history[replace ? "replaceState" : "pushState"](null, "", url.pathname + url.search);
  here.value = url;
}

export function go(href: string, replace = false): void {
  const url = new URL(href, window.location.href);
  if (url.origin !== window.location.origin) {
    return;
  }
  move(url, replace);
  if (!replace) {
    window.scrollTo(0, 0);
  }
}

/** Sets or takes away one value of the query, and keeps the rest but the page: what is chosen else has a first one. A choice is a step that "back" takes again;
 * what is TYPED is one step for all its letters. */
export function setQuery(name: string, value: string, typed = false): void {
  const url = new URL(here.value);
  if (value === "") {
    url.searchParams.delete(name);
  } else {
    url.searchParams.set(name, value);
  }
  if (name !== "page") {
    url.searchParams.delete("page");
  }
  move(url, typed);
}
