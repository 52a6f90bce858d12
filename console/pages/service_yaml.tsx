// The service as YAML: what `gcloud run services replace` takes, with the version that was read.
import { useState } from "preact/hooks";
import { ApiError } from "../api/http";
import { getV1, replaceV1 } from "../api/run";
import { Button, Copy, ErrorNote, Loading, Notice, say } from "../parts/basics";
import { diff } from "../parts/diff";
import { useAction, useLoad } from "../parts/load";
import { exported } from "../parts/service_change";
import { toYaml } from "../parts/yaml";

const textOf = (service: Record<string, unknown>) => toYaml(exported(service));

export function ServiceYaml(props: { name: string }) {
  const loaded = useLoad(`yaml ${props.name}`, async () => textOf(await getV1(props.name)));
  const [typed, setTyped] = useState<string | null>(null);
  const [comparing, setComparing] = useState(false);
  const { busy, error, run } = useAction();
  const before = loaded.data.value;
  if (before === undefined) {
    return loaded.error.value ? <ErrorNote error={loaded.error.value} again={loaded.reload} /> : <Loading what="the YAML" />;
  }
  const text = typed ?? before;
  const changed = text !== before;
  const line = Number(/line (\d+)/.exec(error.value?.message ?? "")?.[1] ?? 0);
  const conflict = error.value instanceof ApiError && error.value.status === 409;
  const merge = () =>
    void run(async () => {
      /* Theirs becomes the base; what was typed stays, with the new version in it. */
      const theirs = textOf(await getV1(props.name));
      const version = /^ {2}resourceVersion:.*$/m.exec(theirs)?.[0];
      loaded.data.value = theirs;
      setTyped(version === undefined ? text : text.replace(/^ {2}resourceVersion:.*$/m, version));
      setComparing(true);
    });
  return (
    <section class="card">
      <div class="bar">
        <Button onClick={() => setComparing(!comparing)} why={!changed && "Nothing is changed yet."}>
          {comparing ? "Hide diff" : "View diff"}
        </Button>
        <Button
          kind="main"
          busy={busy.value}
          why={!changed && "Nothing is changed yet."}
          onClick={() =>
            void run(async () => {
              await replaceV1(props.name, text);
              say("The change is deployed.");
              setTyped(null);
              setComparing(false);
              loaded.reload();
            })
          }
        >
          Deploy changes
        </Button>
        {changed && (
          <Button kind="quiet" onClick={() => setTyped(null)}>
            Discard
          </Button>
        )}
        <Copy text={text} what="the YAML" />
      </div>
      {conflict ? (
        <Notice kind="warning">
          <p>Somebody else has changed the service since this was loaded. What you typed is kept.</p>
          <Button onClick={merge} busy={busy.value}>
            Load theirs and compare
          </Button>
        </Notice>
      ) : (
        <ErrorNote error={error.value} />
      )}
      {comparing && changed && (
        <pre class="diff" aria-label="What would change" tabIndex={0}>
          {diff(before, text).map((one, at) => (
            <span key={at} class={one.sign === "+" ? "plus" : one.sign === "-" ? "minus" : undefined}>
              {`${one.sign} ${one.text}\n`}
            </span>
          ))}
        </pre>
      )}
      <label class="editor">
        <span class="hidden">YAML of the service</span>
        <textarea
          class="mono"
          rows={Math.min(40, text.split("\n").length + 2)}
          spellcheck={false}
          value={text}
          aria-invalid={line > 0 ? true : undefined}
          onInput={(event) => setTyped((event.target as HTMLTextAreaElement).value)}
        />
      </label>
      {line > 0 && (
        <p class="fault">
          Line {line}: <code>{text.split("\n")[line - 1]}</code>
        </p>
      )}
    </section>
  );
}
