import { Permissions, serviceWays } from "../parts/permissions";

export function ServicePermissions(props: { name: string }) {
  return (
    <section class="card">
      <Permissions resource={props.name} permission="run.services.setIamPolicy" ways={serviceWays(props.name)} linked />
    </section>
  );
}
