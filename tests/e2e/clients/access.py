"""A service opened and closed with the official library, and called with ID tokens that google-auth
obtained. access.py: everything else is in the environment that `homerun env` prints."""
import os
import socket

import requests
from google.auth.transport.requests import AuthorizedSession, Request
from google.cloud import run_v2
from google.iam.v1 import policy_pb2
from google.oauth2 import id_token, service_account

API = os.environ["HOMERUN_API"]
CA = os.environ["HOMERUN_CA"]
KEY_FILE = os.environ["GOOGLE_APPLICATION_CREDENTIALS"]
PARENT = f"projects/{os.environ['GOOGLE_PROJECT']}/locations/{os.environ['GOOGLE_REGION']}"
IMAGE = "us-docker.pkg.dev/cloudrun/container/hello"

# Names below .localhost mean this machine (RFC 6761), which not every resolver knows.
system_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host, *rest, **more):
    here = isinstance(host, str) and host.endswith(".localhost")
    return system_getaddrinfo("127.0.0.1" if here else host, *rest, **more)


socket.getaddrinfo = getaddrinfo

services = run_v2.ServicesClient(transport="rest", client_options={"api_endpoint": API})


def update(service, *paths):
    request = run_v2.UpdateServiceRequest(service=service, update_mask={"paths": paths})
    return services.update_service(request).result(timeout=60)


def anonymous(url):
    return requests.get(url, verify=CA, timeout=30).status_code


def with_key(url, audience):
    """By the key file: the token comes from its token_uri."""
    credentials = service_account.IDTokenCredentials.from_service_account_file(
        KEY_FILE, target_audience=audience)
    with AuthorizedSession(credentials) as session:
        session.verify = CA
        return session.get(url, timeout=30).status_code


def with_fetched(url, audience):
    """By whatever the environment has: the key file if it names one, else the metadata server."""
    token = id_token.fetch_id_token(Request(), audience)
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(url, headers=headers, verify=CA, timeout=30).status_code


def by_metadata(url, audience):
    kept = os.environ.pop("GOOGLE_APPLICATION_CREDENTIALS")
    try:
        return with_fetched(url, audience)
    finally:
        os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = kept


template = run_v2.RevisionTemplate(containers=[run_v2.Container(image=IMAGE)])
made = services.create_service(parent=PARENT, service_id="python-access",
                               service=run_v2.Service(template=template)).result(timeout=60)
name, url = made.name, made.uri
assert anonymous(url) == 403

# Everyone who has an identity of the project's owner or editors may call it.
for call in (with_key, with_fetched, by_metadata):
    assert call(url, url) == 200, call
    assert call(url, "https://example.com") == 401, call

# Open and closed by the switch, 20 times over: never a moment of the old state.
for _ in range(20):
    update(run_v2.Service(name=name, invoker_iam_disabled=True), "invoker_iam_disabled")
    assert anonymous(url) == 200
    update(run_v2.Service(name=name), "invoker_iam_disabled")
    assert anonymous(url) == 403

# Open and closed by a grant to everyone.
for _ in range(5):
    policy = services.get_iam_policy({"resource": name})
    policy.bindings.add(role="roles/run.invoker", members=["allUsers"])
    services.set_iam_policy({"resource": name, "policy": policy})
    assert anonymous(url) == 200
    closed = policy_pb2.Policy(etag=services.get_iam_policy({"resource": name}).etag)
    services.set_iam_policy({"resource": name, "policy": closed})
    assert anonymous(url) == 403

services.delete_service(name=name).result(timeout=60)
assert anonymous(url) == 404
