// The sign-in before a service: Identity-Aware Proxy, and who may come in by it.
import { useState } from "preact/hooks";
import { doorAgent, doorOf, INVOKER, who } from "../api/access";
import { projectOf, shortName } from "../api/run";
import { Button } from "../parts/basics";
import { Radios } from "../parts/fields";
import { useLoad } from "../parts/load";
import { memberTerraform, Permissions, serviceWays } from "../parts/permissions";
import { quoted, type Ways } from "../parts/same_change";

export type SignInBy = "iam" | "iap";

export function SignIn(props: { value: SignInBy; onChange: (value: SignInBy) => void; disabled?: boolean }) {
  return (
    <Radios
      legend="Callers are known by"
      value={props.value}
      onChange={props.onChange}
      disabled={props.disabled}
      choices={[
        {
          value: "iam",
          text: "Identity and Access Management (IAM)",
          about: "A request carries a token of an identity that may invoke the service. A browser has none, and is refused.",
        },
        {
          value: "iap",
          text: "Identity-Aware Proxy (IAP)",
          about: "People sign in, programs send a token. Only who may come in by IAP's own policy gets to the service, whatever is chosen above.",
        },
      ]}
    />
  );
}

/** Who calls services behind doors of the project of NAME, once it is known. */
export const useAgent = (name: string) => useLoad(`agent ${projectOf(name)}`, () => doorAgent(projectOf(name))).data.value;

/**
 * WAYS of a change of the service NAME that puts the door before it or takes it away, with what is saved beside
 * it: MEMBER, who calls for those who came in, may invoke while the door is there. The command lines see to that
 * by themselves; a file says nothing of another resource, so that one is told as well.
 */
export function withAgent(ways: Ways, name: string, member: string, on: boolean): Ways {
  const { terraform, yaml } = ways;
  const beside = serviceWays(name)([member], INVOKER, on);
  const grant = String(beside.terraform).replace(`name = "${shortName(name)}"`, `name = google_cloud_run_v2_service.${shortName(name)}.name`);
  const told = `# The file says nothing of the policy: IAP's own account ${on ? "has to be let in, too" : "is to be taken out, too"}.\n# ${beside.gcloud}`;
  return {
    ...ways,
    terraform: `${terraform}\n\n${on ? grant : grant.replace(/^(?!#)/gm, "# ")}`,
    yaml: typeof yaml === "object" ? { key: `${yaml.key} ${told}`, make: async () => `${await yaml.make()}\n${told}` } : `${yaml}\n${told}`,
  };
}

/** The change of a door's policy in the words of every other surface. */
function doorWays(name: string) {
  const [, project = "", , region = ""] = name.split("/");
  const service = shortName(name);
  return (members: string[], role: string, add: boolean): Ways => {
    const list = members.length === 0 ? ["MEMBER"] : members;
    const verb = add ? "add" : "remove";
    const words = (member: string) => `--member=${quoted(member)} --role=${quoted(role || "ROLE")}`;
    return {
      gcloud: list
        .map(
          (member) =>
            `gcloud beta iap web ${verb}-iam-policy-binding --resource-type=cloud-run --region=${region} --service=${quoted(service)} --project=${project} ${words(member)}`,
        )
        .join("\n"),
      homerun: list
        .map(
          (member) =>
            `homerun services ${verb}-iam-policy-binding ${quoted(service)} --iap --region=${region} --project=${project} ${words(member)}`,
        )
        .join("\n"),
      terraform: memberTerraform(
        "google_iap_web_cloud_run_service_iam_member",
        { project, location: region, cloudRunServiceName: service },
        members,
        role,
        add,
      ),
    };
  };
}

export function DoorPolicy(props: { name: string; changed: () => void }) {
  const [shown, show] = useState(false);
  return (
    <section aria-label="Policy of Identity-Aware Proxy">
      <Button
        onClick={() => {
          if (shown) {
            props.changed();
          }
          show(!shown);
        }}
      >
        {shown ? "Close policy" : "Edit policy"}
      </Button>
      {shown && (
        <Permissions
          resource={doorOf(props.name)}
          permission="iap.webServices.setIamPolicy"
          ways={doorWays(props.name)}
          above={async () => (await who(props.name)).iapBindings ?? []}
          heading="h3"
        />
      )}
    </section>
  );
}
