// The route table: every view has a URL, and this is all of them.
import type { ComponentType } from "preact";
import { AccessPage } from "./pages/access";
import { DenialPage } from "./pages/denial";
import { DeployPage } from "./pages/deploy";
import { IamPage } from "./pages/iam";
import { OrgPoliciesPage } from "./pages/org_policies";
import { OrgPolicyPage } from "./pages/org_policy";
import { ServicePage } from "./pages/service";
import { ServicesPage } from "./pages/services";
import { NowherePage } from "./pages/nowhere";
import type { Params } from "./parts/location";

interface Route {
  path: string;
  title: string;
  page: ComponentType<{ params: Params }>;
}

export const ROUTES: Route[] = [
  { path: "/console/services", title: "Services", page: ServicesPage },
  { path: "/console/deploy", title: "Deploy container", page: DeployPage },
  { path: "/console/services/{region}/{service}", title: "Service", page: ServicePage },
  { path: "/console/services/{region}/{service}/{tab}", title: "Service", page: ServicePage },
  { path: "/console/access", title: "Access", page: AccessPage },
  { path: "/console/access/{tab}", title: "Access", page: AccessPage },
  { path: "/console/denials/{denial}", title: "Denial", page: DenialPage },
  { path: "/console/policies", title: "Organization policies", page: OrgPoliciesPage },
  { path: "/console/policies/{constraint}", title: "Organization policy", page: OrgPolicyPage },
  { path: "/console/iam", title: "IAM", page: IamPage },
  { path: "/console/iam/{tab}", title: "IAM", page: IamPage },
];

export function match(path: string): { route: Route; params: Params } {
  const parts = path.split("/");
  for (const route of ROUTES) {
    const wanted = route.path.split("/");
    if (wanted.length !== parts.length) {
      continue;
    }
    const params: Params = {};
    const fits = wanted.every((part, at) => {
      const given = parts[at] ?? "";
      if (part.startsWith("{")) {
        try {
          params[part.slice(1, -1)] = decodeURIComponent(given);
        } catch {
          return false;
        }
        return given !== "";
      }
      return part === given;
    });
    if (fits) {
      return { route, params };
    }
  }
  return { route: { path, title: "Not found", page: NowherePage }, params: {} };
}
