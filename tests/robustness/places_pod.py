"""A program for the pods of places_load.py: ADDRESS PORT FOLDER. A file of its own there has a line for each request:
when it began, when it ended (nanoseconds of the machine's monotonic clock), and its id, which is in its query."""
import http.server
import os
import sys
import time
import urllib.parse

log = os.open(f"{sys.argv[3]}/{sys.argv[1]}.{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *ignored):
        pass

    def do_GET(self):
        began = time.monotonic_ns()
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        time.sleep(float(asked.get("seconds", 0)))
        # Before the answer: who has it may ask again at once.
        os.write(log, f"{began} {time.monotonic_ns()} {asked.get('id', '-')}\n".encode())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    http.server.ThreadingHTTPServer.request_queue_size = 128
    http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
