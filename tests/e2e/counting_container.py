#!/usr/bin/env python3
"""What a pod of the tests runs that counts what it does at once: ADDRESS PORT FILE. A new most is a line of FILE."""
import http.server
import sys
import threading
import time

lock = threading.Lock()
under_way = most = 0


def step(by):
    global under_way, most
    with lock:
        under_way += by
        if under_way > most:
            most = under_way
            with open(sys.argv[3], "a", encoding="ascii") as file:
                file.write(f"{most}\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *ignored):
        pass

    def do_GET(self):
        step(1)
        time.sleep(float(self.path.rpartition("=")[2] or 0.01) if "=" in self.path else 0.01)
        step(-1)  # before the answer: who has it may ask again at once
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    http.server.ThreadingHTTPServer.request_queue_size = 128
    http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
