// Members of projects, folders and the organization; accounts with their keys; groups; issuers.
import { Head, Tabs } from "../parts/basics";
import type { Params } from "../parts/location";
import { memberTerraform, Permissions } from "../parts/permissions";
import { quoted } from "../parts/same_change";
import { NodeTree } from "../parts/node_tree";
import { view } from "../parts/session";
import { Accounts } from "./iam_accounts";
import { Groups } from "./iam_groups";
import { Issuers } from "./iam_issuers";
import { nodeOfView } from "./org_policies";

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
    <section class="with-tree">
      <NodeTree name={node} />
      <div class="card">
        <Permissions
          key={node}
          resource={node}
          permission={`resourcemanager.${kind}.setIamPolicy`}
          ways={(members, role, add) => ({
            terraform: memberTerraform(
              `google_${kind.slice(0, -1)}_iam_member`,
              { [kind === "organizations" ? "orgId" : kind.slice(0, -1)]: id },
              members,
              role,
              add,
            ),
            gcloud: members
              .map((one) => `${TOOLS[kind]} ${add ? "add" : "remove"}-iam-policy-binding ${quoted(id)} --member=${quoted(one)} --role=${quoted(role || "ROLE")}`)
              .join("\n"),
          })}
        />
      </div>
    </section>
  );
}
