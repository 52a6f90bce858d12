// Groups of this installation: who is in which.
import { useState } from "preact/hooks";
import { holds } from "../api/access";
import { all, call } from "../api/http";
import { Button, Empty, ErrorNote, Loading, needs, say } from "../parts/basics";
import { Dialog } from "../parts/dialog";
import { Field } from "../parts/fields";
import { useAction, useLoad } from "../parts/load";
import { Pager, pageOf } from "../parts/pager";
import { quoted, SameChange } from "../parts/same_change";
import { session } from "../parts/session";
import { TakeAway } from "../parts/take_away";

interface Group {
  email: string;
  members?: string[];
}

export const OWNERS = "resourcemanager.organizations.setIamPolicy";
export const holdsOrganization = () => holds(`organizations/${session.value?.organization ?? ""}`, [OWNERS]);

const MEMBER = /^(user|serviceAccount|group):[^@\s]+@[^@\s]+$/;
const membersOf = (text: string) => text.split(/[\s,]+/).filter((one) => one !== "");

export function Groups() {
  const list = useLoad("groups", () => all<Group>("/homerun/v1/groups", "groups"), "groups/");
  const may = useLoad("may groups", holdsOrganization);
  const [editing, setEditing] = useState<Group | null>(null);
  const [deleting, setDeleting] = useState<Group | null>(null);
  const missing = needs(may.data.value, OWNERS);
  const rows = list.data.value;
  if (rows === undefined) {
    return list.error.value ? <ErrorNote error={list.error.value} again={list.reload} /> : <Loading what="groups" />;
  }
  const { shown, page, pages } = pageOf(rows);
  return (
    <section>
      <div class="bar">
        <Button kind="main" onClick={() => setEditing({ email: "" })} why={missing}>
          Create group
        </Button>
      </div>
      {rows.length === 0 && (
        <Empty title="No group">
          <p>
            <code>homerun groups create team@example.com --members=user:ann@example.com</code> makes one, too.
          </p>
        </Empty>
      )}
      <ul class="cards">
        {shown.map((one) => (
          <li class="card" key={one.email}>
            <h2 class="mono wrap">{one.email}</h2>
            <ul class="plain">
              {(one.members ?? []).map((member) => (
                <li key={member} class="mono wrap">
                  {member}
                </li>
              ))}
              {(one.members ?? []).length === 0 && <li class="faint">Nobody is in it.</li>}
            </ul>
            <div class="form-actions">
              <Button onClick={() => setEditing(one)} label={`Edit ${one.email}`} why={missing}>
                Edit
              </Button>
              <Button kind="quiet" onClick={() => setDeleting(one)} label={`Delete ${one.email}`} why={missing}>
                Delete
              </Button>
            </div>
          </li>
        ))}
      </ul>
      <Pager page={page} pages={pages} total={rows.length} />
      {editing && <EditGroup group={editing} close={() => setEditing(null)} done={list.reload} />}
      {deleting && <DeleteGroup group={deleting} close={() => setDeleting(null)} done={list.reload} />}
    </section>
  );
}

function EditGroup(props: { group: Group; close: () => void; done: () => void }) {
  const made = props.group.email === "";
  const before = props.group.members ?? [];
  const [email, setEmail] = useState(props.group.email);
  const [typed, setTyped] = useState(before.join("\n"));
  const [touched, setTouched] = useState(false);
  const { busy, error, run } = useAction();
  const members = membersOf(typed);
  const wrong = members.find((one) => !MEMBER.test(one));
  const faults = {
    email: !/^[^@\s]+@[^@\s]+$/.test(email) && "A group is named by an address: team@example.com.",
    members: wrong !== undefined && `${wrong} names nobody: write user:, serviceAccount: or group: in front of an address.`,
  };
  const save = () => {
    setTouched(true);
    if (faults.email || faults.members) {
      return;
    }
    void run(async () => {
      await (made
        ? call("POST", "/homerun/v1/groups", { email, members })
        : call("PUT", `/homerun/v1/groups/${encodeURIComponent(email)}`, { members }));
      say(`${email} has ${members.length === 1 ? "one member" : `${members.length} members`}, from the next request on.`);
      props.close();
      props.done();
    });
  };
  const lines = made
    ? [`homerun groups create ${quoted(email || "EMAIL")}${members.length > 0 ? ` --members=${quoted(members.join(","))}` : ""}`]
    : [
        ...members.filter((one) => !before.includes(one)).map((one) => `homerun groups add-member ${quoted(email)} --member=${quoted(one)}`),
        ...before.filter((one) => !members.includes(one)).map((one) => `homerun groups remove-member ${quoted(email)} --member=${quoted(one)}`),
      ];
  return (
    <Dialog
      title={made ? "Create group" : `Members of ${email}`}
      onClose={props.close}
      actions={
        <>
          <Button onClick={props.close}>Cancel</Button>
          <Button kind="main" busy={busy.value} onClick={save}>
            {made ? "Create" : "Save"}
          </Button>
        </>
      }
    >
      {made && <Field label="Address" value={email} onInput={setEmail} fault={touched && faults.email} placeholder="team@example.com" required />}
      <Field
        label="Members"
        value={typed}
        onInput={setTyped}
        lines={6}
        fault={touched && faults.members}
        placeholder="user:ann@example.com"
        hint="One a line: user:, serviceAccount: or group: in front."
      />
      <ErrorNote error={error.value} />
      <SameChange ways={{ homerun: lines.join("\n") }} />
    </Dialog>
  );
}

function DeleteGroup(props: { group: Group; close: () => void; done: () => void }) {
  const { email } = props.group;
  return (
    <TakeAway
      title="Delete group?"
      close={props.close}
      act={() => call("DELETE", `/homerun/v1/groups/${encodeURIComponent(email)}`)}
      said={`${email} is deleted.`}
      done={props.done}
      ways={{ homerun: `homerun groups delete ${quoted(email)}` }}
    >
      <p>
        A person who had a right only as a member of <code class="wrap">{email}</code> loses it from the next request on.
      </p>
    </TakeAway>
  );
}
