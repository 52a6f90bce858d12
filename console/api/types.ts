// The resources as the API sends them. Google's are made from the program's own table of fields (model.ts).

import type * as model from "./model";

export type { Condition, Container, RevisionTemplate } from "./model";
export type Ingress = model.IngressTraffic;
/* What the API always sends. */
export type Binding = model.Binding & { role: string };
export type Policy = Omit<model.Policy, "bindings"> & {
  bindings?: Binding[];
  /** Of a service with Identity-Aware Proxy: who that lets in. No part of the policy itself. */
  door?: Who;
};
export type Service = model.Service & { name: string };
export type Revision = model.Revision & { name: string };
export type Operation = model.Operation & { name: string };
/* Wishes and states of traffic, in one list on the page. */
export type TrafficTarget = model.TrafficTarget & { uri?: string };

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
  publicUntil?: string;
  publicReason?: string;
}

/** Whether a member may call one service, and the fact that decides. */
export interface WhatRow {
  resource: string;
  allowed: boolean;
  rung: string;
  fact: string;
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

/** What would let the caller in; each form that there is. */
export interface Change {
  kind: string;
  what?: string;
  homerun?: string;
  gcloud?: string;
  yaml?: string;
  terraform?: string;
  curl?: string;
  console?: string;
  organizationPolicy?: { allowed?: boolean; text?: string };
}

export interface Denial {
  cause?: string;
  near?: string[];
  changes?: Change[];
  instead?: string[];
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
