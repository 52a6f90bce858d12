"""A page of the docs, typed: what its shell blocks say is done in one shell, from top to bottom.

A block of the language `sh` is a list of commands that must succeed. A block without a language whose
lines begin with "$ " shows commands and what they print. What is printed is compared loosely: white
space, dots of progress, times, revisions, ids and etags may differ, "…" and a line of "..." stand for
anything, and other lines may come before, between and after. An id that a page shows and types again later is
replaced by the real one. A command with "# refused" behind it must fail; in a block with output a
command may fail if what it prints tells so ("ERROR", "homerun: ").

`homerun up` and `make up` are not typed: the test's own instance is there already.
"""
import os
import pathlib
import re
import shutil
import subprocess
import threading
import uuid

from homerun import BINARY, ROOT, Homerun, clean_environment, need

STYLES = re.compile(r"\x1b\[[0-9;]*m")
STARTS = re.compile(r"^\s*(?:sudo )?(?:\S*homerun up\b(?! --help)|make up\b)")
SECONDS = 180
VOLATILE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?)"
    r"|(?P<revision>\b[a-z][a-z0-9-]*-\d{5}-[a-z]{3}\b)"
    r"|(?P<denial>\bd-[a-z0-9]{20}\b)"
    r"|(?P<hex>\b[0-9a-f]{16,}\b)"
    r"|(?P<jwt>eyJ[\w-]+)"
    r"|(?P<etag>(?<=etag: )\S+)"
    r"|(?P<version>(?<=ersion ')[A-Za-z0-9]{8,}(?='))")
SHAPES = {
    "time": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?",
    "revision": r"[a-z][a-z0-9-]*-\d{5}-[a-z]{3}",
    "denial": r"d-[a-z0-9]{20}",
    "hex": r"[0-9a-f]{16,}",
    "jwt": r"eyJ[\w-]+",
    "etag": r"\S+",
    "version": r"[A-Za-z0-9]+",
}


class Block:
    def __init__(self, language, text, line):
        self.language = language
        self.text = text
        self.line = line


def blocks(text):
    """The fenced blocks of a page."""
    found = []
    opened = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            if opened is None:
                opened = (line[3:].strip(), number + 1, [])
            else:
                found.append(Block(opened[0], "\n".join(opened[2]) + "\n", opened[1]))
                opened = None
        elif opened is not None:
            opened[2].append(line)
    assert opened is None, "a block that is not closed"
    return found


def section(text, title):
    """What stands below the heading TITLE of a page, up to the next heading of any rank."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    assert found, f"the page has no heading {title}"
    return found.group(1)


def is_whole(command):
    """Whether a shell would run COMMAND, and not wait for more of it."""
    done = subprocess.run(["bash", "-n"], input=command + "\n", capture_output=True, text=True)
    return done.returncode == 0 and not done.stderr and not command.endswith("\\")


def steps(block):
    """(command, shown output or None) of a block; none if it is no shell's."""
    if block.language in ("sh", "bash"):
        typed = ""
        for line in block.text.splitlines():
            typed = f"{typed}\n{line}" if typed else line
            if typed.strip() and is_whole(typed):
                yield typed, None
                typed = ""
        assert not typed.strip(), f"half a command: {typed}"
    elif block.language in ("", "console") and block.text.startswith("$ "):
        for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
            lines = part.splitlines()
            count = 1
            while not is_whole("\n".join(lines[:count])) and count < len(lines):
                count += 1
            yield "\n".join(lines[:count]), "\n".join(lines[count:])


def pattern_of(shown):
    """A regular expression for what a page shows, and the (kind, page's word) of its groups."""
    out, learned, at = "", [], 0
    for found in VOLATILE.finditer(shown):
        out += plain(shown[at:found.start()]) + f"({SHAPES[found.lastgroup]})"
        learned.append(found.group())
        at = found.end()
    return out + plain(shown[at:]), learned


def plain(text):
    out = ""
    for part in re.split(r"(…|^[ \t]*\.\.\.[ \t]*$|\.{3,}|\s+)", text, flags=re.M):
        if part == "…" or part.strip() == "..." and part != "...":
            out += r".*?"
        elif re.fullmatch(r"\.{3,}", part):
            out += r"\.*(?:.*?)"
        elif "\n" in part:
            out += r"\s+(?:.*?\s)??"
        elif part and part.isspace():
            out += r"\s+"
        else:
            out += re.escape(part)
    return out


class Shell:
    """One bash, to which commands are typed."""

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def type(self, command):
        """(status, what it printed)."""
        end = f"end-{uuid.uuid4().hex}"
        limit = threading.Timer(SECONDS, self.process.kill)
        limit.start()
        try:
            self.process.stdin.write(f"{{ {command}\n}} </dev/null\necho {end} $?\n")
            self.process.stdin.flush()
            text = ""
            for line in self.process.stdout:
                if end in line:
                    before, status = line.split(end)
                    return int(status), STYLES.sub("", text + before)
                text += line
        finally:
            limit.cancel()
        raise AssertionError(f"the shell has ended at: {command}\n{text[-2000:]}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


class Page:
    """A page, an instance for it, and a folder in which it is typed."""

    def __init__(self, name, homerun=None, wants=("gcloud", "curl"), environment=None):
        for program in wants:
            need(program)
        self.text = (ROOT / name).read_text(encoding="utf-8")
        self.homerun = homerun or Homerun("--workers=1").start()
        self.folder = pathlib.Path(self.homerun.folder) / "typed"
        (self.folder / "build").mkdir(parents=True, exist_ok=True)
        for where, target in (("build/homerun", os.path.abspath(BINARY)),
                              ("data", self.homerun.data)):
            if not (self.folder / where).exists():
                os.symlink(target, self.folder / where)
        self.learned = {}
        path = f"{self.folder / 'build'}:{os.environ['PATH']}"
        self.shell = Shell(self.folder, {
            **clean_environment(), "HOME": str(self.folder), "PATH": path,
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1", "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1", **(environment or {})})

    def close(self):
        self.shell.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.homerun.close()

    def here(self, text):
        """TEXT of the page with this instance's ports, and with ids as they came."""
        for name, port in (("https", 8443), ("api", 8080), ("http", 8081)):
            text = re.sub(rf"\b{port}\b", self.homerun.ready[name].rsplit(":", 1)[1], text)
        for shown, real in self.learned.items():
            text = text.replace(shown, real)
        return text

    def run(self, only=lambda text: True):
        """Types all blocks that ONLY wants, also behind a fault; the number of commands."""
        count, faults = 0, []
        for block in blocks(self.text):
            if not only(block.text):
                continue
            for command, shown in steps(block):
                if STARTS.match(command):
                    continue
                count += 1
                try:
                    self.step(block, command, shown)
                except AssertionError as why:
                    faults.append(str(why))
        assert not faults, "\n\n".join(faults)
        return count

    def step(self, block, command, shown):
        status, text = self.shell.type(self.here(command))
        where = f"line {block.line}: {command}\n"
        may_fail = "# refused" in command
        if shown is None:
            assert (status != 0) == may_fail, f"{where}status {status}:\n{text[-2000:]}"
            return
        told = re.search(r"^(ERROR|homerun: )", shown, re.M) is not None
        assert status == 0 or may_fail or told, f"{where}status {status}:\n{text[-2000:]}"
        pattern, words = pattern_of(shown.strip())
        found = re.search(self.here_pattern(pattern), text, re.S)
        assert found, f"{where}shows\n{shown}\nbut printed\n{text[-3000:]}"
        self.learned.update({w: g for w, g in zip(words, found.groups()) if g})

    def here_pattern(self, pattern):
        for name, port in (("https", 8443), ("api", 8080), ("http", 8081)):
            pattern = re.sub(rf"\b{port}\b", self.homerun.ready[name].rsplit(":", 1)[1], pattern)
        return pattern
