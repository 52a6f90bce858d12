"""The official Python library, by REST. python.py PORT KEY_FILE; ends with 0 if all is right."""
import sys

from google.api_core.exceptions import NotFound
from google.cloud import run_v2
from google.oauth2 import service_account
from google.protobuf import field_mask_pb2

PARENT = "projects/demo/locations/us-central1"
IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"

options = {
    "transport": "rest",
    "client_options": {"api_endpoint": f"http://127.0.0.1:{sys.argv[1]}"},
    "credentials": service_account.Credentials.from_service_account_file(sys.argv[2]),
}
services = run_v2.ServicesClient(**options)
revisions = run_v2.RevisionsClient(**options)

template = run_v2.RevisionTemplate(containers=[run_v2.Container(image=IMAGE)])
made = services.create_service(parent=PARENT, service_id="by-python",
                               service=run_v2.Service(template=template)).result(timeout=60)
assert made.ingress == run_v2.IngressTraffic.INGRESS_TRAFFIC_ALL
assert made.terminal_condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED

read = services.get_service(name=made.name)
read.invoker_iam_disabled = True
opened = services.update_service(service=read).result(timeout=60)
assert opened.invoker_iam_disabled and opened.generation == read.generation + 1

closed = services.update_service(request=run_v2.UpdateServiceRequest(
    service=run_v2.Service(name=made.name),
    update_mask=field_mask_pb2.FieldMask(paths=["invoker_iam_disabled"]))).result(timeout=60)
assert not closed.invoker_iam_disabled and closed.template.containers[0].image == IMAGE

assert [one.service for one in revisions.list_revisions(parent=made.name)] == ["by-python"]
assert [one.name for one in services.list_services(parent=PARENT)] == [made.name]
assert services.get_iam_policy(request={"resource": made.name}).etag
services.delete_service(name=made.name).result(timeout=60)
try:
    services.get_service(name=made.name)
except NotFound:
    sys.exit(0)
sys.exit("it is still there")
