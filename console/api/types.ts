// The resources as the API sends them: only what the console shows. Unknown fields are carried along.

export interface Condition {
  type?: string;
  state?: string;
  message?: string;
  reason?: string;
  lastTransitionTime?: string;
}

export interface Container {
  name?: string;
  image?: string;
  command?: string[];
  args?: string[];
  workingDir?: string;
  env?: { name: string; value?: string; valueSource?: { secretKeyRef?: { secret: string; version?: string } } }[];
  resources?: { limits?: Record<string, string>; cpuIdle?: boolean; startupCpuBoost?: boolean };
  ports?: { name?: string; containerPort?: number }[];
  [more: string]: unknown;
}

export interface RevisionTemplate {
  revision?: string;
  scaling?: { minInstanceCount?: number; maxInstanceCount?: number };
  timeout?: string;
  serviceAccount?: string;
  containers?: Container[];
  maxInstanceRequestConcurrency?: number;
  [more: string]: unknown;
}

export interface TrafficTarget {
  type?: string;
  revision?: string;
  percent?: number;
  tag?: string;
  uri?: string;
}

export type Ingress =
  | "INGRESS_TRAFFIC_ALL"
  | "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  | "INGRESS_TRAFFIC_INTERNAL_ONLY"
  | "INGRESS_TRAFFIC_NONE";

export interface Service {
  name: string;
  uid?: string;
  etag?: string;
  createTime?: string;
  updateTime?: string;
  creator?: string;
  lastModifier?: string;
  template?: RevisionTemplate;
  traffic?: TrafficTarget[];
  trafficStatuses?: TrafficTarget[];
  invokerIamDisabled?: boolean;
  iapEnabled?: boolean;
  defaultUriDisabled?: boolean;
  ingress?: Ingress;
  terminalCondition?: Condition;
  conditions?: Condition[];
  latestReadyRevision?: string;
  latestCreatedRevision?: string;
  reconciling?: boolean;
  uri?: string;
  urls?: string[];
  scaling?: { minInstanceCount?: number; maxInstanceCount?: number };
  [more: string]: unknown;
}

export interface Revision extends RevisionTemplate {
  name: string;
  createTime?: string;
  conditions?: Condition[];
  creator?: string;
}

export interface Operation {
  name: string;
  done?: boolean;
  error?: { code: number; message: string };
  response?: Record<string, unknown>;
}

export interface Binding {
  role: string;
  members?: string[];
  condition?: { title?: string; description?: string; expression: string };
}

export interface Policy {
  version?: number;
  etag?: string;
  bindings?: Binding[];
  /** Of a service with Identity-Aware Proxy: who that lets in. No part of the policy itself. */
  door?: Who;
}

export interface Who {
  bindings?: WhoRow[];
  invokerIamDisabled?: boolean;
  ingress?: string;
  iapEnabled?: boolean;
  iapBindings?: WhoRow[];
  iapAgent?: string;
  iapAgentMayInvoke?: boolean;
  iapHidden?: string;
}

export interface PublicRow {
  resource: string;
  ingress?: string;
  reasons: string[];
  since?: string;
  by?: string;
}

export interface WhoRow {
  member: string;
  role: string;
  on: string;
  condition?: string;
}

export interface HistoryRow {
  number: number;
  time: string;
  resource: string;
  deed: string;
  caller: string;
  peer?: string;
  method?: string;
  before?: unknown;
  after?: unknown;
}

export interface Rung {
  rung: string;
  rule: string; // its number in docs/access.md
  question: string;
  result: "PASSED" | "DECIDED" | "NOT_REACHED";
  fact?: string;
}

export interface Denial {
  denial?: string;
  time?: string;
  service?: string;
  region?: string;
  method?: string;
  url?: string;
  status?: number;
  rung?: string;
  principal?: string;
  fault?: string;
  text?: string;
  allowed?: boolean;
  resource?: string;
  member?: string;
  fact?: string;
  rungs?: Rung[];
  because?: { on: string; role: string; member: string; condition?: string };
}

export interface LogEntry {
  logName?: string;
  timestamp: string;
  severity?: string;
  textPayload?: string;
  jsonPayload?: Record<string, unknown>;
  resource?: { labels?: Record<string, string> };
  httpRequest?: { requestMethod?: string; requestUrl?: string; status?: number; latency?: string; remoteIp?: string };
  trace?: string;
  labels?: Record<string, string>;
  insertId?: string;
}

export interface Session {
  member: string;
  expireTime: string;
  project: string;
  region: string;
  organization: string;
  version: string;
  domain: string;
}
