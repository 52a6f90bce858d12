"""TailLogEntries with Google's generated client. tail.py: prints the URLs of the first three requests it is told of."""
import os
import sys
import threading

from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.types import TailLogEntriesRequest

stop = threading.Event()
seen = 0


def requests():
    yield TailLogEntriesRequest(resource_names=[f"projects/{os.environ['GOOGLE_PROJECT']}"],
                                filter='resource.labels.service_name="followed"')
    stop.wait(60)


for answer in LoggingServiceV2Client().tail_log_entries(requests=requests(), timeout=60):
    if not answer.entries:
        print("following", flush=True)
    for entry in answer.entries:
        if entry.http_request.request_url:
            print(entry.http_request.request_url, flush=True)
            seen += 1
        if seen == 3:
            stop.set()
            sys.exit(0)
