// Service accounts: who programs are, whether they may act, and the keys that prove it.
import { useState } from "preact/hooks";
import { holds } from "../api/access";
import { all, call } from "../api/http";
import { Button, Copy, ErrorNote, Loading, needs, say } from "../parts/basics";
import { Dialog } from "../parts/dialog";
import { Field } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import { Pager, pageOf } from "../parts/pager";
import { quoted, SameChange } from "../parts/same_change";
import { project, session } from "../parts/session";
import { toTerraform } from "../parts/terraform";
import { Keys } from "./iam_keys";

const MAY = [
  "iam.serviceAccounts.create",
  "iam.serviceAccounts.enable",
  "iam.serviceAccounts.disable",
  "iam.serviceAccountKeys.create",
  "iam.serviceAccountKeys.delete",
  "iam.serviceAccountKeys.disable",
  "iam.serviceAccountKeys.enable",
];

export interface Account {
  name: string;
  email: string;
  uniqueId: string;
  displayName?: string;
  description?: string;
  disabled?: boolean;
}

export function Accounts() {
  const list = useLoad(
    `accounts ${project.value}`,
    () => all<Account>(`/v1/projects/${project.value}/serviceAccounts`, "accounts"),
    `projects/${project.value}/serviceAccounts`,
  );
  const may = useLoad(`may accounts ${project.value}`, () => holds(`projects/${project.value}`, MAY));
  const held = may.data.value;
  const [making, setMaking] = useState(false);
  const rows = list.data.value;
  if (rows === undefined) {
    return list.error.value ? <ErrorNote error={list.error.value} again={list.reload} /> : <Loading what="service accounts" />;
  }
  const { shown, page, pages } = pageOf(rows);
  return (
    <section>
      <div class="bar">
        <Button kind="main" onClick={() => setMaking(true)} why={needs(held, "iam.serviceAccounts.create")}>
          Create service account
        </Button>
      </div>
      <div class="table-place" role="region" aria-label="Service accounts" tabIndex={0}>
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Email</th>
              <th scope="col">Name</th>
              <th scope="col">State</th>
              <th scope="col">Keys</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((one) => (
              <tr key={one.uniqueId}>
                <th scope="row" class="mono wrap">
                  {one.email} <Copy text={one.email} what="the address" />
                </th>
                <td class="wrap">{one.displayName}</td>
                <td>
                  <Life account={one} held={held} reload={list.reload} />
                </td>
                <td>
                  <Keys account={one} held={held} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Pager page={page} pages={pages} total={rows.length} />
      {making && (
        <NewAccount
          close={() => setMaking(false)}
          done={() => {
            setMaking(false);
            list.reload();
          }}
        />
      )}
    </section>
  );
}

/** Whether the account can be used, and the button that changes it. */
function Life(props: { account: Account; held?: Set<string>; reload: () => void }) {
  const { account } = props;
  const [asking, setAsking] = useState(false);
  const { busy, error, run } = useAction();
  const turn = (verb: "enable" | "disable") =>
    void run(async () => {
      await call("POST", `/v1/${account.name}:${verb}`, {});
      say(verb === "enable" ? `${account.email} can be used again.` : `${account.email} can do nothing until it is enabled.`);
      setAsking(false);
      props.reload();
    });
  const own = session.value?.member === `serviceAccount:${account.email}`;
  return (
    <>
      {account.disabled ? "Disabled" : "Enabled"}{" "}
      {account.disabled ? (
        <Button kind="quiet" label={`Enable ${account.email}`} busy={busy.value} onClick={() => turn("enable")} why={needs(props.held, "iam.serviceAccounts.enable")}>
          Enable
        </Button>
      ) : (
        <Button kind="quiet" label={`Disable ${account.email}`} onClick={() => setAsking(true)} why={needs(props.held, "iam.serviceAccounts.disable") || (own && "You are signed in as this account.")}>
          Disable
        </Button>
      )}
      {!asking && <ErrorNote error={error.value} />}
      {asking && (
        <Dialog
          title="Disable service account?"
          onClose={() => setAsking(false)}
          actions={
            <>
              <Button onClick={() => setAsking(false)}>Cancel</Button>
              <Button kind="danger" busy={busy.value} onClick={() => turn("disable")}>
                Disable
              </Button>
            </>
          }
        >
          <p>
            Whatever <code class="wrap">{account.email}</code> calls is refused from the next request on, its keys and tokens included, until it is
            enabled again.
          </p>
          <ErrorNote error={error.value} />
          <SameChange
            ways={{
              gcloud: `gcloud iam service-accounts disable ${quoted(account.email)} --project=${project.value}`,
              terraform: toTerraform("google_service_account", account.email.split("@")[0] ?? "", {
                project: project.value,
                accountId: account.email.split("@")[0],
                disabled: true,
              }),
            }}
          />
        </Dialog>
      )}
    </>
  );
}

function NewAccount(props: { close: () => void; done: () => void }) {
  const [id, setId] = useState("");
  const [title, setTitle] = useState("");
  const { busy, error, run } = useAction();
  const fault = id !== "" && !/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/.test(id) && "6 to 30 lower-case letters, digits and hyphens, a letter first.";
  return (
    <Dialog
      title="Create service account"
      onClose={props.close}
      actions={
        <>
          <Button onClick={props.close}>Cancel</Button>
          <Button
            kind="main"
            busy={busy.value}
            why={(id === "" && "Write an id first.") || fault}
            onClick={() =>
              void run(async () => {
                await call("POST", `/v1/projects/${project.value}/serviceAccounts`, {
                  accountId: id,
                  serviceAccount: { displayName: title },
                });
                say(`${id} is there. It may do nothing until it is granted a role.`);
                props.done();
              })
            }
          >
            Create
          </Button>
        </>
      }
    >
      <Field label="Service account ID" value={id} onInput={setId} fault={fault} required />
      <Field label="Display name" value={title} onInput={setTitle} />
      <ErrorNote error={error.value} />
      <SameChange
        ways={{
          gcloud: `gcloud iam service-accounts create ${id || "ID"} --project=${project.value} --display-name=${quoted(title)}`,
          terraform: toTerraform("google_service_account", id || "ID", { project: project.value, accountId: id || "ID", displayName: title }),
        }}
      />
    </Dialog>
  );
}
