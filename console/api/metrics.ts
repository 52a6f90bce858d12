// What services did (homerun.v1): counted by the workers, kept by control.
import { call } from "./http";

export interface Point {
  time: string;
  requests: Record<string, number>;
  refused: Record<string, number>;
  latency: { p50?: number; p95?: number; p99?: number };
  instances: { starting: number; ready: number; draining: number };
  requestsInFlight: number;
  memoryBytes: number;
  cpuSeconds: number;
}

interface Answer {
  period: string;
  interval: string;
  points: Point[];
}

/** A history without holes: one point for each interval, oldest first; null where nothing was. */
export interface History {
  interval: number; // seconds
  times: number[]; // seconds since 1970
  points: (Point | null)[];
}

const seconds = (text: string) => Number.parseFloat(text);

/** What SERVICE did in the last PERIOD seconds, until NOW (milliseconds). */
export async function history(service: string, period: number, now = Date.now()): Promise<History> {
  const answer = await call<Answer>("GET", `/homerun/v1/${service}:metrics?period=${period}s`);
  const interval = seconds(answer.interval);
  /* Ten seconds are a point when they are over; longer intervals say what they have so far. */
  const begun = Math.floor(now / 1000 / interval) * interval;
  const last = interval > 10 ? begun : begun - interval;
  const count = Math.floor(period / interval);
  const times = Array.from({ length: count }, (_, at) => last - (count - 1 - at) * interval);
  const points: (Point | null)[] = times.map(() => null);
  for (const point of answer.points) {
    const at = count - 1 - Math.round((last - Date.parse(point.time) / 1000) / interval);
    if (at >= 0 && at < count) {
      points[at] = point;
    }
  }
  return { interval, times, points };
}

export interface Now {
  service: string;
  instances: { starting: number; ready: number; draining: number };
  requestsInFlight: number;
  requestsPerSecond: number;
  refusedPerSecond: number;
}

/** Each service of PROJECT that something is known of. */
export async function now(project: string): Promise<Map<string, Now>> {
  const answer = await call<{ services: Now[] }>("GET", `/homerun/v1/projects/${project}:metrics`);
  return new Map(answer.services.map((one) => [one.service, one]));
}
