import { call } from "./http";
import type { LogEntry } from "./types";

/** The newest entries that FILTER lets through (the Logging query language), newest first. */
export async function entries(project: string, filter: string, pageSize = 200): Promise<LogEntry[]> {
  const answer = await call<{ entries?: LogEntry[] }>("POST", "/v2/entries:list", {
    resourceNames: [`projects/${project}`],
    filter,
    orderBy: "timestamp desc",
    pageSize,
  });
  return answer.entries ?? [];
}

/** A string of the query language. */
export const text = (value: string) => `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
