import { Empty, Head, Link } from "../parts/basics";
import { view } from "../parts/session";

export function NowherePage() {
  return (
    <>
      <Head title="Nothing is here" />
      <Empty title="This address leads to no page">
        <p>
          It may be mistyped, or what it named is gone. <Link to={view("/console/services")}>See the services</Link>.
        </p>
      </Empty>
    </>
  );
}
