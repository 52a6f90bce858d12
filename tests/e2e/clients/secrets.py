"""Secret Manager's official library with its default transport, gRPC. What `homerun env --connect` prints is all
that is set; or HOMERUN_GRPC names the API over TLS, "localhost:8444"."""
import os
import sys

# This file's own folder would hide a module of Python's with the same name.
sys.path = [folder for folder in sys.path if os.path.abspath(folder) != os.path.dirname(os.path.abspath(__file__))]

from google.api_core import exceptions  # noqa: E402
from google.cloud import secretmanager_v1  # noqa: E402

PROJECT = f"projects/{os.environ['GOOGLE_PROJECT']}"
NAME = f"{PROJECT}/secrets/by-grpc"
VALUE = bytes(range(256)) * 256  # the most that a secret has
State = secretmanager_v1.SecretVersion.State

options = {"api_endpoint": os.environ["HOMERUN_GRPC"]} if "HOMERUN_GRPC" in os.environ else {}
client = secretmanager_v1.SecretManagerServiceClient(client_options=options)
assert type(client.transport).__name__ == "SecretManagerServiceGrpcTransport", client.transport


def refused(kind, call, **arguments):
    try:
        call(request=arguments)
    except kind as why:
        return why
    raise AssertionError(f"{call} was not refused")


# Make, read, list.
made = client.create_secret(parent=PROJECT, secret_id="by-grpc",
                            secret={"replication": {"automatic": {}}, "labels": {"a": "b"}})
assert made.name.startswith("projects/") and made.name.endswith("/secrets/by-grpc"), made
assert made.labels == {"a": "b"} and made.create_time.timestamp() > 1700000000, made
assert client.get_secret(name=NAME) == made
assert made.name in [secret.name for secret in client.list_secrets(parent=PROJECT)]
refused(exceptions.AlreadyExists, client.create_secret, parent=PROJECT, secret_id="by-grpc",
        secret={"replication": {"automatic": {}}})

# Versions, with all that a value can be.
first = client.add_secret_version(parent=NAME, payload={"data": b"first"})
second = client.add_secret_version(parent=NAME, payload={"data": VALUE})
assert first.name == f"{made.name}/versions/1" and first.state == State.ENABLED, first
assert client.access_secret_version(name=f"{NAME}/versions/1").payload.data == b"first"
got = client.access_secret_version(name=f"{NAME}/versions/latest")
assert got.name == second.name and got.payload.data == VALUE and got.payload.data_crc32c > 0, got.name
third = client.add_secret_version(request={"parent": NAME, "payload": {
    "data": VALUE, "data_crc32c": got.payload.data_crc32c}})
assert third.client_specified_payload_checksum, third
refused(exceptions.InvalidArgument, client.add_secret_version, parent=NAME,
        payload={"data": b"other", "data_crc32c": got.payload.data_crc32c})
refused(exceptions.InvalidArgument, client.add_secret_version, parent=NAME, payload={"data": VALUE + b"x"})
pages = list(client.list_secret_versions(request={"parent": NAME, "page_size": 2}).pages)
assert [version.name.rsplit("/", 1)[1] for page in pages for version in page.versions] == ["3", "2", "1"], pages
assert len(pages) == 2, pages

# Changes.
changed = client.update_secret(request={"secret": {"name": NAME, "version_aliases": {"good": 1}},
                                        "update_mask": {"paths": ["version_aliases", "labels"]}})
assert changed.version_aliases == {"good": 1} and not changed.labels, changed
assert client.access_secret_version(name=f"{NAME}/versions/good").payload.data == b"first"
assert client.disable_secret_version(name=first.name).state == State.DISABLED
why = refused(exceptions.FailedPrecondition, client.access_secret_version, name=first.name)
assert why.message == f"Secret Version [{first.name}] is in DISABLED state.", why
assert client.enable_secret_version(name=first.name).state == State.ENABLED
refused(exceptions.FailedPrecondition, client.destroy_secret_version, name=first.name, etag='"1"')
etag = client.get_secret_version(name=first.name).etag
gone = client.destroy_secret_version(request={"name": first.name, "etag": etag})
assert gone.state == State.DESTROYED and gone.destroy_time.timestamp() > 1700000000, gone

# Who may.
policy = client.get_iam_policy(request={"resource": NAME})
policy.bindings.add(role="roles/secretmanager.secretAccessor", members=["user:reader@example.com"])
client.set_iam_policy(request={"resource": NAME, "policy": policy})
assert client.get_iam_policy(request={"resource": NAME}).bindings == policy.bindings
asked = ["secretmanager.versions.access", "secretmanager.secrets.delete"]
assert list(client.test_iam_permissions(request={"resource": NAME, "permissions": asked}).permissions) == asked

# What is not here says so; the end.
refused(exceptions.MethodNotImplemented, client.get_secret,
        name=f"{PROJECT}/locations/us-central1/secrets/regional")
client.delete_secret(name=NAME)
why = refused(exceptions.NotFound, client.access_secret_version, name=f"{NAME}/versions/latest")
assert why.message == f"Secret [{made.name}] not found.", why
print("ok")
