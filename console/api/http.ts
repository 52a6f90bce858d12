// One way to the API: the same methods that gcloud calls, with the session's cookie.
import { signal } from "@preact/signals";

export interface Violation {
  field?: string;
  description?: string;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Record<string, unknown>[] = [],
  ) {
    super(message);
  }

  /** What the API says of one field, "" if it names none: BadRequest.field_violations. */
  get violations(): Violation[] {
    return this.details.flatMap((detail) => (detail.fieldViolations as Violation[] | undefined) ?? []);
  }

  /** What stands in the way, where it was set, and what to do instead: google.rpc.Help. */
  get help(): string[] {
    return this.details.flatMap((detail) =>
      ((detail.links as { description?: string }[] | undefined) ?? []).map((one) => one.description ?? "").filter((one) => one !== ""),
    );
  }

  /** Organization policy refused: the constraints that are in the way. */
  get constraints(): string[] {
    const found = /constraints\/[A-Za-z.]+|customConstraints\/custom\.[A-Za-z0-9]+/g;
    return [...new Set(`${this.message} ${JSON.stringify(this.details)}`.match(found) ?? [])];
  }
}

/** Set when the API no longer believes the session: every page shows the sign-in over what it has. */
export const signedOut = signal(false);

const UNREACHABLE = "Homerun does not answer. It may be restarting: what you typed is kept; try again.";

interface Options {
  yaml?: boolean;
  signal?: AbortSignal;
}

async function answerOf(response: Response): Promise<unknown> {
  const text = await response.text();
  let body: unknown = text;
  if ((response.headers.get("content-type") ?? "").includes("json")) {
    body = text === "" ? {} : JSON.parse(text);
  }
  if (response.ok) {
    return body;
  }
  const error = (body as { error?: Record<string, unknown> }).error ?? {};
  if (response.status === 401) {
    signedOut.value = true;
  }
  throw new ApiError(
    response.status,
    String(error.status ?? response.status),
    String(error.message ?? `Homerun answered ${response.status}.`),
    (error.details as Record<string, unknown>[] | undefined) ?? [],
  );
}

/** Calls METHOD on PATH (an absolute path with its query). Throws ApiError for whatever is not 2xx. */
export async function call<T>(method: string, path: string, body?: unknown, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { "X-Homerun-Console": "1" };
  if (body !== undefined || method !== "GET") {
    headers["Content-Type"] = options.yaml ? "application/yaml" : "application/json";
  }
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : options.yaml ? String(body) : JSON.stringify(body),
      signal: options.signal,
      redirect: "error",
    });
  } catch (why) {
    if (why instanceof DOMException && why.name === "AbortError") {
      throw why;
    }
    throw new ApiError(0, "UNAVAILABLE", UNREACHABLE);
  }
  return (await answerOf(response)) as T;
}

/** Walks the pages of a list, at most LIMIT items. */
export async function all<T>(path: string, items: string, limit = 2000): Promise<T[]> {
  const found: T[] = [];
  let token = "";
  do {
    const glue = path.includes("?") ? "&" : "?";
    const page = await call<Record<string, unknown>>(
      "GET",
      token === "" ? path : `${path}${glue}pageToken=${encodeURIComponent(token)}`,
    );
    found.push(...((page[items] as T[] | undefined) ?? []));
    token = String(page.nextPageToken ?? "");
  } while (token !== "" && found.length < limit);
  return found;
}
