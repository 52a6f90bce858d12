#!/usr/bin/env python3
"""What parsers of outside bytes cost, counted and not timed: four times the bytes are less than five
times the work, and memory is bounded by the length.

Each shape is a front, a part that is repeated to fill the size, and an end. All are given to the
fuzz targets, in one process under callgrind, which counts the instructions of each (so that
libraries count too, and the machine's load does not). `cost.py TARGET` shows each shape of one.
"""
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = pathlib.Path(os.environ.get("HOMERUN", ROOT / "build" / "homerun")).parent / "tests/cost/cost-probe"
SIZES = (4 << 10, 16 << 10)
RATIO_MAX = 5
BYTES_PER_BYTE_MAX = 400  # "[{},{},…": an empty object is some 230 bytes for three, and targets read thrice
BYTES_MAX = 512 << 10  # and what does not depend on the length
WORK_MIN = 200_000  # instructions: below that it is the fixed costs that are seen

JSON = [
    ("", "{", ""), ("", "[", ""), ("[", "[],", "0]"), ("[", "{},", "0]"), ("[", '{"a":0},', "0]"),
    ('"', "\\u0041", '"'), ('"', "\\\\", '"'), ("", '"', ""), ("", "1", ""), ("1.", "1", ""),
    ("1e", "0", "1"), ("", " ", "1"), ('{"a":0', ',"a":0', "}"), ("{", '"%d":0,', '"a":0}'),
    ("[", "1,", "1]"), ("[", '"",', "1]"), ("", "\\", ""), ('["', "é", '"]'), ("", '{"a":', ""),
    ('{"', "\\\\", '":0,"":0,"":0}'), ("", "\n", "0"), ("[", "-", "]"), ("[", "nul,", "]"),
]
YAML = [
    ("a: >\n", "\n", ""), ("a: |\n", "\n", ""), ("a: |\n", " x\n", ""), ("a: >\n", " x\n", ""),
    ("a: >\n", " x\n\n", ""), ("a: |\n", " \n", ""), ("a: |+\n", "\n", ""), ("a: >-\n", "  x\n", ""),
    ("a: |\n", "   \n", " x\n"), ("", "a%d: |\n\n\n\n x\n\n", ""), ("", "- >\n\n", ""),
    ("a: b\n", " x\n", ""), ("a: b\n", "\n", " c\n"), ("a: b\n", "\n", ""), ("", "- b\n\n\n", ""),
    ('a: "b\n', " x\n", '"'), ("a: 'b\n", "\n", "'"), ('a: "', "\\\n", '"'), ('a: "', " \n", '"'),
    ("a: '", "''", "'"), ('a: "', "\\n", '"'), ('a: "', "\\", '"'), ("", '"', ""), ("", "'", ""),
    ("", "{", ""), ("", "[", ""), ("", "{a: ", ""), ("", "[a, ", ""), ("[", "[],", "]"), ("[", "{},", "]"),
    ("[", "a: b,", "]"), ("{", "k%d: v,", "}"), ("{", "a\n", "}"), ("[", "\n", "]"), ("[", "#c\n ", "]"),
    ("", "- a\n", ""), ("", "- ", ""), ("", "? ", ""), ("", "? k%d\n", ""), ("", "k%d: v\n", ""),
    ("", "a: 1\n", ""), ("", ":", ""), ("", ": ", ""), ("", "a: ", ""), ("", "-\n", ""), ("", "a\n", ""),
    ("", "# c\n", "a: 1\n"), ("a: 1\n", "# c\n", ""), ("a: 1 #", "c", ""), ("a: 1", "\t", "\n"),
    ("", "---\n", ""), ("", "...\n", "a"), ("%", "a", "\n---\n"), ("", "%A b\n", "---\na\n"),
    ("", "%", ""), ("", "- &a%d b\n", ""), ("- &a b\n", "- *a\n", ""), ("", "&a ", ""), ("", "&", ""),
    ("", "*", ""), ("", "!", ""), ("", "- !!str a\n", ""), ("!", "a", " b"), ("!<", "a", "> b"),
    ("a0: &a [x]\n", "b%d: &a [*a]\n", ""), ("", "a", ": 1\n"), ('"', "a", '": 1\n'), ("a: ", "1", ""),
    ("", " ", "a: b"), ("", "\n", "a: b"), ("", "\r", "a: b"), ("a: b", " b", ""), ("", "-", ""),
    ("a: ", "é", ""), ("", "\ufeff", ""), ("- |9\n", "\n", ""), ("a:\n", "\t\n", " b\n"), ("a: [", "? ", ""),
]
HEAD = "GET / HTTP/1.1\r\nhost: a\r\n"
HTTP1 = [
    ("\xff" + HEAD, "a: b\r\n", "\r\n"), ("\xff" + HEAD + "a: ", "b", "\r\n\r\n"),
    ("\xff" + HEAD + "a: ", " ", "\r\n\r\n"), ("\xff" + HEAD, "a: b, \r\n", "\r\n"),
    ("\x00" + HEAD + "a: ", "b", ""), ("\xffGET /", "%41", " HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("\xff" + HEAD + "connection: ", "a,", "\r\n\r\n"), ("\xff", "\r\n", HEAD),
    ("\xff" + HEAD + "transfer-encoding: chunked\r\n\r\n", "1\r\na\r\n", "0\r\n\r\n"),
    ("\xff" + HEAD + "transfer-encoding: chunked\r\n\r\n0\r\n", "a: b\r\n", "\r\n"),
    ("\x07" + HEAD + "transfer-encoding: chunked\r\n\r\n1;", "a", "\r\na\r\n0\r\n\r\n"),
]
SHAPES = {
    "json": JSON,
    "yaml": YAML,
    "fetch_message": [("\0" * 9 + "\0\0\0\0", "a", ""), ("\1" + "\0" * 8, "a", ""), ("\0", "\0", ""), ("\1", "\0", "")],
    "fields": [
        ("*\n", "[", ""), ("*\n{}\n{\"labels\":{", '"%d":"",', '"a":""}}'),
        ("*\n{}\n{\"many\":[", "{},", "{}]}"), ("", "labels.a,", "name\n{}\n{}"), ("", "one.", "\n{}\n{}"),
        ("*\n{}\n{\"any\":[", "[],", "0]}"), ("", ",", "\n{}\n{}"), ("*\n{}\n{\"", "_", "\":0}"),
        ("*\n{}\n{\"one\":{\"long\":\"", "1", "s\"}}"), ("*\n{}\n{\"one\":{\"data\":\"", "AAAA", "\"}}"),
    ],
    "service_v2": [
        ("*\n{}\n{\"template\":{\"containers\":[", '{"image":"a"},', '{"image":"a"}]}}'),
        ("*\n{}\n{\"labels\":{", '"k%d":"",', '"a":""},"template":{"containers":[{"image":"a"}]}}'),
        ("*\n{}\n{\"template\":{\"containers\":[{\"image\":\"a\",\"env\":[", '{"name":"A%d"},',
         '{"name":"a"}]}]}}'),
        ("*\n{}\n{\"template\":{\"containers\":[{\"image\":\"a\",\"args\":[", '"",', '""]}]}}'),
        ("", "labels,", "\n{}\n{}"), ("*\n{}\n{\"traffic\":[", '{"percent":0},', '{"percent":100}]}'),
        ("*\n{}\n{\"annotations\":{", '"a/k%d":"",', '"a":""},"template":{"containers":[{"image":"a"}]}}'),
    ],
    "url": [
        ("", "%41", ""), ("", "a.", ""), ("[", ":", "]"), ("[", "0:", "]"), ("a?", "&", ""),
        ("a?", "b=c&", "q=1"), ("a?", "%71=", ""), ("", "%", ""), ("", "<", ""), ("", "/", ""), ("", "@", ""),
    ],
    "curl_line": [
        ("curl ", "a ", "https://a"), ("curl '", "a", "' https://a"), ("curl \"", "$(a)", "\" https://a"),
        ("curl -", "s", " https://a"), ("curl ", "-H a:b ", "https://a"), ("curl https://a -H \"a: $(", "a", ")\""),
        ("", "--", ""), ("", "--audience", ""), ("curl https://", "a", ""), ("curl ", "\\\n", "https://a"),
    ],
    "door": [
        ("/?", "a&", ""), ("/?", "gcp-iap-mode=", ""), ("/", "?", ""), ("\n", "a=b;", ""), ("\n", ";", ""),
        ("\n", "__Host-homerun_session=x; ", ""), ("\n", "=", "__Host-homerun"), ("\n\n", "text/html2;q=0,", ""),
        ("\n\n\n", "https://a", ""),
    ],
    "webauthn": [
        ('{"type":"webauthn.get",', '"%d":0,', '"a":0}\n7\n'), ("", "[", ""), ('{"origin":"', "\\u0041", '"}\n7\n'),
        ("{}\n7\n", "\x30", ""), ("{}\n7\n\x30\x59\xff", "a", ""), ("{}\n257\n\xff", "\0", ""), ("{}\n", "7", "\n"),
    ],
    "path": [
        ("", "/", ""), ("", "/..", ""), ("", "/.", ""), ("", "/a/..", ""), ("", "%2f", ""), ("/", "%25", ""),
        ("/", ";", ""), ("", "/a", ""), ("/", "%41", ""), ("/", "\\", ""), ("/", "é", ""),
    ],
    "http1": HTTP1,
    "http1_response": [
        ("\xfeHTTP/1.1 200 OK\r\n", "a: b\r\n", "\r\n"), ("\xfeHTTP/1.1 200 ", "a", "\r\n\r\n"),
        ("\x02HTTP/1.1 200 OK\r\na: ", "b", "\r\n\r\n"), ("\xfeHTTP/1.1 200 OK\r\nconnection: ", "a,", "\r\n\r\n"),
    ],
    "headers": [("", "a: b\n", ""), ("", "connection: a,\n", ""), ("connection: ", "a,", "\n"), ("", "\n", ""),
                ("", ":", ""), ("", "a%d: b\n", "")],
    "hpack": [
        ("\x80", "\x82", ""), ("\x80", "\xbe", ""), ("\x80", "@\x01a\x01b", ""), ("\x80@\x7f", "\xff", ""),
        ("\x80", "\x00\x01a\x01b", ""), ("\x80@\x01a\x7e" + "b" * 126, "\xbe", ""), ("\x80", "\x3f\xe1\x1f", ""),
        ("\x00", "\0\0\0\4\0\0\0\0\0", ""), ("\x00", "\0\0\x08\6\0\0\0\0\0aaaaaaaa", ""),
        ("\x00", "\0\0\1\1\4\0\0\0\1\x82", ""), ("\x00", "\0\0\0\x09\0\0\0\0\1", ""),
    ],
    "hpack_plain": [
        ("\0", "@\1a\xff\1" + "\x18" * 128, ""), ("\0", "@\xff\1" + "\x18" * 128 + "\1a", ""), ("\0", "\xff\x80\0", ""),
        ("\0", "\0\1a\xff\1" + "\xff\xff\xfe\x20\0\0" * 21 + "\0\1", ""), ("\0", "\0\1a\xff\1" + "\xff" * 128, ""),
    ],
    "jwt": [("", ".", ""), ("", "a", ""), ("a.", "a", ".a"), ('{"alg":"RS256"}\n{"aud":[', '"a",', '"a"]}'),
            ('{"alg":"RS256"}\n', "[", ""), ('{"alg":"RS256",', '"%d":0,', '"a":0}\n{}'),
            ('{"alg":"RS256"}\n{"sub":"', "\\u0041", '"}')],
    "jwks": [("", "[", ""), ('{"keys":[', "{},", "{}]}"), ('{"keys":[', '{"kty":"RSA"},', "{}]}"),
             ('{"keys":[{"kty":"RSA","e":"AQAB","n":"', "AAAA", '"}]}'),
             ('{"keys":[{"kty":"RSA","n":"AAAA","e":"', "////", '"}]}')],
    "public": [
        ("", "-----BEGIN CERTIFICATE-----\n", ""), ("-----BEGIN CERTIFICATE-----\n", "AAAA\n", "-----END CERTIFICATE-----\n"),
        ("", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ""), ("", "-", ""), ("", "\n", ""),
        ("-----BEGIN CERTIFICATE-----\n", "A", ""), ("-----BEGIN PUBLIC KEY-----\n", "a: b\n", ""),
        ("-----BEGIN CERTIFICATE-----\n", "MIAw", "\n-----END CERTIFICATE-----\n"),
    ],
    "cel": [
        ("c", "(", ""), ("c", "!", "true"), ("c", "true&&", "true"), ("c", "true||", "true"), ("c'", "a", "'==''"),
        ("c", "[", ""), ("c'' in [", "'',", "'']"), ("c", " ", "true"), ("c", "-", "1"), ("c", "1+", "1==1"),
        ("c", "//\n", "true"), ("crequest.path.startsWith('", "\\n", "')"), ("c", "a.", "b"), ("c", "'", ""),
        ("c", "true?true:", "true"), ("p", "\1", ""),
        ("w", "(", ""), ("w", "!", "true"), ("w", "true&&", "true"), ("w", "[", ""), ("wresource.a in [", "1,", "1]"),
        ("wresource.a.matches('", "a*", "')"), ("w", "resource.", "a"), ("w", "resource.a.all(x,", "true)"),
        ("w'", "a", "'==''"), ("w", "-", "1"), ("w", "1+", "1==1"), ("w", " ", "true"), ("w", "true?true:", "true"),
        ("w{", "'a':", "1}"), ("w[", "1,", "1]==[]"),
    ],
    "pattern": [
        ("", "(", "\n"), ("", "a*", "\n"), ("(a*)*b\n", "a", ""), ("(a|a)*c\n", "a", ""), ("^(a?){30}a{30}$\n", "a", ""),
        ("", "[a", "\n"), ("(.*)(.*)(.*)x\n", "a", ""), ("[a-z]+é$\n", "é", ""), ("", "a{9}", "\n"), ("\n", "a", ""),
    ],
    "members": [("user:", "a", "@b"), ("user:a@", "b.", "c"), ("principal://", "/", ""), ("deleted:", "user:", ""),
                ("principalSet://iam.googleapis.com/", "a/", ""), ("domain:", ".", "a"), ("user:", "é", "@b.c"),
                ("", ":", ""), ("deleted:user:a@b.c?uid=", "1", "")],
    "crm_filter": [
        ("", "(", ""), ("", "a:b ", ""), ("", "projectId:web OR ", "a:b"), ("", "NOT ", "a:b"), ("", '"', ""),
        ("name:", "*", ""), ("", "labels.a:* ", ""), ("", "(a:b)", ""), ("", " ", "a:b"), ("name:", "w*", ""),
    ],
    "federation": [
        ("assertion.sub\nassertion.a\n", "!", "true\n{\"sub\":\"1\",\"a\":\"2\"}"),
        ("assertion.sub\nassertion.a\ntrue", "||true", "\n{\"sub\":\"1\",\"a\":\"2\"}"),
        ("assertion.sub\nassertion.a\nassertion.b.all(x, x != '2')\n{\"sub\":\"1\",\"a\":\"2\",\"b\":[", "\"\",", "0]}"),
        ("assertion.sub\nassertion.a\n\n{\"sub\":\"1\",\"a\":\"2\"", ",\"k%d\":0", "}"),
        ("assertion.sub\nassertion.a\n\n{\"sub\":\"1\",\"a\":\"", "x", "\"}"),
    ],
    "grpc": [("", "\0", ""), ("", "\n\1a", ""), ("", "\x80", ""), ("", "\n", ""), ("", "\x0a\x02\x0a\0", ""),
             ("", "\xff", "")],
    "zone": [
        ("TZif2", "\0", ""), ("", "A", "\n"),
    ],
}

# What costs most of all that a body may hold, found by giving all shapes of JSON and YAML at the bounds:
# 4 MiB and 1 MiB, and 20,000 values. Measured at a quarter, since it is in proportion.
WORST = [
    (('j["', "é", '"]'), 4 << 20), (("j", "1", ""), 4 << 20), (('j"', "\\u0041", '"'), 4 << 20),
    (("y{", "a\n", "}"), 1 << 20), (("ya: >\n", "\n", ""), 1 << 20), (("y[", "a: b,", "]"), 5 * 20000),
]
WORST_WORK = 1_000_000_000  # instructions: what an admin call waits for that comes behind such a body


def text_of(shape, size):
    front, part, end = (piece.encode("latin-1") if all(ord(c) < 256 for c in piece)
                        and not any(0xa0 < ord(c) < 0xfe for c in piece) else piece.encode()
                        for piece in shape)
    out = bytearray(front)
    number = 0
    while len(out) + len(end) < size:
        out += part.replace(b"%d", b"%d" % number)
        number += 1
    return bytes(out + end)


def measure(probe, inputs):
    """(instructions, bytes held) for each of INPUTS, which are (target, text)."""
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", "--collect-atstart=no",
             "--toggle-collect=cost_measured", "--dump-after=cost_measured",
             f"--callgrind-out-file={folder}/out", probe],
            input=b"".join(b"%s\n%d\n%s" % (name.encode(), len(text), text) for name, text in inputs),
            capture_output=True, timeout=280, check=False)
        if ran.returncode != 0:
            raise SystemExit(f"the probe ended with {ran.returncode}: "
                             f"{ran.stderr.decode(errors='replace')[-2000:]}")
        held = [int(line) for line in ran.stdout.split()]
        work = []
        for i in range(len(inputs)):
            dump = (pathlib.Path(folder) / f"out.{i + 1}").read_text(errors="replace")
            work.append(int(re.search(r"^(?:totals|summary): (\d+)", dump, re.M).group(1)))
    assert len(held) == len(inputs), (len(held), len(inputs))
    return list(zip(work, held))


def main():
    only = sys.argv[1:]
    for needed in ("valgrind", PROBE):
        if shutil.which(needed) is None:
            print(f"skip cost: {needed} is not there")
            return
    rows = [(name, shape) for name, shapes in SHAPES.items() if not only or name in only
            for shape in shapes]
    if not rows and only != ["body"]:
        raise SystemExit(f"no target is called {only}")
    inputs = [(name, text_of(shape, size)) for name, shape in rows for size in SIZES]
    measured = measure(PROBE, inputs) if inputs else []
    failures = collections.Counter()
    late = 0
    if not only or "body" in only:
        worst = measure(PROBE, [("body", text_of(shape, size // 4)) for shape, size in WORST])
        for (shape, size), (work, _) in zip(WORST, worst):
            if 4 * work > WORST_WORK or only:
                print(f"    {shape!r} of {size} bytes: {4 * work} instructions")
            late += 4 * work > WORST_WORK
        print(f"{'not ok' if late else 'ok'} behind_the_worst_body_a_call_waits_for_little_work"
              f"{f': {late} shapes cost more than {WORST_WORK} instructions' if late else ''}")
    for i, (name, shape) in enumerate(rows):
        (small, _), (large, held) = measured[2 * i], measured[2 * i + 1]
        length = len(inputs[2 * i + 1][1])
        why = []
        if large > max(RATIO_MAX * small, WORK_MIN):
            why.append(f"{large / small:.1f} times the work for four times the bytes")
        if held > BYTES_PER_BYTE_MAX * length + BYTES_MAX:
            why.append(f"{held} bytes held for {length}")
        if only or why:
            print(f"    {name} {shape!r}: {small}, {large} instructions, {held} bytes"
                  f"{': ' if why else ''}{'; '.join(why)}")
        failures[name] += bool(why)
    for name in failures:
        print(f"{'not ok' if failures[name] else 'ok'} {name}_costs_what_its_length_is"
              f"{f': {failures[name]} shapes cost more' if failures[name] else ''}")
    sys.exit(1 if late + sum(failures.values()) else 0)


if __name__ == "__main__":
    main()
