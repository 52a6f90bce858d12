// The keys of one service account. A new one is a file that the browser saves, and nobody can have it again.
import { useState } from "preact/hooks";
import { call } from "../api/http";
import { Button, ErrorNote, Loading, needs, say, Time } from "../parts/basics";
import { useAction, useLoad } from "../parts/load";
import { quoted, SameChange } from "../parts/same_change";
import { project } from "../parts/session";
import { TakeAway } from "../parts/take_away";
import type { Account } from "./iam_accounts";

interface Key {
  name: string;
  validAfterTime?: string;
  disabled?: boolean;
  keyType?: string;
}

const idOf = (key: Key) => key.name.slice(key.name.lastIndexOf("/") + 1);

/** Gives TEXT to the person as a file. */
function save(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export function Keys(props: { account: Account; held?: Set<string> }) {
  const { account, held } = props;
  const [open, setOpen] = useState(false);
  const [deleting, setDeleting] = useState<Key | null>(null);
  const { busy, error, run } = useAction();
  const keys = useLoad(`keys ${account.name} ${open}`, async () =>
    open ? ((await call<{ keys?: Key[] }>("GET", `/v1/${account.name}/keys?keyTypes=USER_MANAGED`)).keys ?? []) : [],
  );
  const create = () =>
    void run(async () => {
      const made = await call<{ name: string; privateKeyData: string }>("POST", `/v1/${account.name}/keys`, {});
      save(`${account.email.split("@")[0]}-${idOf(made).slice(0, 12)}.json`, atob(made.privateKeyData));
      say("The key is made, and saved by the browser. It cannot be had again.");
      keys.reload();
    });
  const turn = (key: Key, verb: "enable" | "disable") =>
    void run(async () => {
      await call("POST", `/v1/${key.name}:${verb}`, {});
      say(verb === "enable" ? "The key can be used again." : "What the key signed is refused from now on.");
      keys.reload();
    });
  return (
    <details onToggle={(event) => setOpen((event.target as HTMLDetailsElement).open)}>
      <summary>Keys</summary>
      {open && keys.data.value === undefined && !keys.error.value && <Loading what="keys" />}
      {open && keys.data.value?.length === 0 && <p class="hint">None.</p>}
      <ul class="plain keys">
        {(keys.data.value ?? []).map((one) => (
          <li key={one.name}>
            <code>{idOf(one).slice(0, 12)}…</code> <Time at={one.validAfterTime} />
            {one.disabled ? " disabled" : ""}
            <Button
              kind="quiet"
              busy={busy.value}
              label={`${one.disabled ? "Enable" : "Disable"} the key ${idOf(one)}`}
              why={needs(held, `iam.serviceAccountKeys.${one.disabled ? "enable" : "disable"}`)}
              onClick={() => turn(one, one.disabled ? "enable" : "disable")}
            >
              {one.disabled ? "Enable" : "Disable"}
            </Button>
            <Button
              kind="quiet"
              label={`Delete the key ${idOf(one)}`}
              why={needs(held, "iam.serviceAccountKeys.delete")}
              onClick={() => setDeleting(one)}
            >
              Delete
            </Button>
          </li>
        ))}
      </ul>
      <ErrorNote error={error.value ?? keys.error.value} />
      <Button busy={busy.value} onClick={create} why={needs(held, "iam.serviceAccountKeys.create")}>
        Create key
      </Button>
      <SameChange
        ways={{ gcloud: `gcloud iam service-accounts keys create key.json --iam-account=${quoted(account.email)} --project=${project.value}` }}
      />
      {deleting && <DeleteKey account={account} id={deleting} close={() => setDeleting(null)} done={keys.reload} />}
    </details>
  );
}

function DeleteKey(props: { account: Account; id: Key; close: () => void; done: () => void }) {
  const id = idOf(props.id);
  return (
    <TakeAway
      title="Delete key?"
      close={props.close}
      act={() => call("DELETE", `/v1/${props.id.name}`)}
      said="The key is deleted."
      done={props.done}
      ways={{
        gcloud: `gcloud iam service-accounts keys delete ${id} --iam-account=${quoted(props.account.email)} --project=${project.value}`,
      }}
    >
      <p>
        What <code class="wrap">{id}</code> signed is refused from the next request on. This cannot be undone.
      </p>
    </TakeAway>
  );
}
