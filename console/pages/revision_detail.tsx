// One revision: what it runs, with what, and its instances; and the end of its log, where it does not start.
import { entries, text } from "../api/logs";
import { projectOf, ready, regionOf, shortName, type Instance } from "../api/run";
import type { Container, Revision } from "../api/types";
import type { Volume } from "../api/model";
import { Copy, Fact, Time } from "../parts/basics";
import { useLoad } from "../parts/load";

const LINES = 20;

/** What its containers said last: the reason stands there as a rule. */
function LastLines(props: { revision: string }) {
  const { revision } = props;
  const filter = [
    `resource.labels.revision_name=${text(shortName(revision))}`,
    `resource.labels.location=${text(regionOf(revision))}`,
    'resource.type="cloud_run_revision"',
  ].join(" AND ");
  const list = useLoad(`last lines ${revision}`, () => entries(projectOf(revision), filter, LINES), revision);
  const said = (list.data.value ?? [])
    .filter((one) => one.httpRequest === undefined)
    .map((one) => one.textPayload ?? JSON.stringify(one.jsonPayload ?? ""))
    .reverse();
  return said.length === 0 ? null : (
    <pre class="last-lines" role="region" tabIndex={0} aria-label={`The last lines of ${shortName(revision)}`}>
      {said.map((line) => (line.length > 500 ? `${line.slice(0, 500)}…` : line)).join("\n")}
    </pre>
  );
}

function volumeText(volume: Volume): string {
  if (volume.secret) {
    return `secret ${volume.secret.secret}`;
  }
  if (volume.gcs) {
    return `bucket ${volume.gcs.bucket}${volume.gcs.readOnly ? ", read-only" : ""}`;
  }
  if (volume.nfs) {
    return `NFS ${volume.nfs.server}:${volume.nfs.path}${volume.nfs.readOnly ? ", read-only" : ""}`;
  }
  if (volume.emptyDir) {
    return `in memory${volume.emptyDir.sizeLimit ? `, at most ${volume.emptyDir.sizeLimit}` : ""}`;
  }
  return "of another kind";
}

/** "0.5" of "500m". */
const cpus = (text: string) => (text.endsWith("m") ? String(Number(text.slice(0, -1)) / 1000) : text);

function ContainerFacts(props: { container: Container; volumes: Volume[] }) {
  const { container, volumes } = props;
  const limits = container.resources?.limits ?? {};
  return (
    <dl>
      <Fact name="Image">
        <span class="mono wrap">{container.image}</span> <Copy text={container.image ?? ""} what="the image" />
      </Fact>
      {container.ports?.[0] && <Fact name="Port">{container.ports[0].containerPort}</Fact>}
      <Fact name="Limits">{`${cpus(limits.cpu ?? "1")} CPU, ${limits.memory ?? "512Mi"} of memory`}</Fact>
      {(container.env ?? []).length > 0 && (
        <Fact name="Variables">
          <span class="mono wrap">{(container.env ?? []).map((one) => one.name).join(", ")}</span>
        </Fact>
      )}
      {(container.volumeMounts ?? []).map((mount) => {
        const volume = volumes.find((one) => one.name === mount.name);
        return (
          <Fact key={mount.name} name="Volume">
            <span class="mono wrap">{mount.mountPath}</span> <small>{volume === undefined ? mount.name : volumeText(volume)}</small>
          </Fact>
        );
      })}
    </dl>
  );
}

const mebibytes = (bytes: number) => `${(bytes / 1048576).toFixed(1)} MiB`;

export function RevisionDetail(props: { revision: Revision; instances: Instance[] }) {
  const { revision, instances } = props;
  const condition = ready(revision);
  const waits = condition?.state !== "CONDITION_SUCCEEDED";
  return (
    <div class="detail">
      {waits && (
        <section class="detail-wide">
          <h2>{condition?.state === "CONDITION_FAILED" ? "Why it is not ready" : "It is not ready yet"}</h2>
          <p class="wrap">{condition?.message ?? "It has not been started yet."}</p>
          <LastLines revision={revision.name} />
        </section>
      )}
      <section>
        <h2>{(revision.containers ?? []).length > 1 ? "Containers" : "Container"}</h2>
        {(revision.containers ?? []).map((one) => (
          <ContainerFacts key={one.name ?? one.image} container={one} volumes={revision.volumes ?? []} />
        ))}
        <dl>
          <Fact name="Service account">
            <span class="mono wrap">{revision.serviceAccount ?? "default"}</span>
          </Fact>
          <Fact name="Requests at once">{revision.maxInstanceRequestConcurrency ?? 80}</Fact>
        </dl>
      </section>
      <section>
        <h2>Instances</h2>
        {instances.length === 0 ? (
          <p class="hint">None runs now. The next request starts one, if the revision has traffic or a tag.</p>
        ) : (
          <div class="table-place" role="region" aria-label={`Instances of ${shortName(revision.name)}`} tabIndex={0}>
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">Id</th>
                  <th scope="col">State</th>
                  <th scope="col">Requests</th>
                  <th scope="col">Memory</th>
                  <th scope="col">CPU</th>
                  <th scope="col">Since</th>
                </tr>
              </thead>
              <tbody>
                {instances.map((one) => (
                  <tr key={one.id}>
                    <th scope="row" class="mono">
                      {one.id.slice(0, 12)} <Copy text={one.id} what="the instance's id" />
                    </th>
                    <td>{one.state.toLowerCase().replace("_", " ")}</td>
                    <td>{`${one.requestsInFlight} of ${one.maxRequests}`}</td>
                    <td>{mebibytes(one.memoryBytes)}</td>
                    <td>{one.cpu.toFixed(2)}</td>
                    <td>
                      <Time at={one.startTime} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
    </div>
  );
}
