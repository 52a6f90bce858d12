// Where requests may come from, and by which names.
import { useState } from "preact/hooks";
import { holds } from "../api/access";
import { patchService } from "../api/run";
import type { Ingress, Service } from "../api/types";
import { INGRESS_CHOICES } from "../parts/access";
import { Button, Copy, ErrorNote, Link, needs, say } from "../parts/basics";
import { Check, Radios } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import { here } from "../parts/location";
import { SameChange, type Ways } from "../parts/same_change";
import { serviceChange } from "../parts/service_change";
import { serviceView } from "../parts/session";

function waysOf(service: Service, ingress: Ingress, url: boolean): Ways {
  const short =
    { INGRESS_TRAFFIC_ALL: "all", INGRESS_TRAFFIC_INTERNAL_ONLY: "internal" }[ingress as string] ??
    "internal-and-cloud-load-balancing";
  return serviceChange(service, {
    flags: [`--ingress=${short}`, url ? "--default-url" : "--no-default-url"],
    beta: true /* the only track that has a flag for the default URL */,
    fields: { ingress, defaultUriDisabled: !url },
    v1: ({ metadata }) => {
      metadata.annotations["run.googleapis.com/ingress"] = short;
      metadata.annotations["run.googleapis.com/default-url-disabled"] = String(!url);
    },
  });
}

export function ServiceNetworking(props: { service: Service; reload: () => void }) {
  const { service } = props;
  /* A link from an explanation names what is to be chosen. */
  const query = here.value.searchParams;
  const [ingress, setIngress] = useState<Ingress | null>(query.get("ingress") === "all" ? "INGRESS_TRAFFIC_ALL" : null);
  const [url, setUrl] = useState<boolean | null>(query.get("url") === "on" ? true : null);
  const may = useLoad(`may ${service.name}`, () => holds(service.name, ["run.services.update"]));
  const { busy, error, run } = useAction();
  const nowIngress = service.ingress ?? "INGRESS_TRAFFIC_ALL";
  const nowUrl = !service.defaultUriDisabled;
  const changed = (ingress ?? nowIngress) !== nowIngress || (url ?? nowUrl) !== nowUrl;
  const missing = needs(may.data.value, "run.services.update");
  return (
    <div class="columns">
      <section class="card">
        <Radios<string>
          legend="Ingress"
          value={ingress ?? nowIngress}
          onChange={(value) => setIngress(value as Ingress)}
          disabled={Boolean(missing)}
          choices={INGRESS_CHOICES.map(([value, text, about]) => ({ value, text, about }))}
        />
        <Check label="Default URL" value={url ?? nowUrl} onChange={setUrl} disabled={Boolean(missing)} />
        <ErrorNote error={error.value} />
        <div class="form-actions">
          <Button
            kind="main"
            busy={busy.value}
            why={missing || (!changed && "Nothing is changed yet.")}
            onClick={() =>
              void run(async () => {
                await patchService(
                  service,
                  { ingress: ingress ?? nowIngress, defaultUriDisabled: !(url ?? nowUrl) },
                  ["ingress", "defaultUriDisabled"],
                );
                say("The networking of the service is changed, from the next request on.");
                setIngress(null);
                setUrl(null);
                props.reload();
              })
            }
          >
            Save
          </Button>
        </div>
        <SameChange ways={waysOf(service, ingress ?? nowIngress, url ?? nowUrl)} />
      </section>
      <section class="card">
        <h2>Endpoints</h2>
        <ul class="plain">
          {(service.urls ?? []).map((one) => (
            <li key={one}>
              <span class="mono wrap">{one}</span> <Copy text={one} what="the URL" />
            </li>
          ))}
          {(service.urls ?? []).length === 0 && <li class="faint">The default URL is off: nothing leads here.</li>}
        </ul>
        <h2>Custom domains</h2>
        <p>
          Domain mappings are not supported: the API answers <code>501 UNIMPLEMENTED</code> to them, and no name of your own leads to a
          service by itself.
        </p>
        <p class="hint">
          What there is instead: a domain of your own for all services (<code>homerun up --domain=run.example.com</code>), or a proxy of yours in
          front that sends the service's own host. A token that is made for your name is taken with a custom audience, on{" "}
          <Link to={serviceView(service.name, "security")}>Security</Link>.
        </p>
      </section>
    </div>
  );
}
