"""Images for the tests' cluster, made of files of this machine: one layer, in the form of `docker save`, without a registry."""
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile


def libraries(program):
    """What the loader opens for PROGRAM; nothing for one that is linked statically."""
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return sorted(set(re.findall(r"(/[^ ]+)", text)) - {program})


def add_file(layer, source, target):
    info = tarfile.TarInfo(target.lstrip("/"))
    info.size, info.mode = os.path.getsize(source), 0o755
    with open(source, "rb") as file:
        layer.addfile(info, file)


def write(path, name, entry, files, user="1000"):
    """Writes the image NAME to PATH: FILES (where it is here: where it stands there), started by the words of ENTRY."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        for folder in ("tmp", "data"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777
            layer.addfile(info)
        for source, target in files.items():
            add_file(layer, source, target)
    layer = content.getvalue()
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                         "config": {"Entrypoint": entry, "User": user, "Env": ["PATH=/usr/bin:/bin"]}}).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}.tar"]}]).encode()
    with tarfile.open(path, "w") as out:
        for part, text in ((f"{digest}.tar", layer), (config_name, config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(part)
            info.size = len(text)
            out.addfile(info, io.BytesIO(text))


def of_program(path, name, program, words, more=()):
    """As write(), of PROGRAM with its libraries and MORE files of this machine, each at the place it has here."""
    files = {program: f"/usr/bin/{os.path.basename(program)}"}
    for each in [*libraries(program), *more]:
        files[os.path.realpath(each)] = each
    write(path, name, [f"/usr/bin/{os.path.basename(program)}", *words], files)
