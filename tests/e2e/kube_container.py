#!/usr/bin/env python3
"""What a pod of the tests runs: says who and where it is. Serves on the address and port that it is given."""
import http.server
import json
import os
import socket
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *ignored):
        pass

    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("=")[2] or 1))
        if self.path == "/exit":
            os._exit(7)
        body = json.dumps({"address": self.server.server_address[0], "args": sys.argv[3:], "path": self.path,
                           "env": dict(os.environ)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


if __name__ == "__main__":
    print("kube_container: begins", flush=True)
    if "fail" in sys.argv:
        print("kube_container: a wrong setting", flush=True)
        sys.exit(3)
    http.server.ThreadingHTTPServer.request_queue_size = 128
    if ":" in sys.argv[1]:
        http.server.ThreadingHTTPServer.address_family = socket.AF_INET6
    http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
