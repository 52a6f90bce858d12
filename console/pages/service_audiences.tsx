// What a token may be made for, beside the service's URL.
import { useState } from "preact/hooks";
import { patchService } from "../api/run";
import type { Service } from "../api/types";
import { Button, ErrorNote, say } from "../parts/basics";
import { Field } from "../parts/fields";
import { useAction } from "../parts/load";
import { here, setQuery } from "../parts/location";
import { quoted, SameChange, type Ways } from "../parts/same_change";
import { serviceChange } from "../parts/service_change";

function waysOf(service: Service, audience: string): Ways {
  const all = [...(service.customAudiences ?? []), audience];
  return serviceChange(service, {
    flags: [`--add-custom-audiences=${quoted(audience)}`],
    fields: { customAudiences: all },
    v1: ({ metadata }) => {
      metadata.annotations["run.googleapis.com/custom-audiences"] = JSON.stringify(all);
    },
  });
}

export function Audiences(props: { service: Service; missing: string | false; reload: () => void }) {
  const { service, missing } = props;
  const [typed, setTyped] = useState(here.value.searchParams.get("audience") ?? "");
  const { busy, error, run } = useAction();
  const there = service.customAudiences ?? [];
  const audience = typed.trim();
  const change = (audiences: string[], words: string) =>
    run(async () => {
      await patchService(service, { customAudiences: audiences }, ["customAudiences"]);
      say(words);
      props.reload();
    });
  const add = async () => {
    if (await change([...there, audience], `A token made for ${audience} is taken, from the next request on.`)) {
      setTyped("");
      setQuery("audience", "", true);
    }
  };
  return (
    <section class="card">
      <h2>Custom audiences</h2>
      <p class="hint">A token is made for one audience: the service's URL, or one of these. Its sender needs a role as well.</p>
      <ul class="plain">
        {there.map((one) => (
          <li key={one}>
            <span class="mono wrap">{one}</span>{" "}
            <Button
              kind="quiet"
              label={`Remove the audience ${one}`}
              why={missing}
              onClick={() => void change(there.filter((other) => other !== one), `A token made for ${one} is taken no more.`)}
            >
              Remove
            </Button>
          </li>
        ))}
      </ul>
      <Field
        label="New audience"
        value={typed}
        onInput={setTyped}
        placeholder="https://shop.example.com"
        disabled={Boolean(missing)}
        fault={there.includes(audience) && "This audience is taken already."}
      />
      <ErrorNote error={error.value} />
      <div class="form-actions">
        <Button
          kind="main"
          busy={busy.value}
          onClick={() => void add()}
          why={missing || (audience === "" && "Write an audience first.") || (there.includes(audience) && "This audience is taken already.")}
        >
          Add audience
        </Button>
      </div>
      {audience !== "" && <SameChange ways={waysOf(service, audience)} />}
    </section>
  );
}
