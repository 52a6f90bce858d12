"""A container for tests. It answers with its environment, its words and what it was sent.

    --fall       ends with status 3 instead of listening
    --deaf       lives, and does not listen
    GET /say?... prints the query to its output: "out=" and "err=", URL-encoded, in that order
"""
import http.server
import json
import os
import signal
import sys
import urllib.parse


class Look(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        if parts.path == "/say":
            for name, text in urllib.parse.parse_qsl(parts.query):
                print(text, file=sys.stderr if name == "err" else sys.stdout, flush=True)
        body = json.dumps({
            "env": dict(os.environ), "words": sys.argv[1:], "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *ignored):
        pass


if "--fall" in sys.argv:
    print("falling", flush=True)
    sys.exit(3)
if "--deaf" in sys.argv:
    signal.pause()
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Look)
server.serve_forever()
