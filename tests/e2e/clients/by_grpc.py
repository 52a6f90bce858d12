"""The official library with its default transport, gRPC. What `homerun env --connect` prints is all that is
set; or HOMERUN_GRPC names the API over TLS, "localhost:8444"."""
import os

from google.api_core import exceptions
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2, policy_pb2

PARENT = f"projects/{os.environ['GOOGLE_PROJECT']}/locations/{os.environ['GOOGLE_REGION']}"
IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"
NAME = f"{PARENT}/services/by-grpc"

options = {"api_endpoint": os.environ["HOMERUN_GRPC"]} if "HOMERUN_GRPC" in os.environ else {}
services = run_v2.ServicesClient(client_options=options)
assert type(services.transport).__name__ == "ServicesGrpcTransport", services.transport


def update(service, *paths):
    request = run_v2.UpdateServiceRequest(service=service, update_mask={"paths": paths})
    return services.update_service(request).result(timeout=60)


def refused(kind, call, *arguments, **more):
    try:
        call(*arguments, **more)
    except kind as why:
        return why
    raise AssertionError(f"{call} was not refused")


# Create, wait, read, list.
service = run_v2.Service(template={"containers": [{"image": IMAGE}], "labels": {"a": "b"}})
made = services.create_service(parent=PARENT, service=service, service_id="by-grpc").result(timeout=60)
assert made.name == NAME and made.uri.startswith("https://by-grpc-"), made
assert made.terminal_condition.state == run_v2.Condition.State.CONDITION_SUCCEEDED, made.terminal_condition
read = services.get_service(name=NAME)
assert read == made and read.template.labels == {"a": "b"}, read
assert NAME in [one.name for one in services.list_services(parent=PARENT)]
assert made.create_time.timestamp() > 1700000000, made.create_time

# Pages.
for number in range(3):
    services.create_service(parent=PARENT, service=service, service_id=f"page-{number}").result(timeout=60)
pages = list(services.list_services(request={"parent": PARENT, "page_size": 2}).pages)
assert len(pages) == 2 and [len(page.services) for page in pages] == [2, 2], pages

# Open and close, both ways.
assert update(run_v2.Service(name=NAME, invoker_iam_disabled=True), "invoker_iam_disabled").invoker_iam_disabled
assert not update(run_v2.Service(name=NAME), "invoker_iam_disabled").invoker_iam_disabled
policy = services.get_iam_policy(request={"resource": NAME, "options": {"requested_policy_version": 3}})
policy.bindings.append(policy_pb2.Binding(role="roles/run.invoker", members=["allUsers"]))
set_policy = services.set_iam_policy(request=iam_policy_pb2.SetIamPolicyRequest(resource=NAME, policy=policy))
assert [list(one.members) for one in set_policy.bindings] == [["allUsers"]], set_policy
held = services.test_iam_permissions(request={"resource": NAME, "permissions": ["run.services.get"]})
assert list(held.permissions) == ["run.services.get"], held

# A change with a mask keeps the rest.
changed = update(run_v2.Service(name=NAME, labels={"k": "v"}, description="gone"), "labels")
assert changed.labels == {"k": "v"} and changed.description == "" and changed.template.labels == {"a": "b"}, changed
dry = services.update_service(run_v2.UpdateServiceRequest(
    service=run_v2.Service(name=NAME, labels={"x": "y"}), update_mask={"paths": ["labels"]}, validate_only=True)).result(timeout=60)
assert services.get_service(name=NAME).labels == {"k": "v"}

# Revisions.
revisions = run_v2.RevisionsClient(client_options=options)
listed = list(revisions.list_revisions(parent=NAME))
assert listed and revisions.get_revision(name=listed[0].name) == listed[0], listed

# Errors say what REST says.
missing = refused(exceptions.NotFound, services.get_service, name=f"{PARENT}/services/none")
assert "does not exist" in missing.message and missing.reason == "RESOURCE_NOT_FOUND", (missing, missing.details)
wrong = refused(exceptions.InvalidArgument, services.get_service, name="projects/p")
assert "projects/*/locations/*/services/*" in wrong.message, wrong
twice = refused(exceptions.AlreadyExists, services.create_service, parent=PARENT, service=service, service_id="by-grpc")
empty = refused(exceptions.InvalidArgument, services.create_service, parent=PARENT, service=run_v2.Service(), service_id="empty")
assert empty.details, empty
stale = refused(exceptions.Aborted, update, run_v2.Service(name=NAME, etag='"1"'), "labels")

# What is not there says so, in words.
absent = refused(exceptions.MethodNotImplemented, run_v2.JobsClient(client_options=options).list_jobs, parent=PARENT)
assert "not implemented by Homerun" in absent.message or "not part of Homerun" in absent.message, absent
absent = refused(exceptions.MethodNotImplemented, run_v2.WorkerPoolsClient(client_options=options).list_worker_pools, parent=PARENT)

for one in list(services.list_services(parent=PARENT)):
    services.delete_service(name=one.name).result(timeout=60)
assert not list(services.list_services(parent=PARENT))
print("ok")
