#!/usr/bin/env python3
"""Holds the arrows between the rooms: what a room includes stands below it, and in its row.

Within `control/` the sub-rooms have an order too, and in the rooms of the processes no modules form a circle.
Documents of services are read in `model/` alone. A header that many use is a door; what a header offers, somebody uses.

Prints "ok NAME" or "not ok NAME: why" for each room.
"""
import pathlib
import re
import sys

import headers

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "src"

LIBRARIES = "grpc store model lookup policy trust index ipc net http codec base"

# The rooms, lowest first, and what each may include beside itself (docs/architecture.md).
MAY_USE = {
    "base": "",
    "codec": "base",
    "grpc": "codec base",
    "http": "base",
    "net": "http base",
    "ipc": "base",
    "index": "base",
    "trust": "codec base",
    "policy": "base",
    "lookup": "policy trust index http base",
    "model": "codec base",
    "store": "model codec base",
    "signer": "trust ipc codec base",
    "fetcher": "ipc base",
    "metadata": "ipc net http codec base",
    "kubernetes": "codec base",
    "engine": "kubernetes model index ipc net http codec base",
    "ingress": "lookup policy trust index ipc net http base",
    "control": LIBRARIES,
    "supervisor": "ipc net base",
    "cli": "supervisor store model net http trust codec base",
}

# Files that reach further than their room: one door each, and why.
DOORS = {
    "main.c": "cli supervisor control engine ingress metadata signer",
}

# Headers that no other room may include, whatever its row says.
PRIVATE = {
    # Only who starts processes, or ends a command, may know of private keys.
    "trust/secret.h": "signer cli trust",
}

# The command line may use the supervisor for `up` alone.
UP_FILES = {"up.c", "up_plan.c", "up_plan.h", "store_migrate.c"}

# It may use the store for moving a record alone.
STORE_FILES = {"store_migrate.c"}

# The sub-rooms of control, lowest first: a file includes none of a sub-room above its own. The process itself
# (start.c, seed.c) stands above them, its struct (control.h) below.
CONTROL = ["control.h", "record", "publish", "call", "operations", "identity", "access", "run", "api", "front", "*.c"]

# Rooms in which no module (a .c file with its header) reaches itself by what it includes.
NO_CIRCLES = ["control", "engine", "ingress"]

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def faults_of(path, room):
    allowed = set(MAY_USE[room].split()) | {room} if room else set(DOORS[path.name].split())
    for target in INCLUDE.findall(path.read_text(errors="replace")):
        head = target.split("/")[0] if "/" in target else None
        where = path.relative_to(SOURCE)
        if head is None:
            yield f'{where} includes "{target}" without its room'
        elif head == "vendor":
            continue
        elif head not in MAY_USE:
            continue  # not a room: a system library's own folder
        elif head not in allowed:
            yield f"{where} includes {target}: {room or 'main'} may not use {head}"
        elif target in PRIVATE and room not in PRIVATE[target].split():
            yield f"{where} includes {target}, which is for {PRIVATE[target]}"
        elif room == "cli" and head == "supervisor" and path.name not in UP_FILES:
            yield f"{where} includes {target}: only `up` reaches the supervisor"
        elif room == "cli" and head == "store" and path.name not in STORE_FILES:
            yield f"{where} includes {target}: the command line is a client of the API"


def check_order():
    """The table itself points downward only."""
    seen = []
    for room, used in MAY_USE.items():
        for other in used.split():
            if other not in seen:
                yield f"{room} may use {other}, which does not stand below it"
        seen.append(room)


def level_in_control(name):
    """NAME: below src/control/."""
    head = name.split("/")[0]
    if "/" in name:
        return CONTROL.index(head)
    return CONTROL.index("control.h") if name == "control.h" else CONTROL.index("*.c")


def check_control():
    for path in sorted((SOURCE / "control").rglob("*.[ch]")):
        name = path.relative_to(SOURCE / "control").as_posix()
        if "/" in name and name.split("/")[0] not in CONTROL:
            yield f"{name}: this sub-room is not in the list"
            continue
        for target in INCLUDE.findall(path.read_text(errors="replace")):
            if target.startswith("control/") and level_in_control(target[8:]) > level_in_control(name):
                yield f"control/{name} includes {target}, which stands above it"


def check_circles(room):
    """Follows what each module includes within its room; names the first circle of each module."""
    includes = {}
    for path in sorted((SOURCE / room).rglob("*.[ch]")):
        module = path.relative_to(SOURCE).with_suffix("").as_posix()
        includes.setdefault(module, set())
        for target in INCLUDE.findall(path.read_text(errors="replace")):
            other = target.removesuffix(".h")
            if target.startswith(room + "/") and other != module:
                includes[module].add(other)
    done = set()

    def walk(module, way):
        if module in way:
            yield " -> ".join([*way[way.index(module):], module])
        elif module not in done:
            for other in sorted(includes.get(module, ())):
                yield from walk(other, [*way, module])
            done.add(module)

    for module in includes:
        yield from walk(module, [])


DECLARED = re.compile(r"^[a-z][\w \n*]*?[ *](\w+)\([^;{}]*\)(?:\s*__attribute__\(.*\))?;", re.M)


def check_names():
    """One program holds all rooms: the linker would silently give one's function to the other."""
    owners = {}
    for room in MAY_USE:
        for path in sorted((SOURCE / room).rglob("*.h")):
            for name in DECLARED.findall(path.read_text(errors="replace")):
                other = owners.setdefault(name, room)
                if other != room:
                    yield f"{name}() is declared by {other} and by {room}"


# A service and its revisions are structs (model/service_type.h): nobody else reaches into their documents. These
# rooms have other documents, whatever their fields are called: the API's answers, objects of Kubernetes.
DOCUMENTS_ELSEWHERE = ("model/", "codec/", "cli/", "kubernetes/", "engine/kube_")
# Fields of theirs that documents of other kinds have as well.
COMMON_FIELDS = set("""annotations client createTime deleteTime description env etag expireTime generation labels
    manifests message name network policy port reason revision service status tags timeout type updateTime value
    version""".split())
# What is read by such a name and is no service: how often in each file, and of what document.
OTHER_DOCUMENTS = {
    "control/api/access.c": (1, "the answer of `access who`"),
    "control/api/access_plan.c": (3, "what a plan asks for"),
    "control/api/access_plan_policy.c": (3, "the answer to a plan"),
    "control/api/iam_v1.c": (3, "a service account"),
    "control/api/metrics.c": (2, "what services do now, as a node tells it"),
    "control/api/orgpolicy_v2.c": (1, "an organization policy"),
    "engine/container_adopt.c": (2, "what an engine leaves to the next"),
    "engine/run_record.c": (1, "a run record"),
}
ROW = re.compile(r'^\s+[A-Z_]+\((?:FIELD_\w+, )?"(\w+)"', re.M)
READ = re.compile(r"\bjson_(?:at|text|text_or|flag|number|put|object_get|object_set|object_set_new|object_del)\(")
TOKEN = re.compile(r'"((?:[^"\\\n]|\\.)*)"|[()]')


def paths_read(text):
    """The texts that are an argument of their own of each call that reads or writes a document."""
    for call in READ.finditer(text):
        depth = 1
        for token in TOKEN.finditer(text, call.end()):
            depth += {"(": 1, ")": -1}.get(token.group(), 0)
            if depth == 0:
                break
            if depth == 1 and token.group(1) is not None:
                yield token.group(1)
                break


def check_documents():
    """No path into a service's document but in model/, where the tables name its fields."""
    fields = set(ROW.findall((SOURCE / "model/service_fields.c").read_text())) - COMMON_FIELDS
    if len(fields) < 60:
        yield f"model/service_fields.c has {len(fields)} fields: its rows are not understood"
    for path in sorted(SOURCE.rglob("*.c")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith(DOCUMENTS_ELSEWHERE):
            continue
        found = [text for text in paths_read(path.read_text(errors="replace"))
                 if text.startswith(("spec.", "status.", "metadata.", "template.", "scaling.", "traffic["))
                 or re.split(r"[.\[]", text)[0] in fields]
        known = OTHER_DOCUMENTS.get(name, (0, ""))[0]
        if len(found) != known:
            yield (f"{name} reads {', '.join(found) or 'nothing'} by path: {known} such reads are known there. A service "
                   "is read by service_from_doc()")


PAGE = SOURCE.parent / "docs" / "architecture.md"
NAMED = re.compile(r"`([^`]+)`")


def check_page():
    """docs/architecture.md names files, functions and messages that are there."""
    paths = [path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*") if path.is_file()]
    code = "\n".join(path.read_text(errors="replace") for path in sorted(SOURCE.rglob("*.[ch]")))
    words = set(re.findall(r"\w+", code))
    page = re.sub(r"^```.*?^```", "", PAGE.read_text(), flags=re.M | re.S)
    for name in sorted(set(NAMED.findall(page))):
        if re.fullmatch(r"[\w/*.-]+\.(c|h|txt)", name):
            wanted = re.compile("(^|.*/)" + re.escape(name.removeprefix("src/")).replace(r"\*", "[^/]*"))
            if not any(wanted.fullmatch(path) for path in paths):
                yield f"{name} is no file of src/"
        elif re.fullmatch(r"src/[\w/]+/", name) and not (SOURCE.parent / name).is_dir():
            yield f"{name} is no folder"
        elif re.fullmatch(r"(\w+)\(\)|(MSG|SIGN|OWN)_\w+", name) and name.removesuffix("()") not in words:
            yield f"{name} is not in src/"


# Documents that a function owns are let go of by auto_json, auto_doc and their like; json_steal() passes one on. What is
# left by hand is a member of a struct that its done() lets go of, a value that takes the place of another, or a value
# that an arm of a reader (YAML, JSON paths, gRPC) drops halfway. It does not grow; a room that is not named has none.
BY_HAND = {"cli": 4, "codec": 11, "control": 44, "engine": 7, "grpc": 1, "kubernetes": 1, "metadata": 1, "model": 1, "store": 2}


def check_by_hand():
    for room in MAY_USE:
        most = BY_HAND.get(room, 0)
        count = sum(len(re.findall(r"\bjson_decref\(", path.read_text(errors="replace")))
                    for path in (SOURCE / room).rglob("*.[ch]"))
        if count > most:
            yield f"{room} has {count} json_decref() by hand, {most} are allowed: auto_json or json_steal() (codec/codec.h)"


COMMENT = re.compile(r"/\*.*?\*/", re.S)

# Files that ask for memory by hand, and why; all others use base/memory.h or an arena.
MEMORY_BY_HAND = {
    "base/memory.h": "makes mem_new() and its like of them",
    "metadata/server.c": "refuses a container's request when there is no memory",
    "net/listener.c": "closes a stranger's connection when there is no memory",
    "net/server_h2.c": "resets a stranger's stream when there is no memory",
    "kubernetes/client.c": "asprintf() alone, for a header with a token that is wiped at once",
    "control/identity/federation_keys.c": "not yet by mem_new()",
    "control/identity/provider_talk.c": "not yet by mem_new()",
}
ALLOCATES = re.compile(r"(?<!\w)(?:malloc|calloc|realloc|reallocarray|strn?dup|v?asprintf)\(")


def check_memory():
    for path in sorted(SOURCE.rglob("*.[ch]")):
        name = str(path.relative_to(SOURCE))
        if name not in MEMORY_BY_HAND and ALLOCATES.search(COMMENT.sub("", path.read_text(errors="replace"))):
            yield f"{name} asks for memory by hand: use base/memory.h, or an arena"
    for name in MEMORY_BY_HAND:
        if not ALLOCATES.search(COMMENT.sub("", (SOURCE / name).read_text())):
            yield f"{name} no longer asks for memory by hand: remove it from MEMORY_BY_HAND"


# The most files that may use a header which is no door.
FEW = 12

# Headers that more files use: each the door of one idea which many need by its nature, and which that is.
DOORS_OF_MANY = {
    "base/arena.h": "memory of a call",
    "base/buffer.h": "bytes that grow up to a maximum",
    "base/clock.h": "what time it is",
    "base/encode.h": "base64 and hexadecimal digits",
    "base/error.h": "how a function fails",
    "base/file.h": "a file, whole",
    "base/log.h": "a line of the log",
    "base/map.h": "a hash table",
    "base/memory.h": "memory that outlives a call",
    "base/random.h": "randomness",
    "base/slice.h": "text with a length",
    "cli/actions.h": "what the rows of commands run: each file of the command line has some of these",
    "cli/client.h": "a client of the API: names and paths, lists, operations",
    "cli/session.h": "the command line as it was given, and its calls of the API",
    "cli/terminal.h": "tables and colours for people, --format for programs",
    "codec/codec.h": "the door of its room: documents, tables of their fields, times",
    "control/access/orgpolicy.h": "what each change of access must ask",
    "control/call/call.h": "a call: what was asked, who asks, the answer",
    "control/call/paging.h": "pages of any list",
    "control/call/row.h": "a method of an API: each file of api/ has some",
    "control/control.h": "the process, of which all of control is a part",
    "control/identity/accounts.h": "an account, and how it is found",
    "control/identity/sessions.h": "a session of somebody who signed in",
    "control/publish/change.h": "a change of the record and the index: all that write have one",
    "control/publish/nodes.h": "this node in its cluster: whether it may decide, what it is called",
    "control/publish/publish.h": "what becomes of a document in the index",
    "control/record/projects.h": "projects: most resources are in one",
    "control/record/resource_tree.h": "what a resource stands below: policies are inherited",
    "http/url.h": "hosts and paths: one parser for route, gate and relay",
    "ipc/ipc.h": "the door of its room: messages and who may send them",
    "model/resource_name.h": "projects/P/locations/L/services/S, read and written in one place",
    "model/service_run.h": "what services and revisions mean beyond their fields",
    "model/service_tables.h": "what the files of model/ share to read and write services",
    "net/net.h": "the door of its room: servers, clients, the loop",
    "trust/trust.h": "the door of its room: tokens and their keys",
}


def check_doors():
    users = headers.users()
    for header, files in sorted(users.items()):
        if len(files) > FEW and header not in DOORS_OF_MANY and (SOURCE / header).exists():
            yield (f"{len(files)} files use {header}: cut it by idea, or say in DOORS_OF_MANY what it is the door of "
                   f"({', '.join(sorted(files))})")
    for header in DOORS_OF_MANY:
        if len(users.get(header, ())) <= FEW:
            yield f"{len(users.get(header, ()))} files use {header}: remove it from DOORS_OF_MANY"


# Functions that only tests use beside the file that has them, and why they are no static ones.
TESTED_ALONE = {
    "ends what a process keeps until its own end; a test makes many": """access_log_free assertions_free dispatch_free
        gate_free keys_done peer_finder_close pools_free transfers_free""",
    "tells a test how much is there": "access_log_lost board_waiting http2_streams token_cache_count",
    "brings a test to a state that takes long": "board_reset index_writer_new_sized secrets_add",
    "one step, which a test asks without what is around it": """address_parse cgroups_own cidr_list_holds crew_backoff_ms
        instances_merge journal_rotate kube_access_read lease_runs_at logs_merge meter_latency_bucket
        overview_merge page_body peer_judge probe_grpc_serving routes_json routes_markdown server_objection
        setting_find setting_warns subids_in users_in""",
}


def check_unused():
    known = set(" ".join(TESTED_ALONE.values()).split())
    found = dict((name, header) for header, name in headers.known_to_one_file())
    for name, header in found.items():
        if name not in known:
            yield f"{header} declares {name}, which no other file uses: make it static, or delete it"
    for name in sorted(known - found.keys()):
        yield f"{name} has other users, or is gone: remove it from TESTED_ALONE"


def check_includes():
    for name, header in headers.needless_includes():
        yield f"{name} includes {header} and uses nothing of it"


def check_fields():
    for name, struct, field in headers.fields_unused():
        if field == "padding":
            continue  # it is said, so that nothing of the sender's memory goes along
        yield f"nothing uses {field} of struct {struct} in {name}"


def report(name, faults):
    faults = list(faults)
    print(f"not ok {name}: {'; '.join(faults)}" if faults else f"ok {name}")
    return not faults


def main():
    good = report("layers/table", check_order())
    good &= report("layers/names", check_names())
    for room in MAY_USE:
        files = sorted((SOURCE / room).rglob("*.[ch]"))
        good &= report(f"layers/{room}", [f for path in files for f in faults_of(path, room)])
    good &= report("layers/control-order", check_control())
    for room in NO_CIRCLES:
        good &= report(f"layers/{room}-circles", check_circles(room))
    good &= report("layers/documents", check_documents())
    good &= report("layers/architecture", check_page())
    good &= report("layers/auto_json", check_by_hand())
    good &= report("layers/memory", check_memory())
    good &= report("layers/doors", check_doors())
    good &= report("layers/includes", check_includes())
    good &= report("layers/unused", check_unused())
    good &= report("layers/fields", check_fields())
    good &= report("layers/main", faults_of(SOURCE / "main.c", None))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
