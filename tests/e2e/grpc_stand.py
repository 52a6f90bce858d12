"""Calls of gRPC sent by hand, by HTTP/1.1: the same frames and trailers as by HTTP/2."""
import socket
import struct
import urllib.parse

from homerun import stand

SERVICES = "google.cloud.run.v2.Services"


def frame(message, flag=0):
    return bytes([flag]) + struct.pack(">I", len(message)) + message


def text(number, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(number):
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7f | 0x80]), number >> 7
    return out + bytes([number])


def begin(method, body, headers=(), token=None, length=None, service=SERVICES, homerun=None):
    """The socket of a call that has been sent."""
    homerun = homerun or stand()
    url = urllib.parse.urlsplit(homerun.api_url)
    lines = [f"POST /{service}/{method} HTTP/1.1", "Host: localhost", "Connection: close", "TE: trailers"]
    lines += [f"{name}: {value}" for name, value in dict([("Content-Type", "application/grpc"), *headers]).items()]
    if token != "":
        lines.append(f"Authorization: Bearer {token or homerun.token()}")
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    client = socket.create_connection(("127.0.0.1", url.port), timeout=30)
    client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
    try:
        client.sendall(body)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return client


def end(client, answer=b""):
    """(grpc-status, grpc-message, all trailers, messages) of the call on a socket, once it is over. ANSWER: what was read."""
    with client:
        try:
            while chunk := client.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and b"application/grpc" in head, answer[:500]
    messages = b""
    while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
        rest = rest.partition(b"\r\n")[2]
        messages, rest = messages + rest[:size], rest[size + 2:]
    trailers = dict(line.split(": ", 1) for line in rest.decode().split("\r\n")[1:] if ": " in line)
    return int(trailers["grpc-status"]), urllib.parse.unquote(trailers.get("grpc-message", "")), trailers, messages


def call(method, body, headers=(), **more):
    return end(begin(method, body, headers, **more))
