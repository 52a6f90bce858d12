"""Histories of requests and changes, and the judge of them.

A target is one way to ask: a host, and a token or none. It is open or closed; one change after
another turns it over. The judge holds a history against a register that one writer writes and many
read, each deed taking effect at one moment between its beginning and its end: linearizability. With one
writer, whose changes are in order, that is: each request shows the state after some number of changes,
such that

- all changes that were answered before the request was sent are among them, and none that was begun after it
  was answered;
- a request that was sent after another one's answer shows no fewer of them.

The judge gives each request, by the time that it was sent, the smallest number that fits; where none does, the
request is stale. Any other choice would leave less to those that come later, so nothing is called stale that
could be explained (revocation.py holds it against all orders that there are, for small histories).

A change that was not answered, because control was killed, is asked for again until it is: one
long change, from the first try to the last answer.
"""
import bisect
import collections
import heapq
import struct

RECORD = struct.Struct("=QQHHBBH")
ANSWERED, CUT, RETRIED, LOST = range(4)

Request = collections.namedtuple(
    "Request", "sent answered target status connection outcome unused")
Change = collections.namedtuple("Change", "started ended open")


def read(path):
    """The requests of one connection."""
    with open(path, "rb") as file:
        data = file.read()
    return map(Request._make, RECORD.iter_unpack(data[:len(data) // RECORD.size * RECORD.size]))


class Target:
    """What is known of one target: its answers when open and closed, and its changes in order.

    WHILE: what it may answer besides, while a change is on its way.
    """

    def __init__(self, name, first_open, closed, changes=(), while_changing=()):
        self.name = name
        self.first_open = first_open
        self.closed = closed
        self.while_changing = frozenset(while_changing)
        self.changes = list(changes)

    def prepare(self):
        self.starts = [change.started for change in self.changes]
        self.ends = [change.ended for change in self.changes]
        self.states = [self.first_open] + [change.open for change in self.changes]
        self.overlapping = []  # (request, shows, changes that were over, changes that were begun)


class Verdict:
    def __init__(self):
        self.requests = 0
        self.cut = 0
        self.settled = 0      # judged by one state alone
        self.overlapping = 0  # either state would do
        self.stale = []
        self.failed = []
        self.by_state = collections.Counter()

    def __str__(self):
        return (f"{self.requests} requests, {self.settled} outside of changes, "
                f"{self.overlapping} across one, {len(self.stale)} stale, "
                f"{len(self.failed)} failed, {self.cut} cut and answered on a new connection")


def judge(targets, requests):
    """Holds REQUESTS, of any number of connections in any order, against TARGETS (by number)."""
    verdict = Verdict()
    for target in targets:
        target.prepare()
    for request in requests:
        if request.outcome == CUT:
            verdict.cut += 1
            continue
        judge_one(verdict, targets[request.target], request)
    for target in targets:
        place_overlapping(verdict, target)
    return verdict


def judge_one(verdict, target, request):
    verdict.requests += 1
    done = bisect.bisect_left(target.ends, request.sent)       # changes over before it was sent
    begun = bisect.bisect_right(target.starts, request.answered)  # begun before it was answered
    changing = begun > done
    if request.status == 200:
        shows = True
    elif request.status == target.closed:
        shows = False
    elif changing and request.status in target.while_changing:
        return
    else:
        verdict.failed.append((target.name, request))
        return
    if not changing:
        verdict.settled += 1
        verdict.by_state[target.name, shows] += 1
        if shows != target.states[done]:
            verdict.stale.append((target.name, request))
        return
    verdict.overlapping += 1
    target.overlapping.append((request, shows, done, begun))


def place_overlapping(verdict, target):
    """Requests that settle at one state cannot be contradicted by others: only these have to be placed."""
    placed = []  # a heap: when each was answered, and the changes that it shows
    floor = 0    # what those have shown that were answered before this one was sent
    for request, shows, done, begun in sorted(target.overlapping):
        while placed and placed[0][0] < request.sent:
            floor = max(floor, heapq.heappop(placed)[1])
        fits = [at for at in range(max(done, floor), begun + 1) if target.states[at] == shows]
        if fits:
            heapq.heappush(placed, (request.answered, fits[0]))
        else:
            verdict.stale.append((target.name, request))
