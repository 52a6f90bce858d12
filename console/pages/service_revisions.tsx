// Revisions, and how the traffic is shared among them.
import { useEffect, useState } from "preact/hooks";
import { holds } from "../api/access";
import { deleteRevision, instancesOf, listRevisions, patchService, ready, shortName, type Instance } from "../api/run";
import type { Revision, Service, TrafficTarget } from "../api/types";
import { Button, Copy, Empty, ErrorNote, Loading, needs, say, Time } from "../parts/basics";
import { Dialog } from "../parts/dialog";
import { Field } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import { SameChange, type Ways } from "../parts/same_change";
import { serviceChange } from "../parts/service_change";
import { RevisionDetail } from "./revision_detail";

const LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
const REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

const statuses = (service: Service) => service.trafficStatuses ?? service.traffic ?? [];
const targetsOf = (service: Service, revision: string) =>
  statuses(service).filter(
    (one) => (one.revision ?? shortName(service.latestReadyRevision ?? "")) === shortName(revision),
  );

export function ServiceRevisions(props: { service: Service; reload: () => void }) {
  const { service } = props;
  const list = useLoad(`revisions ${service.name}`, () => listRevisions(service.name), service.name);
  const may = useLoad(`may ${service.name}`, () => holds(service.name, ["run.services.update", "run.revisions.delete"]));
  const running = useLoad(`instances ${service.name}`, () => instancesOf(service.name), service.name);
  const [opened, setOpened] = useState<Record<string, boolean>>({});
  useEffect(() => {
    const timer = window.setInterval(() => document.visibilityState === "visible" && running.reload(), 3000);
    return () => window.clearInterval(timer);
  }, [running.reload]);
  const [managing, setManaging] = useState(false);
  const { busy, error, run } = useAction();
  const rows = list.data.value;
  if (rows === undefined) {
    return list.error.value ? <ErrorNote error={list.error.value} again={list.reload} /> : <Loading what="revisions" />;
  }
  const missing = needs(may.data.value, "run.services.update");
  return (
    <section>
      <div class="bar">
        <Button onClick={() => setManaging(true)} why={missing || (rows.length === 0 && "There is no revision.")}>
          Manage traffic
        </Button>
      </div>
      <ErrorNote error={error.value} />
      {rows.length === 0 ? (
        <Empty title="No revision" />
      ) : (
        <div class="table-place" role="region" aria-label="Revisions" tabIndex={0}>
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Traffic</th>
                <th scope="col">Tags</th>
                <th scope="col">State</th>
                <th scope="col">Instances</th>
                <th scope="col">Deployed</th>
                <th scope="col">By</th>
                <th scope="col">
                  <span class="hidden">Details and delete</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((one) => {
                const mine = targetsOf(service, one.name);
                const percent = mine.reduce((sum, target) => sum + (target.percent ?? 0), 0);
                const serving = mine.length > 0;
                const own = running.data.value?.filter((instance) => instance.revision === one.name);
                const state = stateText(one);
                /* What does not start says why without being asked. */
                const open = opened[one.name] ?? state === "Not ready";
                const row = (
                  <tr key={one.name}>
                    <th scope="row" class="mono nowrap">
                      {shortName(one.name)}
                    </th>
                    <td>
                      <Share percent={percent} />
                    </td>
                    <td>
                      <Tags targets={mine} />
                    </td>
                    <td class={state === "Not ready" ? "fault-text" : undefined}>{state}</td>
                    <td>{instancesText(own)}</td>
                    <td>
                      <Time at={one.createTime} />
                    </td>
                    <td class="wrap">{one.creator}</td>
                    <td class="row-actions">
                      <button
                        type="button"
                        class="link"
                        aria-expanded={open}
                        aria-label={`Details of ${shortName(one.name)}`}
                        onClick={() => setOpened({ ...opened, [one.name]: !open })}
                      >
                        {open ? "Hide details" : "Details"}
                      </button>
                      <Button
                        kind="quiet"
                        label={`Delete ${shortName(one.name)}`}
                        busy={busy.value}
                        why={
                          needs(may.data.value, "run.revisions.delete") ||
                          (serving && "It has traffic or a tag: take those away first.") ||
                          (shortName(one.name) === shortName(service.latestCreatedRevision ?? "") &&
                            "It is the newest revision of the service.")
                        }
                        onClick={() =>
                          void run(async () => {
                            await deleteRevision(one.name);
                            say(`${shortName(one.name)} is deleted.`);
                            list.reload();
                          })
                        }
                      >
                        Delete
                      </Button>
                    </td>
                  </tr>
                );
                return open
                  ? [
                      row,
                      <tr key={`${one.name} detail`}>
                        <td colSpan={8}>
                          <RevisionDetail revision={one} instances={own ?? []} />
                        </td>
                      </tr>,
                    ]
                  : row;
              })}
            </tbody>
          </table>
        </div>
      )}
      {managing && (
        <ManageTraffic
          service={service}
          revisions={rows}
          close={() => setManaging(false)}
          done={() => {
            setManaging(false);
            props.reload();
            list.reload();
          }}
        />
      )}
    </section>
  );
}

/** "2", "1 + 1 starting"; a revision without any sleeps. */
function instancesText(instances: Instance[] | undefined): string {
  if (instances === undefined) {
    return "–";
  }
  const ready = instances.filter((one) => one.state === "READY").length;
  const others = ["STARTING", "NOT_READY", "DRAINING"]
    .map((state): [number, string] => [instances.filter((one) => one.state === state).length, state.toLowerCase().replace("_", " ")])
    .filter(([count]) => count > 0)
    .map(([count, word]) => ` + ${count} ${word}`);
  return ready + others.length === 0 ? "none" : `${ready}${others.join("")}`;
}

function Share(props: { percent: number }) {
  return (
    <span class="share">
      <span class="share-bar" aria-hidden="true">
        <svg viewBox="0 0 100 6" preserveAspectRatio="none">
          <rect width={props.percent} height="6" />
        </svg>
      </span>
      {props.percent}%
    </span>
  );
}

function Tags(props: { targets: TrafficTarget[] }) {
  const tagged = props.targets.filter((one) => one.tag);
  return (
    <>
      {tagged.map((one) => (
        <span key={one.tag} class="tag">
          {one.uri ? (
            <a href={one.uri} target="_blank" rel="noreferrer noopener">
              {one.tag}
            </a>
          ) : (
            one.tag
          )}
          {one.uri && <Copy text={one.uri} what="the tag's URL" />}
        </span>
      ))}
    </>
  );
}

const stateText = (revision: Revision) => {
  const state = ready(revision)?.state;
  return state === "CONDITION_SUCCEEDED" ? "Ready" : state === "CONDITION_FAILED" ? "Not ready" : "Starting";
};

interface Line {
  revision: string; // "" for the latest ready one
  percent: string;
  tag: string;
}

function ManageTraffic(props: { service: Service; revisions: Revision[]; close: () => void; done: () => void }) {
  /* As it was when this was opened: who changed the traffic meanwhile is not overruled unseen. */
  const [service] = useState(props.service);
  const [lines, setLines] = useState<Line[]>(
    (service.traffic ?? []).map((one) => ({
      revision: one.type === LATEST ? "" : (one.revision ?? ""),
      percent: String(one.percent ?? 0),
      tag: one.tag ?? "",
    })),
  );
  const { busy, error, run } = useAction();
  const total = lines.reduce((sum, one) => sum + (Number(one.percent) || 0), 0);
  const badTag = lines.find((one) => one.tag !== "" && !/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(one.tag));
  const fault =
    total !== 100
      ? `The shares add up to ${total}, not to 100.`
      : badTag
        ? `The tag ${badTag.tag} is not lower-case letters, digits and hyphens.`
        : "";
  const set = (at: number, change: Partial<Line>) =>
    setLines(lines.map((one, index) => (index === at ? { ...one, ...change } : one)));
  const traffic: TrafficTarget[] = lines.map((one) => ({
    type: one.revision === "" ? LATEST : REVISION,
    ...(one.revision !== "" && { revision: one.revision }),
    ...(Number(one.percent) > 0 && { percent: Number(one.percent) }),
    ...(one.tag !== "" && { tag: one.tag }),
  }));
  const save = () =>
    void run(async () => {
      await patchService(service, { traffic }, ["traffic"]);
      say("The traffic is shared anew.");
      props.done();
    });
  return (
    <Dialog
      title="Manage traffic"
      onClose={props.close}
      actions={
        <>
          <Button onClick={props.close}>Cancel</Button>
          <Button kind="main" busy={busy.value} why={fault} onClick={save}>
            Save
          </Button>
        </>
      }
    >
      {lines.map((line, at) => (
        <fieldset class="traffic-line" key={at}>
          <legend>{line.revision || "Latest ready revision"}</legend>
          <label class="slider">
            <span>Share</span>
            <input
              type="range"
              min="0"
              max="100"
              value={line.percent}
              onInput={(event) => set(at, { percent: (event.target as HTMLInputElement).value })}
            />
            <output>{line.percent}%</output>
          </label>
          <Field label="Tag" value={line.tag} onInput={(tag) => set(at, { tag })} />
          <Button kind="quiet" onClick={() => setLines(lines.filter((_, index) => index !== at))}>
            Take away
          </Button>
        </fieldset>
      ))}
      <div class="chips">
        {[
          ["", "Latest ready revision"],
          ...props.revisions.map((one) => [shortName(one.name), shortName(one.name)]),
        ]
          .filter(([id]) => !lines.some((line) => line.revision === id))
          .slice(0, 12)
          .map(([id, text]) => (
            <button
              type="button"
              class="chip"
              key={id}
              onClick={() => setLines([...lines, { revision: id ?? "", percent: "0", tag: "" }])}
            >
              + {text}
            </button>
          ))}
      </div>
      {fault !== "" && <p class="fault">{fault}</p>}
      <ErrorNote error={error.value} />
      <SameChange ways={trafficWays(service, lines, traffic)} />
    </Dialog>
  );
}

/** Both tools have a command of their own for it, and take shares and tags together. */
function trafficWays(service: Service, lines: Line[], traffic: TrafficTarget[]): Ways {
  const [, project = "", , region = ""] = service.name.split("/");
  const split = lines.filter((one) => Number(one.percent) > 0).map((one) => `${one.revision || "LATEST"}=${one.percent}`);
  const tags = lines.filter((one) => one.tag !== "").map((one) => `${one.tag}=${one.revision || "LATEST"}`);
  const line = (tool: string) =>
    `${tool} services update-traffic ${shortName(service.name)} --region=${region} --project=${project} --to-revisions=${split.join(",")}` +
    (tags.length > 0 ? ` --set-tags=${tags.join(",")}` : " --clear-tags");
  return {
    ...serviceChange(service, {
      flags: [],
      fields: { traffic },
      v1: ({ spec }) => {
        spec.traffic = lines.map((one) => ({
          ...(one.revision === "" ? { latestRevision: true } : { revisionName: one.revision }),
          percent: Number(one.percent),
          ...(one.tag !== "" && { tag: one.tag }),
        }));
      },
    }),
    gcloud: line("gcloud run"),
    homerun: line("homerun"),
  };
}
