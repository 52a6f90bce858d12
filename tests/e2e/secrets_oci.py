#!/usr/bin/env python3
"""Secrets in containers (--engine=oci): as variables and as files, and what of them lies on disk."""
import base64
import os
import subprocess

from by_api import SCALE, SERVICES, deploy, put_service, wait_settled
from homerun import Homerun, main, need, test, wait_until
from oci import LAYOUT, ask, homerun, inside, instances, make_image, read, service, waits_prepared

SECRETS = "/v1/projects/demo/secrets"


def api(method, path, body=None, status=200, of=None):
    answer = (of or homerun()).api(method, path, body)
    assert answer.status == status, f"{method} {path}: {answer}"
    return answer.json


def add_version(name, value, of=None):
    data = base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
    api("POST", f"{SECRETS}/{name}:addVersion", {"payload": {"data": data}}, of=of)


def secret(name, *values, of=None):
    """Of which the default runtime account may read every version."""
    api("POST", f"{SECRETS}?secretId={name}", {"replication": {"automatic": {}}}, of=of)
    for value in values:
        add_version(name, value, of)
    member = f"serviceAccount:{(of or homerun()).ready['projectNumber']}-compute@developer.gserviceaccount.com"
    api("POST", f"{SECRETS}/{name}:setIamPolicy", {"policy": {"bindings": [
        {"role": "roles/secretmanager.secretAccessor", "members": [member]}]}}, of=of)


def mounted(volume, folder, **how):
    """What deploy() takes for a secret as files in FOLDER."""
    how.setdefault("container", {}).setdefault("volumeMounts", []).append({"name": "v", "mountPath": folder})
    how.setdefault("spec", {})["volumes"] = [{"name": "v", "secret": volume}]
    return how


def from_secret(variable, name, version="latest"):
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": version}}}


def on_disk(value):
    """Files below the data folder, and those of crun's, that hold VALUE; those in memory do not count."""
    found = []
    for folder, _, names in os.walk(homerun().data):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    if value in file.read():
                        found.append(path)
    return found


@test
def a_variable_has_its_value_and_no_file_on_disk_has():
    secret("in-env", "a value for the environment 4712")
    service("env", container={"env": [from_secret("PASSWORD", "in-env")]})
    assert inside("env", "echo \"$PASSWORD\"") == "a value for the environment 4712\n"
    assert on_disk(b"a value for the environment 4712") == []


@test
def files_have_the_modes_and_paths_that_were_asked_for():
    secret("as-files", "first", b"\x00\xff second")
    items = [{"key": "1", "path": "a/one", "mode": 0o400}, {"key": "latest", "path": "two"}]
    service("files", **mounted({"secretName": "as-files", "items": items, "defaultMode": 0o440}, "/etc/keys"))
    assert inside("files", "cat /etc/keys/a/one") == "first"
    assert "00 ff 20 73" in inside("files", "hexdump -C /etc/keys/two")
    listed = inside("files", "ls -ln /etc/keys /etc/keys/a")
    assert "-r--------    1 0        0" in listed and "-r--r-----    1 0        0" in listed, listed
    assert on_disk(b"\x00\xff second") == []


@test
def without_items_the_file_is_named_for_the_secret_and_everybody_reads_it():
    image = make_image("reader", "--config.user=web", "--config.cmd=/bin/sh", "--config.cmd=-c",
                       "--config.cmd=exec /bin/httpd -f -p 0.0.0.0:$PORT -h /www")
    homerun().cli("images", "import", "reader:1", image)
    secret("whole", "the latest")
    service("whole", "reader:1", **mounted({"secretName": "whole"}, "/secrets"))
    assert inside("whole", "id -u; cat /secrets/whole") == "1000\nthe latest"


@test
def a_new_version_of_latest_comes_into_the_files_of_an_instance_that_runs_and_into_nothing_else():
    secret("moves", "version one")
    items = [{"key": "latest", "path": "now"}, {"key": "1", "path": "kept"}]
    how = mounted({"secretName": "moves", "items": items}, "/secrets")
    how["container"]["env"] = [from_secret("MOVES", "moves")]
    service("moves", template_notes={SCALE + "minScale": "1", SCALE + "maxScale": "1"}, **how)
    running = wait_until(lambda: instances("moves"), "it runs")
    add_version("moves", "version two, longer")
    wait_until(lambda: inside("moves", "cat /secrets/now") == "version two, longer", "the file has it")
    assert inside("moves", "cat /secrets/kept; echo; echo $MOVES; ls /secrets") == "version one\nversion one\nkept\nnow\n"
    api("POST", f"{SECRETS}/moves:setIamPolicy", {"policy": {"bindings": []}})
    add_version("moves", "version three")
    wait_until(lambda: "stay as they are: Permission denied on secret" in
               homerun().cli("services", "logs", "moves").stdout, "the log says that it may not any more")
    assert inside("moves", "cat /secrets/now") == "version two, longer"
    assert instances("moves") == running
    assert on_disk(b"version two, longer") == []
    assert homerun().api("DELETE", f"{SERVICES}/moves").status == 200


def reads(name):
    """What deploy() takes for a service that has the secret NAME as a variable and as a file."""
    how = mounted({"secretName": name}, "/secrets")
    how["container"]["env"] = [from_secret("VALUE", name)]
    return how


@test
def what_waits_prepared_serves_only_with_the_secrets_of_when_it_wakes():
    secret("wakes", "first")
    service("wakes", **reads("wakes"))
    used = set()

    def prepared():
        return {one.rsplit("-", 1)[0] for one in waits_prepared(homerun(), "wakes")} - used

    def woken():
        """Which one waited, and then the values that a request finds, and in which instance."""
        waited = wait_until(prepared, "one is prepared", 30)
        used.update(waited)
        return waited, lambda: inside("wakes", "echo $VALUE; cat /secrets/wakes; echo; wget -q -O - --header "
                                      "'Metadata-Flavor: Google' http://169.254.169.254/computeMetadata/v1/instance/id").split()
    waited, ask_it = woken()
    assert ask_it() == ["first", "first", *waited], "it was not the one that waited"
    waited, ask_it = woken()
    add_version("wakes", "second")
    told = ask_it()
    assert told[:2] == ["second", "second"] and told[2] not in waited, told
    woken()
    api("POST", f"{SECRETS}/wakes:setIamPolicy", {"policy": {"bindings": []}})
    assert ask("wakes").status == 500
    wait_until(lambda: "Permission denied on secret" in homerun().cli("services", "logs", "wakes").stdout, "it says why")
    assert homerun().api("DELETE", f"{SERVICES}/wakes").status == 200


@test
def a_frozen_instance_goes_on_only_if_its_secrets_are_what_they_were():
    homerun()
    with Homerun("--engine=oci", "--idle=1", "--plain", "--frozen=1") as other:
        other.cli("images", "import", "web:1", f"oci:{LAYOUT}:web")
        secret("rigid", "first", of=other)
        deploy(other, "rigid", "web:1", **reads("rigid"))

        def value(number):
            """What a request finds, once the instance was frozen so many times."""
            log = os.path.join(other.data, "log", "homerun.log")
            wait_until(lambda: read(log).count("instance frozen: revision=rigid-") == number, "frozen", 30)
            script = b"echo $VALUE $(cat /secrets/rigid)"
            return other.get(other.url("rigid") + "/cgi-bin/run", method="POST", body=script).text, instances("rigid")
        first = instances("rigid")
        assert value(1) == ("first first\n", first)
        add_version("rigid", "second", other)
        told, second = value(2)
        assert told == "second second\n" and second != first, (told, first, second)


@test
def nobody_inside_changes_a_secret_and_no_other_container_sees_it():
    secret("kept", "only mine")
    service("keeps", **mounted({"secretName": "kept"}, "/secrets"))
    said = inside("keeps", "echo x > /secrets/kept; echo x > /secrets/more; mount -o remount,rw /secrets; "
                           "rm -f /secrets/kept; umount /secrets; cat /secrets/kept")
    assert said.endswith("only mine") and "Read-only" in said, said
    service("other")
    assert "only mine" not in inside("other", "cat /secrets/kept /run/homerun/*/secrets/*/*")


@test
def a_place_that_is_the_kernels_or_leads_out_is_refused():
    secret("placed", "value")
    for at, (folder, item) in enumerate((("/proc", "a"), ("/dev/shm", "a"), ("/sys/x", "a"), ("/", "a"),
                                         ("/a/..", "b"), ("/ok", "../b"), ("/ok", "/b"), ("/ok", "a/../../b"))):
        name = f"placed-{at}"
        how = mounted({"secretName": "placed", "items": [{"key": "1", "path": item}]}, folder)
        got = put_service(homerun(), name, "web:1", **how)
        if got.status == 200:
            condition = wait_settled(homerun(), name)
            assert condition["status"] == "False" and ("mounted at" in condition["message"] or
                                                       "path of no file" in condition["message"]), condition
        else:
            assert got.status == 400, got


@test
def a_program_of_this_machine_gets_no_secret_over_what_it_reads():
    secret("program", "of this machine")
    homerun().cli("images", "add", "prog:1", "--dir=/usr/share", "--", "sh", "-c",
                  'exec /usr/bin/python3 -m http.server --directory /secrets "$PORT"')
    how = mounted({"secretName": "program"}, "/usr/lib/python3")
    assert put_service(homerun(), "prog-over", "prog:1", **how).status == 200
    message = wait_settled(homerun(), "prog-over")["message"]
    assert "below /secrets, /run/secrets or /mnt" in message, message
    service("prog", "prog:1", **mounted({"secretName": "program"}, "/secrets"))
    assert homerun().get(homerun().url("prog") + "/program").text == "of this machine"


@test
def homeruns_own_flags_are_gclouds():
    secret("flags", "one", "two")
    cli = homerun().cli
    cli("deploy", "flagged", "--image=web:1", "--no-invoker-iam-check",
        "--set-secrets=OLD=flags:1,NEW=flags:latest,/etc/keys/key=flags:2")
    assert inside("flagged", "echo $OLD $NEW; cat /etc/keys/key") == "one two\ntwo"
    cli("services", "update", "flagged", "--update-secrets=/etc/keys/other=flags:1,OLD=flags:2",
        "--set-env-vars=PLAIN=x", "--remove-secrets=NEW")
    said = inside("flagged", "echo $OLD-$NEW-$PLAIN; ls /etc/keys; cat /etc/keys/other")
    assert said == "two--x\nother\none", said
    cli("services", "update", "flagged", "--clear-secrets")
    assert inside("flagged", "echo $OLD-$PLAIN; ls /etc/keys 2>/dev/null") == "-x\n"


@test
def gcloud_mounts_files_too():
    need("gcloud")
    secret("by-gcloud", "one", "two")
    homerun().gcloud("run", "deploy", "by-gcloud", "--image=web:1", "--no-invoker-iam-check", "--set-secrets="
                     "/etc/keys/key=by-gcloud:latest,/other/one=by-gcloud:1,ENV=by-gcloud:2")
    assert inside("by-gcloud", "cat /etc/keys/key /other/one; echo; echo $ENV") == "twoone\ntwo\n"
    homerun().gcloud("run", "services", "update", "by-gcloud", "--remove-secrets=/other/one",
                     "--update-secrets=ENV=by-gcloud:1")
    assert inside("by-gcloud", "cat /etc/keys/key; ls /other 2>/dev/null; echo; echo $ENV") == "two\none\n"


@test
def what_a_container_had_goes_with_it():
    secret("goes", "gone with the container")
    service("goes", container={"env": [from_secret("A", "goes")]}, **{
        "spec": {"volumes": [{"name": "v", "secret": {"secretName": "goes"}}]}})
    assert inside("goes", "echo $A") == "gone with the container\n"
    homerun().stop()
    assert not instances("goes")
    left = subprocess.run(["grep", "-rl", "gone with the container", "/dev/shm", "/run", homerun().data],
                          capture_output=True, text=True).stdout
    assert left == "", left


main()
