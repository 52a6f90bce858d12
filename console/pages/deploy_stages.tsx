// How far a new service has come: read from the API while its operation runs.
import { useEffect, useState } from "preact/hooks";
import { instancesOf, listRevisions, ready, shortName } from "../api/run";

const LOOK_MS = 500;

interface Seen {
  revision: string;
  instance: "" | "starting" | "ready";
  healthy: boolean;
}

const NOTHING: Seen = { revision: "", instance: "", healthy: false };

/** What is seen of the service NAME now. It may not be there yet. */
async function look(name: string): Promise<Seen> {
  const [revision] = await listRevisions(name).catch(() => []);
  if (revision === undefined) {
    return NOTHING;
  }
  const instances = await instancesOf(name).catch(() => []);
  const healthy = ready(revision)?.state === "CONDITION_SUCCEEDED";
  return {
    revision: shortName(revision.name),
    instance: healthy || instances.some((one) => one.state === "READY") ? "ready" : instances.length > 0 ? "starting" : "",
    healthy,
  };
}

export function Stages(props: { name: string }) {
  const [seen, setSeen] = useState<Seen>(NOTHING);
  useEffect(() => {
    let alive = true;
    const again = async () => {
      const found = await look(props.name);
      if (alive) {
        setSeen(found);
        window.setTimeout(() => void again(), LOOK_MS);
      }
    };
    void again();
    return () => {
      alive = false;
    };
  }, [props.name]);
  const stages: [string, boolean][] = [
    [seen.revision === "" ? "The revision is made" : `The revision ${seen.revision} is made`, seen.revision !== ""],
    ["An instance of it starts", seen.instance !== ""],
    ["It passes its startup probe", seen.instance === "ready"],
    ["The traffic goes to it", seen.healthy],
  ];
  const current = stages.findIndex(([, done]) => !done);
  return (
    <div role="status">
      <ol class="stages" aria-label="Progress">
      {stages.map(([text, done], at) => (
        <li key={text} class={done ? "done" : at === current ? "now" : undefined}>
          {done ? (
            <span class="stage-mark" role="img" aria-label="Done">
              ✓
            </span>
          ) : at === current ? (
            <span class="spinner" aria-hidden="true" />
          ) : (
            <span class="stage-mark" aria-hidden="true">
              ·
            </span>
          )}
          {text}
        </li>
      ))}
      </ol>
    </div>
  );
}
