"""What headers declare and who uses it, read from the text of src/: for tests/layers.py, which says what holds."""
import functools
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "src"

COMMENT = re.compile(r"/\*.*?\*/", re.S)
TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*"')
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
DIRECTIVE = re.compile(r"^\s*#[^\n]*$", re.M)


def name_of(path):
    return path.relative_to(SOURCE).as_posix()


def module_of(name):
    return name.rsplit(".", 1)[0]


@functools.cache
def sources():
    """The code of each file of src/ by name, without comments; a line that goes on is one line."""
    return {name_of(path): COMMENT.sub(" ", path.read_text(errors="replace")).replace("\\\n", " ")
            for path in sorted(SOURCE.rglob("*.[ch]")) if "vendor" not in path.parts}


@functools.cache
def includes(name):
    return INCLUDE.findall(sources()[name])


@functools.cache
def words(name):
    """The words of a file's code: neither of its texts, nor of what it includes."""
    return set(re.findall(r"\w+", TEXT.sub('""', re.sub(r"^\s*#\s*include[^\n]*", "", sources()[name], flags=re.M))))


def outermost(code):
    """The statements of a file, without what stands in braces."""
    depth, out = 0, []
    for part in re.split(r"([{}])", code):
        if part == "{":
            depth += 1
        elif part == "}":
            depth -= 1
            out.append(";" if depth == 0 else "")
        elif depth == 0:
            out.append(part)
    return "".join(out).split(";")


def functions_and_objects(code):
    """The names that a header's statements declare for the linker, and inline functions."""
    for statement in outermost(code):
        statement = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", statement, flags=re.S).strip()
        if not statement or statement.startswith("typedef"):
            continue
        called = re.search(r"(\w+)\s*\(", statement)
        if called:
            if called[1] not in ("_Static_assert", "static_assert"):
                yield called[1]
        elif statement.startswith("extern"):
            yield from re.findall(r"(\w+)\s*(?:\[[^]]*\]\s*)*(?:,|$)", statement)


@functools.cache
def declared(name):
    """All names that a header gives its users."""
    whole = sources()[name]
    names = set(re.findall(r"^\s*#\s*define\s+(\w+)", whole, re.M))
    code = TEXT.sub('""', DIRECTIVE.sub("", whole))
    for enum, constants in re.findall(r"\benum\s*(\w*)\s*\{([^}]*)\}", code):
        names |= {enum} | set(re.findall(r"(?:^|,)\s*(\w+)", constants))
    names |= set(re.findall(r"\b(?:struct|union)\s+(\w+)\s*\{", code))
    names |= set(re.findall(r"^(?:struct|union)\s+(\w+)\s*;", code, re.M))
    for typedef in re.findall(r"^typedef\s([^;{]*)", code, re.M):
        found = (re.search(r"\(\s*\*\s*(\w+)\s*\)", typedef) or re.search(r"(\w+)\s*\(", typedef)
                 or re.search(r"(\w+)\s*$", typedef))
        names |= {found[1]} if found else set()
    return (names | set(functions_and_objects(code))) - {""}


def headers():
    return [name for name in sources() if name.endswith(".h")]


@functools.cache
def users():
    """Which files include a header, beside its own module's."""
    found = {}
    for name in sources():
        for header in includes(name):
            if module_of(header) != module_of(name):
                found.setdefault(header, set()).add(name)
    return found


def needless_includes():
    """(file, header): a .c file that uses no name of what it includes."""
    for name in sources():
        for header in includes(name) if name.endswith(".c") else ():
            if header in sources() and module_of(header) != module_of(name) and not declared(header) & words(name):
                yield name, header


def known_to_one_file():
    """(header, name): a function or an object that a header declares and only the .c file that has it uses."""
    files = {}
    for name in sources():
        for word in words(name):
            files.setdefault(word, set()).add(name)
    for header in headers():
        for name in sorted(set(functions_and_objects(TEXT.sub('""', DIRECTIVE.sub("", sources()[header]))))):
            beside = [other for other in files.get(name, ()) if not declares(other, name)]
            by_header = len(re.findall(rf"\b{name}\b", sources()[header])) > 1  # a macro, or an inline function
            if not by_header and (not beside or len(beside) == 1 and defines(beside[0], name)):
                yield header, name


@functools.cache
def declares(name, word):
    return name.endswith(".h") and word in declared(name)


def defines(name, word):
    return re.search(rf"^[a-z][^;={{}}]*\b{word}\s*(\([^;]*?\)\s*\{{|(\[[^]]*\]\s*)*=)", sources()[name], re.M) is not None


MEMBER = re.compile(r"[\s*(](\w+)\s*\)?\s*(?:\[[^\]]*\]\s*)*(?::\s*\d+\s*)?(?:\([^)]*\)\s*)?(?:,|$)")


def fields():
    """(file, struct, field) of each struct with a name."""
    for name in sources():
        code = TEXT.sub('""', DIRECTIVE.sub("", sources()[name]))
        for found in re.finditer(r"\bstruct\s+(\w+)\s*\{([^{}]*)\}", code):
            for statement in found[2].split(";"):
                for field in MEMBER.findall(" " + statement.strip()):
                    yield name, found[1], field


def fields_unused():
    """
    (file, struct, field): the name of the field stands nowhere in src/ but where structs have such a field. Field
    tables name the length of X, X_count, by X alone (codec/codec.h).
    """
    count = {}
    for name in sources():
        for word in re.findall(r"\w+", TEXT.sub('""', sources()[name])):
            count[word] = count.get(word, 0) + 1
    for name, struct, field in (rows := list(fields())):
        counted = field.removesuffix("_count")
        known = counted != field and any(other == (name, struct, counted) for other in rows)
        if not known and count.get(field, 0) <= sum(other == field for _, _, other in rows):
            yield name, struct, field
