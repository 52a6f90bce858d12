// Issuers: whose tokens are believed besides Homerun's own.
import { useState } from "preact/hooks";
import { all, call } from "../api/http";
import { Button, Empty, ErrorNote, Fact, Loading, needs, say } from "../parts/basics";
import { Dialog } from "../parts/dialog";
import { Check, Field } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import { Pager, pageOf } from "../parts/pager";
import { quoted, SameChange } from "../parts/same_change";
import { TakeAway } from "../parts/take_away";
import { holdsOrganization, OWNERS } from "./iam_groups";

interface Issuer {
  name: string;
  issuer?: string;
  jwksUri?: string;
  domains?: string[];
  pool?: string;
  googleLike?: boolean;
  signIn?: { clientId?: string };
}

export function Issuers() {
  const list = useLoad("issuers", () => all<Issuer>("/homerun/v1/issuers", "issuers"), "issuers/");
  const may = useLoad("may issuers", holdsOrganization);
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Issuer | null>(null);
  const missing = needs(may.data.value, OWNERS);
  const rows = list.data.value;
  if (rows === undefined) {
    return list.error.value ? <ErrorNote error={list.error.value} again={list.reload} /> : <Loading what="issuers" />;
  }
  const { shown, page, pages } = pageOf(rows);
  return (
    <section>
      <div class="bar">
        <Button kind="main" onClick={() => setAdding(true)} why={missing}>
          Add issuer
        </Button>
      </div>
      {rows.length === 0 && (
        <Empty title="No issuer but Homerun's own">
          <p>
            <code>homerun issuers add</code> lets the tokens of another identity provider in, too.
          </p>
        </Empty>
      )}
      <ul class="cards">
        {shown.map((one) => (
          <li class="card" key={one.name}>
            <h2>{one.name}</h2>
            <dl>
              <Fact name="Issuer">
                <span class="mono wrap">{one.issuer}</span>
              </Fact>
              <Fact name="Speaks for">{(one.domains ?? []).join(", ") || "no domain"}</Fact>
              {one.pool && (
                <Fact name="Pool">
                  <span class="mono wrap">{one.pool}</span>
                </Fact>
              )}
              <Fact name="Members">{one.googleLike ? "are in allAuthenticatedUsers" : "are not in allAuthenticatedUsers"}</Fact>
              {one.signIn && <Fact name="Sign-in">people sign in with it</Fact>}
            </dl>
            <div class="form-actions">
              <Button kind="quiet" onClick={() => setRemoving(one)} label={`Remove ${one.name}`} why={missing}>
                Remove
              </Button>
            </div>
          </li>
        ))}
      </ul>
      <Pager page={page} pages={pages} total={rows.length} />
      {adding && <AddIssuer close={() => setAdding(false)} done={list.reload} />}
      {removing && <RemoveIssuer issuer={removing} close={() => setRemoving(null)} done={list.reload} />}
    </section>
  );
}

function AddIssuer(props: { close: () => void; done: () => void }) {
  const [name, setName] = useState("");
  const [issuer, setIssuer] = useState("");
  const [keys, setKeys] = useState("");
  const [domains, setDomains] = useState("");
  const [googleLike, setGoogleLike] = useState(false);
  const [touched, setTouched] = useState(false);
  const { busy, error, run } = useAction();
  const spoken = domains.split(/[\s,]+/).filter((one) => one !== "");
  const wrong = spoken.find((one) => !/^[a-z0-9.-]+\.[a-z]+$/.test(one));
  const faults = {
    name: !/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name) && "Lower-case letters, digits and hyphens; a letter first; at most 63.",
    issuer: !/^https:\/\/[^\s/?#]+(\/[^\s?#]*)?$/.test(issuer) && "An issuer is an address with https://, as its tokens have it in iss.",
    keys: !/^https?:\/\/[^\s/?#]+\/\S*$/.test(keys) && "Write the address of its public keys (jwks_uri in its discovery document).",
    domains: wrong !== undefined && `${wrong} is no domain.`,
  };
  const save = () => {
    setTouched(true);
    if (faults.name || faults.issuer || faults.keys || faults.domains) {
      return;
    }
    void run(async () => {
      await call("POST", "/homerun/v1/issuers", { name, issuer, jwksUri: keys, ...(spoken.length > 0 && { domains: spoken }), ...(googleLike && { googleLike }) });
      say(`Tokens of ${name} are believed from now on.`);
      props.close();
      props.done();
    });
  };
  return (
    <Dialog
      title="Add issuer"
      onClose={props.close}
      actions={
        <>
          <Button onClick={props.close}>Cancel</Button>
          <Button kind="main" busy={busy.value} onClick={save}>
            Add
          </Button>
        </>
      }
    >
      <Field label="Name" value={name} onInput={setName} fault={touched && faults.name} placeholder="partner" required />
      <Field
        label="Issuer"
        value={issuer}
        onInput={setIssuer}
        fault={touched && faults.issuer}
        placeholder="https://login.example.com"
        required
      />
      <Field
        label="Public keys"
        value={keys}
        onInput={setKeys}
        fault={touched && faults.keys}
        placeholder="https://login.example.com/jwks"
        hint="Homerun fetches them from there, now and whenever they change."
        required
      />
      <Field
        label="Domains"
        value={domains}
        onInput={setDomains}
        fault={touched && faults.domains}
        placeholder="example.com"
        hint="Addresses of these are believed as user:… of it; with commas between. Leave it empty for none."
      />
      <Check label="Its identities are in allAuthenticatedUsers" value={googleLike} onChange={setGoogleLike} />
      <ErrorNote error={error.value} />
      <SameChange
        ways={{
          homerun: googleLike
            ? undefined
            : `homerun issuers add ${quoted(name || "NAME")} --issuer=${quoted(issuer || "URL")} --jwks-uri=${quoted(keys || "URL")}${spoken.length > 0 ? ` --domains=${quoted(spoken.join(","))}` : ""}`,
          curl: `curl -H "Authorization: Bearer $(homerun token access)" -H "Content-Type: application/json" "$HOMERUN_API/homerun/v1/issuers" \\\n  -d ${quoted(JSON.stringify({ name, issuer, jwksUri: keys, ...(spoken.length > 0 && { domains: spoken }), ...(googleLike && { googleLike }) }))}`,
        }}
      />
    </Dialog>
  );
}

function RemoveIssuer(props: { issuer: Issuer; close: () => void; done: () => void }) {
  const { name } = props.issuer;
  return (
    <TakeAway
      title="Remove issuer?"
      word="Remove"
      close={props.close}
      act={() => call("DELETE", `/homerun/v1/issuers/${encodeURIComponent(name)}`)}
      said={`Tokens of ${name} are believed no more.`}
      done={props.done}
      ways={{ homerun: `homerun issuers remove ${quoted(name)}` }}
    >
      <p>
        No token of <code class="wrap">{props.issuer.issuer}</code> is believed from the next request on, and who signed in with it is signed out.
      </p>
    </TakeAway>
  );
}
