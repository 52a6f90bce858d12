// Members of projects, folders and the organization; accounts with their keys; groups; issuers.
import { useState } from "preact/hooks";
import { all, call } from "../api/http";
import { Button, Copy, Empty, ErrorNote, Head, Loading, Tabs, Time, say } from "../parts/basics";
import { Dialog } from "../parts/dialog";
import { Field } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import type { Params } from "../parts/location";
import { Permissions } from "../parts/permissions";
import { quoted, SameChange } from "../parts/same_change";
import { project, session, view } from "../parts/session";
import { NodePicker, nodeOfView } from "./org_policies";

const TABS: [string, string][] = [
  ["members", "Members"],
  ["accounts", "Service accounts"],
  ["groups", "Groups"],
  ["issuers", "Issuers"],
];

export function IamPage(props: { params: Params }) {
  const tab = props.params.tab ?? "members";
  return (
    <>
      <Head title="IAM" />
      <Tabs label="IAM" tabs={TABS} current={tab} to={(to) => view(`/console/iam/${to}`)} />
      {tab === "members" && <Members />}
      {tab === "accounts" && <Accounts />}
      {tab === "groups" && <Groups />}
      {tab === "issuers" && <Issuers />}
    </>
  );
}

const TOOLS: Record<string, string> = {
  projects: "gcloud projects",
  folders: "gcloud resource-manager folders",
  organizations: "gcloud organizations",
};

function Members() {
  const node = nodeOfView();
  const [kind = "projects", id = ""] = node.split("/");
  return (
    <section>
      <div class="bar">
        <NodePicker />
      </div>
      <div class="card">
        <Permissions
          key={node}
          resource={node}
          permission={`resourcemanager.${kind}.setIamPolicy`}
          ways={(members, role, add) => ({
            gcloud: members
              .map((one) => `${TOOLS[kind]} ${add ? "add" : "remove"}-iam-policy-binding ${quoted(id)} --member=${quoted(one)} --role=${quoted(role || "ROLE")}`)
              .join("\n"),
          })}
        />
      </div>
    </section>
  );
}

interface Account {
  name: string;
  email: string;
  uniqueId: string;
  displayName?: string;
  description?: string;
  disabled?: boolean;
}

function Accounts() {
  const list = useLoad(
    `accounts ${project.value}`,
    () => all<Account>(`/v1/projects/${project.value}/serviceAccounts`, "accounts"),
    `projects/${project.value}/serviceAccounts`,
  );
  const [making, setMaking] = useState(false);
  const rows = list.data.value;
  if (rows === undefined) {
    return list.error.value ? <ErrorNote error={list.error.value} again={list.reload} /> : <Loading what="service accounts" />;
  }
  return (
    <section>
      <div class="bar">
        <Button kind="main" onClick={() => setMaking(true)}>
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
            {rows.map((one) => (
              <tr key={one.uniqueId}>
                <th scope="row" class="mono wrap">
                  {one.email} <Copy text={one.email} what="the address" />
                </th>
                <td class="wrap">{one.displayName}</td>
                <td>
                  <Life account={one} reload={list.reload} />
                </td>
                <td>
                  <Keys account={one} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
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
function Life(props: { account: Account; reload: () => void }) {
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
        <Button kind="quiet" label={`Enable ${account.email}`} busy={busy.value} onClick={() => turn("enable")}>
          Enable
        </Button>
      ) : (
        <Button kind="quiet" label={`Disable ${account.email}`} onClick={() => setAsking(true)} why={own && "You are signed in as this account."}>
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
          <SameChange ways={{ gcloud: `gcloud iam service-accounts disable ${quoted(account.email)} --project=${project.value}` }} />
        </Dialog>
      )}
    </>
  );
}

function Keys(props: { account: Account }) {
  const [open, setOpen] = useState(false);
  const keys = useLoad(`keys ${props.account.name} ${open}`, async () =>
    open
      ? ((await call<{ keys?: { name: string; validAfterTime?: string; disabled?: boolean; keyType?: string }[] }>("GET", `/v1/${props.account.name}/keys`)).keys ?? [])
      : [],
  );
  return (
    <details onToggle={(event) => setOpen((event.target as HTMLDetailsElement).open)}>
      <summary>Keys</summary>
      <ErrorNote error={keys.error.value} />
      {keys.data.value?.length === 0 && <p class="hint">None. {"gcloud iam service-accounts keys create makes one."}</p>}
      <ul class="plain">
        {(keys.data.value ?? []).map((one) => (
          <li key={one.name}>
            <code>{one.name.slice(one.name.lastIndexOf("/") + 1).slice(0, 12)}…</code> <Time at={one.validAfterTime} />
            {one.disabled ? " disabled" : ""}
          </li>
        ))}
      </ul>
    </details>
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
        ways={{ gcloud: `gcloud iam service-accounts create ${id || "ID"} --project=${project.value} --display-name=${quoted(title)}` }}
      />
    </Dialog>
  );
}

interface Group {
  name?: string;
  email?: string;
  members?: string[];
}

function Groups() {
  const list = useLoad("groups", () => all<Group>("/homerun/v1/groups", "groups"), "groups/");
  const rows = list.data.value;
  if (rows === undefined) {
    return list.error.value ? <ErrorNote error={list.error.value} again={list.reload} /> : <Loading what="groups" />;
  }
  return rows.length === 0 ? (
    <Empty title="No group">
      <p>
        <code>homerun groups create team@example.com --member=user:ann@example.com</code> makes one.
      </p>
    </Empty>
  ) : (
    <ul class="cards">
      {rows.map((one) => (
        <li class="card" key={one.name ?? one.email}>
          <h2 class="mono wrap">{one.email ?? one.name}</h2>
          <ul class="plain">
            {(one.members ?? []).map((member) => (
              <li key={member} class="mono wrap">
                {member}
              </li>
            ))}
          </ul>
        </li>
      ))}
    </ul>
  );
}

interface Issuer {
  name?: string;
  issuer?: string;
  jwksUri?: string;
  domains?: string[];
}

function Issuers() {
  const list = useLoad("issuers", () => all<Issuer>("/homerun/v1/issuers", "issuers"), "issuers/");
  const rows = list.data.value;
  if (rows === undefined) {
    return list.error.value ? <ErrorNote error={list.error.value} again={list.reload} /> : <Loading what="issuers" />;
  }
  return rows.length === 0 ? (
    <Empty title="No issuer but Homerun's own">
      <p>
        <code>homerun issuers add</code> lets the tokens of another identity provider in.
      </p>
    </Empty>
  ) : (
    <ul class="cards">
      {rows.map((one) => (
        <li class="card" key={one.name}>
          <h2>{one.name}</h2>
          <p class="mono wrap">{one.issuer}</p>
          <p class="hint">{(one.domains ?? []).join(", ") || "speaks for no domain"}</p>
        </li>
      ))}
    </ul>
  );
}
