// Public or private, as two facts: the check, and who is bound. Public never looks like private.
import { lets } from "../api/access";
import type { Policy, Service } from "../api/types";

export type Openness = "public" | "private";

export interface AccessFacts {
  openness: Openness;
  /** The facts behind it, in small type. */
  facts: string[];
}

/** With a sign-in before it, the service's own policy opens nothing: the door's does, and its agent must get on. */
function accessByDoor(door: Policy["door"]): AccessFacts {
  const facts = ["Identity-Aware Proxy"];
  const everyone = (door?.iapBindings ?? []).find((row) => row.member === "allUsers");
  if (everyone) {
    facts.push(everyone.condition ? "allUsers, on a condition" : "allUsers");
  }
  if (door?.iapAgentMayInvoke === false) {
    facts.push("its agent may not invoke");
  }
  const open = everyone && !everyone.condition && door?.iapAgentMayInvoke;
  return { openness: open ? "public" : "private", facts };
}

export function accessOf(service: Service, policy: Policy | undefined): AccessFacts {
  if (service.iapEnabled) {
    return accessByDoor(policy?.door);
  }
  const facts: string[] = [];
  const checkOff = service.invokerIamDisabled === true;
  const everyone = lets(policy, "allUsers");
  if (checkOff) {
    facts.push("check off");
  }
  if (everyone) {
    facts.push(everyone.condition ? "allUsers, on a condition" : "allUsers");
  }
  if (!checkOff && !everyone && lets(policy, "allAuthenticatedUsers")) {
    facts.push("any signed-in account");
  }
  return { openness: checkOff || (everyone && !everyone.condition) ? "public" : "private", facts };
}

export function AccessCell(props: { service: Service; policy?: Policy }) {
  const { openness, facts } = accessOf(props.service, props.policy);
  return (
    <div class="access-cell">
      <span class={`badge ${openness}`}>
        {openness === "public" ? "Public access" : props.service.iapEnabled ? "Require sign-in" : "Require authentication"}
      </span>
      {facts.length > 0 && <small>{facts.join(" · ")}</small>}
    </div>
  );
}

const INGRESS: Record<string, string> = {
  INGRESS_TRAFFIC_ALL: "All",
  INGRESS_TRAFFIC_INTERNAL_ONLY: "Internal",
  INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER: "Internal + Load Balancing",
  INGRESS_TRAFFIC_NONE: "None",
};
export const ingressText = (ingress = "INGRESS_TRAFFIC_ALL") => INGRESS[ingress] ?? ingress;
export const INGRESS_CHOICES: [string, string, string][] = [
  ["INGRESS_TRAFFIC_ALL", "All", "Requests from anywhere reach the gate."],
  [
    "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
    "Allow traffic from external Application Load Balancers",
    "Internal networks, and the proxies that the operator trusts.",
  ],
  ["INGRESS_TRAFFIC_INTERNAL_ONLY", "Internal", "Only from internal networks: to anybody else the service does not exist."],
];
