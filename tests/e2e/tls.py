#!/usr/bin/env python3
"""The services' TLS: versions, ALPN, and which certificate answers to which name."""
import os
import socket
import ssl
import subprocess
import tempfile
import urllib.parse

from homerun import Homerun, finally_do, main, need, test

OWN = "api.shop.example"
_shared = {}


def stand():
    if not _shared:
        folder = tempfile.TemporaryDirectory(prefix="homerun-tls-")
        chain, key = os.path.join(folder.name, "chain.pem"), os.path.join(folder.name, "key.pem")
        subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                        "/CN=shop", "-addext", "subjectAltName=DNS:shop.example,DNS:*.shop.example", "-keyout", key,
                        "-out", chain], check=True, capture_output=True)
        _shared.update(folder=folder, chain=chain, homerun=Homerun(f"--tls-certificate={chain}:{key}").start())
    return _shared["homerun"], _shared["chain"]


@finally_do
def end():
    if _shared:
        _shared["homerun"].close()


def shake(homerun, name, ca=None, least=None, most=None, alpn=()):
    """What a handshake for NAME came to: version, protocol, subject of the certificate."""
    context = ssl.create_default_context(cafile=ca or homerun.ca)
    if least:
        context.minimum_version, context.maximum_version = least, most
    if alpn:
        context.set_alpn_protocols(list(alpn))
    port = urllib.parse.urlsplit(homerun.ready["https"]).port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw, \
            context.wrap_socket(raw, server_hostname=name) as tls:
        return tls.version(), tls.selected_alpn_protocol(), tls.getpeercert()["subjectAltName"]


def service_name(homerun):
    return urllib.parse.urlsplit(homerun.url("any")).hostname


@test
def versions_1_2_and_1_3_are_spoken_and_nothing_older():
    homerun, _ = stand()
    name, v = service_name(homerun), ssl.TLSVersion
    assert shake(homerun, name, least=v.TLSv1_2, most=v.TLSv1_2)[0] == "TLSv1.2"
    assert shake(homerun, name, least=v.TLSv1_3, most=v.TLSv1_3)[0] == "TLSv1.3"
    tried = subprocess.run([need("openssl"), "s_client", "-connect", f"127.0.0.1:{urllib.parse.urlsplit(homerun.ready['https']).port}",
                            "-servername", name, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], input="", capture_output=True, text=True, timeout=20)
    assert tried.returncode != 0 and "Cipher is (NONE)" in tried.stdout, tried.stdout[-400:]


@test
def alpn_offers_h2_first_and_http_1_1():
    homerun, _ = stand()
    name = service_name(homerun)
    assert shake(homerun, name, alpn=("http/1.1", "h2"))[1] == "h2"
    assert shake(homerun, name, alpn=("http/1.1",))[1] == "http/1.1"
    assert shake(homerun, name)[1] is None


@test
def names_get_the_operators_certificate_or_that_of_the_local_ca():
    homerun, chain = stand()
    assert ("DNS", "*.shop.example") in shake(homerun, OWN, ca=chain)[2]
    assert ("DNS", "shop.example") in shake(homerun, "shop.example", ca=chain)[2]
    assert ("DNS", "*.us-central1.run.localhost") in shake(homerun, service_name(homerun))[2]
    other = service_name(homerun).replace("us-central1", "europe-west1")
    assert ("DNS", "*.europe-west1.run.localhost") in shake(homerun, other)[2]
    try:
        shake(homerun, "a.b.shop.example", ca=chain)
    except ssl.SSLCertVerificationError:
        return
    raise AssertionError("a wildcard stands for one label alone")


if __name__ == "__main__":
    main()
