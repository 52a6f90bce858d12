// The small things that every page is made of.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { go, here } from "./location";

export function Link(props: { to: string; children: ComponentChildren; class?: string; current?: boolean }) {
  return (
    <a
      href={props.to}
      class={props.class}
      aria-current={props.current ? "page" : undefined}
      onClick={(event) => {
        if (event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
          event.preventDefault();
          go(props.to);
        }
      }}
    >
      {props.children}
    </a>
  );
}

interface ButtonProps {
  children: ComponentChildren;
  onClick?: () => void;
  kind?: "main" | "plain" | "danger" | "quiet";
  busy?: boolean;
  /** Why it cannot be pressed; the button is then disabled and says so. */
  why?: string | false;
  submit?: boolean;
  label?: string;
  disabled?: boolean;
}

export function Button(props: ButtonProps) {
  const id = useId();
  const off = props.busy || props.disabled || Boolean(props.why);
  return (
    <span class="button-place" title={props.why || undefined}>
      <button
        type={props.submit ? "submit" : "button"}
        class={`button ${props.kind ?? "plain"}`}
        onClick={props.onClick}
        disabled={off}
        aria-busy={props.busy}
        aria-label={props.label}
        aria-describedby={props.why ? id : undefined}
      >
        {props.busy && <span class="spinner" aria-hidden="true" />}
        {props.children}
      </button>
      {props.why && (
        <span id={id} class="hidden">
          {props.why}
        </span>
      )}
    </span>
  );
}

export function needs(held: Set<string> | undefined, permission: string): string | false {
  return held !== undefined && !held.has(permission) && `You need the permission ${permission} for this.`;
}

export function Head(props: { title: string; children?: ComponentChildren; back?: { to: string; text: string } }) {
  useEffect(() => {
    document.title = `${props.title} – Homerun`;
  }, [props.title]);
  return (
    <header class="head">
      <div>
        {props.back && (
          <Link to={props.back.to} class="back">
            {`‹ ${props.back.text}`}
          </Link>
        )}
        <h1 tabIndex={-1}>{props.title}</h1>
      </div>
      <div class="actions">{props.children}</div>
    </header>
  );
}

/** What happened, and what to do. */
export function ErrorNote(props: { error: Error | null; again?: () => void }) {
  if (props.error === null) {
    return null;
  }
  return (
    <div class="note error" role="alert">
      <p>{props.error.message}</p>
      {props.error instanceof ApiError && props.error.help.map((one) => <p key={one}>{one}</p>)}
      {props.error instanceof ApiError && props.error.constraints.length > 0 && (
        <p>
          {"Decided by "}
          {props.error.constraints.map((one) => (
            <Link key={one} to={`/console/policies/${encodeURIComponent(one.slice(one.lastIndexOf("/") + 1))}`}>
              {one}
            </Link>
          ))}
        </p>
      )}
      {props.again && <Button onClick={props.again}>Try again</Button>}
    </div>
  );
}

export function Notice(props: { kind: "public" | "info" | "warning"; children: ComponentChildren }) {
  return (
    <div class={`note ${props.kind}`} role="note">
      {props.children}
    </div>
  );
}

export function Loading(props: { what: string }) {
  return (
    <p class="loading" role="status">
      <span class="spinner" aria-hidden="true" /> Loading {props.what}…
    </p>
  );
}

export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}

const STEPS: [number, Intl.RelativeTimeFormatUnit][] = [
  [60, "second"],
  [3600, "minute"],
  [86400, "hour"],
  [86400 * 30, "day"],
  [86400 * 365, "month"],
  [Infinity, "year"],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function ago(time: string, now = Date.now()): string {
  const seconds = (Date.parse(time) - now) / 1000;
  let unit = 1;
  for (const [until, name] of STEPS) {
    if (Math.abs(seconds) < until) {
      return relative.format(Math.round(seconds / unit), name);
    }
    unit = until;
  }
  return time;
}

export function Time(props: { at?: string }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = window.setInterval(() => tick((n) => n + 1), 30000);
    return () => window.clearInterval(timer);
  }, []);
  if (!props.at) {
    return <span class="faint">–</span>;
  }
  return (
    <time dateTime={props.at} title={new Date(props.at).toISOString()}>
      {ago(props.at)}
    </time>
  );
}

export function Copy(props: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  return (
    <button
      type="button"
      class="copy"
      aria-label={`Copy ${props.what}`}
      onClick={() => {
        void navigator.clipboard.writeText(props.text).then(() => {
          setDone(true);
          say(`Copied ${props.what}.`);
          window.setTimeout(() => setDone(false), 1500);
        });
      }}
    >
      {done ? "Copied" : "Copy"}
    </button>
  );
}

/** Scrolls a row of links so that the current one is seen, where the row is wider than the screen. */
export function useCurrentInView(current: string) {
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    const link = row.current?.querySelector<HTMLElement>("[aria-current]");
    if (row.current && link && row.current.scrollWidth > row.current.clientWidth) {
      row.current.scrollLeft = link.offsetLeft - (row.current.clientWidth - link.offsetWidth) / 2;
    }
  }, [current]);
  return row;
}

export function Tabs(props: { tabs: [string, string][]; current: string; to: (tab: string) => string; label: string }) {
  const row = useCurrentInView(props.current);
  return (
    <nav class="tabs" aria-label={props.label} ref={row}>
      {props.tabs.map(([id, text]) => (
        <Link key={id} to={props.to(id)} current={id === props.current}>
          {text}
        </Link>
      ))}
    </nav>
  );
}

export function Fact(props: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}

// ---- what was done, in words ----

const said = signal<{ text: string; at: number } | null>(null);

/** Tells the person, and a screen reader, what has happened. */
export function say(text: string): void {
  said.value = { text, at: Date.now() };
  const mine = said.value;
  window.setTimeout(() => {
    if (said.value === mine) {
      said.value = null;
    }
  }, 6000);
}

export function Said() {
  return (
    <div class="said" role="status" aria-live="polite">
      {said.value && <p key={said.value.at}>{said.value.text}</p>}
    </div>
  );
}

/** "?name=" of the URL as a filter: kept when one comes back. */
export const queryOf = (name: string) => here.value.searchParams.get(name) ?? "";
