"""A container that does as it is told, good or bad, one raw byte at a time. For containers.py.

Its first word says what it is:

    exit       ends with status 3 at once
    deaf       never listens
    hang       reads requests and never answers
    garbage    answers with bytes that are no HTTP
    early      promises 100 bytes, sends ten, and closes
    silent     closes without a byte
    flood      a head that never ends
    smuggle    an answer with two lengths
    good       answers by path, see below

"good" keeps what happens to it in the file named by its second word, one word a line: "start",
"stop" (SIGTERM), "most N" (most requests that waited at one time; one that is being answered
does not count any more, as its place may be given away before we know that it was read).
"""
import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.parse

os.umask(0)  # instances of one service are users of their own, and share their notes
KIND = sys.argv[1]
NOTES = sys.argv[2] if len(sys.argv) > 2 else os.devnull
lock = threading.Lock()
busy = waiting = most = 0


def note(text):
    with open(NOTES, "a", encoding="utf-8") as file:
        file.write(text + "\n")


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.data = b""

    def more(self):
        got = self.sock.recv(65536)
        self.data += got
        return got

    def until(self, mark):
        while mark not in self.data:
            if not self.more():
                return None
        head, _, self.data = self.data.partition(mark)
        return head

    def take(self, size):
        while len(self.data) < size:
            if not self.more():
                raise EOFError
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def send(self, data):
        self.sock.sendall(data)

    def chunk(self, data):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))


class Request:
    def __init__(self, connection, head):
        self.connection = connection
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers.setdefault(name.lower(), value.strip())
        parts = urllib.parse.urlsplit(self.target)
        self.path = parts.path
        self.query = dict(urllib.parse.parse_qsl(parts.query))
        self.trailers = b""

    def body(self):
        """Its pieces as they come. Whoever waits to be asked for it is asked."""
        if self.headers.get("expect", "").lower() == "100-continue":
            self.connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while True:
                size = int(self.connection.until(b"\r\n").split(b";")[0], 16)
                if size == 0:
                    break
                yield self.connection.take(size)
                self.connection.take(2)
            while True:
                line = self.connection.until(b"\r\n")
                if not line:
                    return
                self.trailers += line + b"\n"
        left = int(self.headers.get("content-length", "0"))
        while left > 0:
            piece = self.connection.data[:left]
            if not piece:
                if not self.connection.more():
                    raise EOFError
                continue
            self.connection.data = self.connection.data[len(piece):]
            left -= len(piece)
            yield piece

    def answer(self, body, extra=b"", status=b"200 OK"):
        self.connection.send(b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
                             b"%s\r\n%s" % (status, len(body), extra,
                                            b"" if self.method == "HEAD" else body))

    def stream(self, extra=b""):
        self.connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                             b"Transfer-Encoding: chunked\r\n%s\r\n" % extra)


def say_head(request):
    for _ in request.body():
        pass
    request.answer(request.head)


def say_size(request):
    size = sum(len(piece) for piece in request.body())
    request.answer(b"%d %s" % (size, request.trailers))


def echo(request):
    request.stream()
    for piece in request.body():
        request.connection.chunk(piece)
    request.connection.send(b"0\r\n\r\n")


def big(request):
    size = int(request.query["bytes"])
    piece = b"x" * 65536
    if request.query.get("how") == "length":
        request.connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(piece)):
            request.connection.send(piece)
        return
    request.stream()
    for _ in range(size // len(piece)):
        request.connection.chunk(piece)
    request.connection.send(b"0\r\n\r\n")


def trailers(request):
    request.stream(b"Trailer: Grade\r\n")
    request.connection.chunk(b"work")
    request.connection.send(b"0\r\nGrade: A\r\n\r\n")


def late(request):
    for _ in request.body():
        pass
    time.sleep(float(request.query["s"]))
    request.answer(b"here at last\n")


def wait(request):
    global waiting, most
    with lock:
        waiting += 1
        if waiting > most:
            most = waiting
            note(f"most {most}")
    time.sleep(float(request.query["s"]))
    with lock:
        waiting -= 1
    request.answer(b"%d" % os.getpid())


def die(request):
    request.stream()
    request.connection.chunk(b"half of it")
    os._exit(7)


def refuse_upload(request):
    """Says no before the body is read."""
    request.answer(b"no\n", b"Connection: close\r\n", b"403 Forbidden")
    request.connection.sock.shutdown(socket.SHUT_WR)


def hint(request):
    request.connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
    request.answer(b"page")


def empty(request):
    request.connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")


def tunnel(request):
    """Says yes to the upgrade, and sends back what comes."""
    import base64
    import hashlib
    protocol = request.headers["upgrade"].encode()
    accept = b""
    if protocol.lower() == b"websocket":
        key = request.headers["sec-websocket-key"].encode()
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        accept = b"Sec-WebSocket-Accept: %s\r\n" % base64.b64encode(digest)
    request.connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\n"
                            b"Connection: Upgrade\r\n%s\r\n" % (protocol, accept))
    while True:
        data, request.connection.data = request.connection.data, b""
        if data:
            request.connection.send(data)
        elif not request.connection.more():
            return


PATHS = {"/head": say_head, "/size": say_size, "/echo": echo, "/big": big, "/trailers": trailers,
         "/wait": wait, "/late": late, "/die": die, "/refuse": refuse_upload, "/hint": hint, "/empty": empty,
         "/tunnel": tunnel}


def answer_well(request):
    global busy
    with lock:
        busy += 1
    try:
        handler = PATHS.get(request.path)
        if handler is None:
            for _ in request.body():
                pass
            request.answer(b"here\n")
        else:
            handler(request)
    finally:
        with lock:
            busy -= 1


def hang(request):
    time.sleep(3600)


def garbage(request):
    request.connection.send(b"\x00\xff\x16 this is not the protocol\r\n\r\n\r\n")


def early(request):
    request.connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")


def silent(request):
    pass


def flood(request):
    request.connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        request.connection.send(b"X-Flood: " + b"x" * 8000 + b"\r\n")


def smuggle(request):
    request.connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\n"
                            b"evil")


def serve(sock):
    kinds = {"good": answer_well, "hang": hang, "garbage": garbage, "early": early,
             "silent": silent, "flood": flood, "smuggle": smuggle}
    connection = Connection(sock)
    try:
        while True:
            head = connection.until(b"\r\n\r\n")
            if head is None:
                break
            request = Request(connection, head)
            kinds[KIND](request)
            if KIND != "good" or request.path in ("/refuse", "/tunnel") or \
                    re.search("close", request.headers.get("connection", ""), re.I):
                break
    except (OSError, EOFError):
        pass
    sock.close()


def stop(number, frame):
    note("stop")
    deadline = time.monotonic() + 9
    while busy and time.monotonic() < deadline:
        time.sleep(0.005)
    os._exit(0)


def main():
    if KIND == "exit":
        print("no such table: users", flush=True)
        sys.exit(3)
    if KIND == "deaf":
        time.sleep(3600)
    signal.signal(signal.SIGTERM, stop)
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)
    note("start")
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


main()
