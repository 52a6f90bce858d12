// The frame around every page: where one can go, whose session it is, and what is wrong with the connection.
import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { online } from "../api/live";
import { all, ApiError, signedOut } from "../api/http";
import { match, ROUTES } from "../routes";
import { Button, ErrorNote, Link, Loading, Said, useCurrentInView } from "./basics";
import { Field, Select } from "./fields";
import { Dialog } from "./dialog";
import { useAction, useLoad } from "./load";
import { go, here, setQuery } from "./location";
import { behindDoor, project, region, resume, session, signIn, signOut, view } from "./session";
import { theme, THEMES } from "./theme";

const PLACES: [string, string][] = [
  ["/console/services", "Services"],
  ["/console/access", "Access"],
  ["/console/policies", "Organization policies"],
  ["/console/iam", "IAM"],
];

/** The code of a one-time link stands behind "#": it is sent to no server and to no log. */
function codeOfLink(): string {
  const found = /^#code=([A-Za-z0-9_-]+)$/.exec(window.location.hash);
  if (found === null) {
    return "";
  }
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  return found[1] ?? "";
}

const state = signal<"starting" | "out" | "in">("starting");
const startError = signal<Error | null>(null);

async function start(): Promise<void> {
  const code = codeOfLink();
  try {
    await (code === "" ? resume() : signIn(code));
    state.value = "in";
    if (here.value.pathname === "/console/" || here.value.pathname === "/console") {
      go("/console/services", true);
    }
  } catch (why) {
    const asked = code !== "" || !(why instanceof ApiError && why.status === 401);
    startError.value = asked ? (why as Error) : null;
    state.value = "out";
  } finally {
    signedOut.value = false;
  }
}

export function App() {
  useEffect(() => {
    void start();
  }, []);
  if (state.value === "starting") {
    return <Loading what="the console" />;
  }
  return state.value === "out" ? (
    <main class="alone">
      <SignIn error={startError.value} />
    </main>
  ) : (
    <Frame />
  );
}

/** Loading the page again leads to the door's sign-in, and back here. */
function SignInAtDoor(props: { error: Error | null }) {
  return (
    <div class="signin">
      <h1>Sign in to Homerun</h1>
      <ErrorNote error={props.error} />
      <Button kind="main" onClick={() => window.location.reload()}>
        Sign in
      </Button>
    </div>
  );
}

function SignIn(props: { error: Error | null; onDone?: () => void }) {
  return behindDoor ? <SignInAtDoor error={props.error} /> : <SignInByLink {...props} />;
}

function SignInByLink(props: { error: Error | null; onDone?: () => void }) {
  const [code, setCode] = useState("");
  const { busy, error, run } = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    const typed = /([A-Za-z0-9_-]{16,})\s*$/.exec(code)?.[1] ?? code.trim();
    void run(() => signIn(typed)).then((good) => {
      if (!good) {
        return;
      }
      state.value = "in";
      props.onDone?.();
      if (!props.onDone && here.value.pathname.replace(/\/$/, "") === "/console") {
        go("/console/services", true);
      }
    });
  };
  return (
    <form class="signin" onSubmit={submit}>
      <h1>Sign in to Homerun</h1>
      <p>
        In a terminal of this machine, type <code>homerun console</code>. It opens a link that is good for five
        minutes, once. You can also paste the link, or its code, here.
      </p>
      <ErrorNote error={error.value ?? props.error} />
      <Field label="Link or code" value={code} onInput={setCode} required />
      <Button kind="main" submit busy={busy.value}>
        Sign in
      </Button>
    </form>
  );
}

function Frame() {
  const { route, params } = match(here.value.pathname);
  const Page = route.page;
  const side = useCurrentInView(here.value.pathname);
  return (
    <div class="frame">
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="top">
        <Link to={view("/console/services")} class="brand">
          <img src="/console/icon.svg" alt="" width={24} height={24} /> Homerun
        </Link>
        <ProjectPicker />
        <RegionPicker />
        <span class="grow" />
        <Me />
      </header>
      {!online.value && (
        <p class="offline" role="status">
          Reconnecting to Homerun… What is shown may be old; what you typed is kept.
        </p>
      )}
      <nav class="side" aria-label="Main" ref={side}>
        {PLACES.map(([to, text]) => (
          <Link key={to} to={view(to)} current={here.value.pathname.startsWith(to)}>
            {text}
          </Link>
        ))}
      </nav>
      <main id="content" class="content" tabIndex={-1}>
        <Page key={pageKey(route.path, params)} params={params} />
      </main>
      <Said />
      {signedOut.value && <SignedOut />}
    </div>
  );
}

/** Tabs of one thing keep its state; another thing starts anew. */
function pageKey(path: string, params: Record<string, string>): string {
  const { tab: _tab, ...others } = params;
  const first = ROUTES.find((one) => one.path === path.replace("/{tab}", ""));
  return `${project.value} ${(first ?? { path }).path} ${Object.values(others).join(" ")}`;
}

function SignedOut() {
  return (
    <Dialog title="Your session has ended" onClose={() => (signedOut.value = false)} actions={null}>
      <p>Sign in again to go on. Nothing that you typed is lost.</p>
      <SignIn error={null} onDone={() => (signedOut.value = false)} />
    </Dialog>
  );
}

function ProjectPicker() {
  const { data } = useLoad("projects", () => all<{ projectId: string }>("/v3/projects:search", "projects", 500), "projects/");
  const ids = data.value?.map((one) => one.projectId) ?? [];
  const known = ids.includes(project.value) ? ids : [project.value, ...ids];
  return (
    <Select
      quiet
      label="Project"
      value={project.value}
      options={known.map((id) => [id, id])}
      onChange={(id) => setQuery("project", id === session.value?.project ? "" : id)}
    />
  );
}

function RegionPicker() {
  const { data } = useLoad(`regions ${project.value}`, () =>
    all<{ locationId: string; displayName?: string }>(`/v1/projects/${project.value}/locations`, "locations", 200),
  );
  const known: [string, string][] = (data.value ?? []).map((one) => [one.locationId, one.locationId]);
  return (
    <Select
      quiet
      label="Region"
      value={region.value}
      options={[["-", "All regions"], ...known]}
      onChange={(id) => setQuery("region", id === "-" ? "" : id)}
    />
  );
}

function Me() {
  const member = session.value?.member ?? "";
  return (
    <details class="me">
      <summary aria-label={`Signed in as ${member}`}>{member.replace(/^[a-zA-Z]+:/, "").split("@")[0]}</summary>
      <div class="me-card">
        <p class="mono">{member}</p>
        <Select
          label="Colours"
          value={theme.value}
          options={THEMES.map((one) => [one, one === "system" ? "As the system has it" : one === "light" ? "Light" : "Dark"])}
          onChange={(value) => (theme.value = value as (typeof THEMES)[number])}
        />
        <Button
          onClick={() => {
            void signOut().finally(() => (state.value = "out"));
          }}
        >
          Sign out
        </Button>
      </div>
    </details>
  );
}
