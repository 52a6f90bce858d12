"""The container behind the gate's tests: answers with what it was sent, and how often.

    /slow: after two seconds; says in its log when it begins
    /says?NAME=VALUE&…: with these header fields
    /page: an HTML page
"""
import http.server
import json
import os
import threading
import time
import urllib.parse

lock = threading.Lock()
hits = 0


class Mirror(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        global hits
        with lock:
            hits += 1
            count = hits
        length = int(self.headers.get("content-length") or 0)
        sent = self.rfile.read(length)
        if self.path == "/slow":
            print("slow begins", flush=True)
            time.sleep(2)
        body = json.dumps({
            "hits": count, "method": self.command, "path": self.path, "bytes": len(sent),
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "revision": os.environ.get("K_REVISION"),
        }).encode()
        self.send_response(200)
        if self.path == "/cookies":
            for cookie in ("__Host-homerun_session=evil; Path=/; Secure", "__host-homerun_sso=evil; Domain=run.localhost",
                           "=__Host-homerun_session=evil", "app=kept"):
                self.send_header("Set-Cookie", cookie)
        if self.path.startswith("/says?"):
            for name, value in urllib.parse.parse_qsl(self.path.partition("?")[2]):
                self.send_header(name, value)
        if self.path == "/page":
            body = b"<!doctype html><title>page</title><p>here</p>"
            self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = do_TRACE = answer

    def log_message(self, *ignored):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Mirror).serve_forever()
