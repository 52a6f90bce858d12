#!/usr/bin/env python3
"""Google's libraries with their default transport, gRPC: nothing but the environment is changed."""
import contextlib
import json
import subprocess
import urllib.parse

import client_cache
from client_cache import CLIENTS
from homerun import Homerun, expect, finally_do, main, need, test

_stand = None


def stand():
    global _stand
    if _stand is None:
        _stand = Homerun("--connect", "--api-tls=127.0.0.1:0").start()
        finally_do(_stand.close)
    return _stand


def tls_authority():
    return urllib.parse.urlsplit(stand().ready["apiTls"]).netloc


@test
def python_does_everything_by_grpc():
    program, environment = client_cache.python()
    client_cache.run(stand(), [*program, str(CLIENTS / "by_grpc.py")], connect=True, **environment)


@test
def python_does_everything_over_tls():
    program, environment = client_cache.python()
    client_cache.run(stand(), [*program, str(CLIENTS / "by_grpc.py")], HOMERUN_GRPC=tls_authority(), **environment)


@test
def secret_managers_library_does_everything_by_grpc():
    program, environment = client_cache.python()
    client_cache.run(stand(), [*program, str(CLIENTS / "secrets.py")], connect=True, **environment)
    client_cache.run(stand(), [*program, str(CLIENTS / "secrets.py")], HOMERUN_GRPC=tls_authority(), **environment)


@test
def a_client_without_proto_files_asks_what_there_is():
    """Reflection in both versions, and health, by the clients that grpcio has for them."""
    program, environment = client_cache.python()
    homerun = Homerun().start()
    with contextlib.closing(homerun):
        homerun.cli("deploy", "seen", "--image=us-docker.pkg.dev/cloudrun/container/hello")
        authority = "localhost:%d" % urllib.parse.urlsplit(homerun.api_url).port
        client_cache.run(homerun, [*program, str(CLIENTS / "reflection.py")], HOMERUN_GRPC=authority,
                         HOMERUN_TOKEN=homerun.token(), **environment)


@test
def node_does_the_same_by_grpc():
    program, environment = client_cache.node()
    client_cache.run(stand(), [*program, str(CLIENTS / "by_grpc.js")], connect=True, **environment)


@test
def go_does_the_same_by_grpc():
    client_cache.need_wish("go", "Go's libraries")
    program, environment = client_cache.go()
    client_cache.run(stand(), [*program, "grpc"], connect=True, **environment)


@test
def java_does_the_same_by_grpc():
    """Java reads no such variables: JAVA_TOOL_OPTIONS says the same, and keytool makes its store of roots."""
    client_cache.need_wish("java", "Java's libraries")
    program, environment = client_cache.java()
    roots = f"{stand().folder}/roots.p12"
    expect(subprocess.run([need("keytool"), "-importcert", "-noprompt", "-alias", "homerun", "-file", stand().ca,
                           "-keystore", roots, "-storetype", "PKCS12", "-storepass", "changeit"],
                          capture_output=True, text=True, timeout=60), 0)
    port = urllib.parse.urlsplit(stand().api_url).port
    options = (f"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={port} -Dhttp.nonProxyHosts=localhost|127.* "
               f"-Djavax.net.ssl.trustStore={roots} -Djavax.net.ssl.trustStorePassword=changeit")
    client_cache.run(stand(), [*program, "ByGrpc"], connect=True, JAVA_TOOL_OPTIONS=options, **environment)


@test
def a_log_is_followed():
    """Entries come while the call goes on; whoever may not read logs is refused."""
    program, environment = client_cache.python()
    homerun = stand()
    homerun.cli("deploy", "followed", "--image=us-docker.pkg.dev/cloudrun/container/hello", "--allow-unauthenticated")
    variables = {**homerun.client_environment(), **json.loads(homerun.cli("env", "--connect", "--format=json").stdout)}
    with subprocess.Popen([*program, str(CLIENTS / "tail.py")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**variables, **environment}) as tail:
        first = tail.stdout.readline()
        assert first == "following\n", first + tail.stderr.read()
        for path in ("/one", "/two", "/three"):
            assert homerun.get(homerun.url("followed") + path).status == 200
        told = tail.stdout.read()
        assert tail.wait(60) == 0, tail.stderr.read()
    # Workers write at their own pace: the order between two of them is not that of the requests.
    assert sorted(url[url.rindex("/"):] for url in told.split()) == ["/one", "/three", "/two"], told


@test
def the_api_over_tls_is_the_same_api():
    by_plain = stand().api("GET", "/v2/projects/demo/locations/us-central1/services")
    answer = subprocess.run([need("curl"), "-sS", "--cacert", stand().ca, "-H", f"Authorization: Bearer {stand().token()}",
                             f"https://{tls_authority()}/v2/projects/demo/locations/us-central1/services"],
                            capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0 and answer.stdout == by_plain.text, (answer, by_plain)


if __name__ == "__main__":
    main()
