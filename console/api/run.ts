// Services and revisions by Cloud Run's v2 API; the YAML form by v1.
import { all, call } from "./http";
import type { Condition, Operation, Revision, Service } from "./types";

export const place = (project: string, region: string) => `projects/${project}/locations/${region}`;
export const shortName = (name: string) => name.slice(name.lastIndexOf("/") + 1);
export const regionOf = (name: string) => name.split("/")[3] ?? "";
export const projectOf = (name: string) => name.split("/")[1] ?? "";

export const listServices = (project: string, region: string) =>
  all<Service>(`/v2/${place(project, region)}/services?pageSize=500`, "services");
export const getService = (name: string) => call<Service>("GET", `/v2/${name}`);
export const listRevisions = (service: string) =>
  all<Revision>(`/v2/${service}/revisions?pageSize=200`, "revisions", 400);
export const deleteService = (name: string) => settled(call<Operation>("DELETE", `/v2/${name}`));
export const deleteRevision = (name: string) => settled(call<Operation>("DELETE", `/v2/${name}`));

/** Changes the fields that MASK names. With the etag of SERVICE, so that nobody's change is lost. */
export const patchService = (service: Service, changes: Partial<Service>, mask: string[]) =>
  settled(
    call<Operation>("PATCH", `/v2/${service.name}?updateMask=${mask.join(",")}`, {
      ...changes,
      name: service.name,
      etag: service.etag,
    }),
  );

export const createService = (parent: string, id: string, service: Partial<Service>) =>
  settled(call<Operation>("POST", `/v2/${parent}/services?serviceId=${encodeURIComponent(id)}`, service));

/** Waits for a long-running operation; an operation's error is thrown as a call's would be. */
async function settled(first: Promise<Operation>): Promise<Operation> {
  let operation = await first;
  while (!operation.done) {
    operation = await call<Operation>("POST", `/v2/${operation.name}:wait`, { timeout: "20s" });
  }
  if (operation.error) {
    throw new Error(operation.error.message);
  }
  return operation;
}

export const ready = (of: { terminalCondition?: Condition; conditions?: Condition[] }) =>
  of.terminalCondition ?? of.conditions?.find((one) => one.type === "Ready");

/** One that the engine keeps for a service (homerun.v1). */
export interface Instance {
  id: string;
  revision: string;
  state: string;
  requestsInFlight: number;
  maxRequests: number;
  memoryBytes: number;
  cpu: number;
  startTime: string;
  address?: string;
}

export const instancesOf = async (service: string) =>
  (await call<{ instances: Instance[] }>("GET", `/homerun/v1/${service}/instances`)).instances;

/** A folder of the machine that stands for a bucket ("NAME") or an NFS export ("SERVER:/PATH"). */
export interface MappedFolder {
  name: string;
  dir: string;
  readOnly?: boolean;
}

export const mappedFolders = async (project: string) =>
  (await call<{ volumes: MappedFolder[] }>("GET", `/homerun/v1/projects/${project}/volumes`)).volumes;

// ---- the YAML form ----

export const getV1 = (name: string) => call<Record<string, unknown>>("GET", `/v1/${name}`);
export const replaceV1 = (name: string, yaml: string) =>
  call<Record<string, unknown>>("PUT", `/v1/${name}`, yaml, { yaml: true });
