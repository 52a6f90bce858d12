// Who is signed in, and which project and region are looked at.
import { computed, signal } from "@preact/signals";
import { call, signedOut } from "../api/http";
import { listen, silence } from "../api/live";
import type { Session } from "../api/types";
import { go, here } from "./location";

export const session = signal<Session | null>(null);
export const project = computed(() => here.value.searchParams.get("project") ?? session.value?.project ?? "");
/** "-" means all regions. */
export const region = computed(() => here.value.searchParams.get("region") ?? "-");

/** The path of a view, with the project kept where it is not the usual one. */
export function view(path: string): string {
  return project.value === session.value?.project ? path : `${path}?project=${encodeURIComponent(project.value)}`;
}

export const serviceView = (name: string, tab = "") => {
  const [, , , region, , service] = name.split("/");
  return view(`/console/services/${region}/${service}${tab === "" ? "" : `/${tab}`}`);
};

/** Whether this is console.DOMAIN, where the door signs people in, and not the API's own address. */
export const behindDoor = window.location.hostname.startsWith("console.");

export async function resume(): Promise<void> {
  session.value = await call<Session>("GET", "/console/session");
  signedOut.value = false;
  listen();
}

/** Takes the one-time code of a link; it is used up by this. */
export async function signIn(code: string): Promise<void> {
  await call("POST", "/console/session", { code });
  await resume();
}

export async function signOut(): Promise<void> {
  await call("DELETE", "/console/session", {});
  silence();
  session.value = null;
  if (behindDoor) {
    window.location.assign("/console/");
  } else {
    go("/console/");
  }
}
