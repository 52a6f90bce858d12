#!/usr/bin/env python3
"""Cloud Storage and NFS volumes: folders of this machine that the operator has mapped, and nothing beyond them."""
import contextlib
import os
import socket
import subprocess
import threading

import oci
from by_api import RUN, SERVICES, deploy, make_account
from homerun import Homerun, finally_do, main, need, test, wait_until

SERVICES_V2 = "/v2/projects/demo/locations/us-central1/services"


@finally_do
def close():
    oci.close()


def shared(name, owner=1234):
    """A folder of this machine with a file in it, of a user that no container has by itself."""
    path = os.path.join(oci.folder, name)
    if not os.path.exists(path):
        os.makedirs(path)
        with open(os.path.join(path, "note"), "w", encoding="utf-8") as file:
            file.write(f"of {name}\n")
        os.chmod(path, 0o750)
        for one in (path, os.path.join(path, "note")):
            os.chown(one, owner, owner)
    return path


def service(name, *volumes, **container):
    """A service that mounts VOLUMES (v2's words) at /mnt/0, /mnt/1 …; the answer."""
    body = {"invokerIamDisabled": True, "template": {
        "volumes": [{"name": f"v{n}", **volume} for n, volume in enumerate(volumes)],
        "containers": [{"image": "web:1", "volumeMounts": [
            {"name": f"v{n}", "mountPath": f"/mnt/{n}"} for n in range(len(volumes))], **container}]}}
    oci.homerun()
    return oci.stand.api("PATCH", f"{SERVICES_V2}/{name}?allowMissing=true", body)


def serves(name, *volumes, **container):
    got = service(name, *volumes, **container)
    assert got.status == 200, got
    settled = oci.wait_settled(oci.stand, name)
    assert settled["status"] == "True", settled


def mapped(name, path, *flags):
    return oci.homerun().cli("volumes", "map", name, path, *flags).stdout


@test
def a_bucket_that_is_mapped_is_read_and_written_as_who_owns_the_folder():
    path = shared("data")
    assert path in mapped("bucket-a", path)
    serves("reads", {"gcs": {"bucket": "bucket-a"}})
    assert oci.inside("reads", "cat /mnt/0/note") == "of data\n"
    told = oci.inside("reads", "echo mine > /mnt/0/new && mkdir /mnt/0/sub && ls -ln /mnt/0/new")
    assert told.split()[2:4] == ["0", "0"], "inside it is the container's own"
    status = os.stat(os.path.join(path, "new"))
    assert (status.st_uid, status.st_gid) == (1234, 1234), "here it is who owns the folder"
    rows = oci.homerun().cli("volumes", "list").stdout
    assert "bucket-a" in rows and path in rows, rows


@test
def what_is_not_mapped_is_refused_by_name_with_the_command():
    for volume, name in (({"gcs": {"bucket": "no-such"}}, "no-such"),
                         ({"nfs": {"server": "10.0.0.7", "path": "/export"}}, "10.0.0.7:/export")):
        got = service("refused", volume)
        assert got.status == 400 and f"homerun volumes map {name} DIR" in got.text, got
    got = service("refused", {"gcs": {"bucket": ""}})
    assert got.status == 400 and "'v0' needs exactly one source" in got.text, got


@test
def the_socket_of_a_cloud_sql_instance_that_is_mapped_is_below_cloudsql():
    oci.inside_program("true")  # the image of a program that does what it is sent
    path = os.path.join(oci.folder, "sql")
    os.makedirs(path)
    os.chown(path, 1234, 1234)
    connect = ("python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); "
               "s.connect(\"%s/demo:europe-west1:db/.s.PGSQL.5432\"); print(s.recv(9))'; "
               "touch %s/demo:europe-west1:db/x; ls /cloudsql")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.join(path, ".s.PGSQL.5432"))
        os.chmod(os.path.join(path, ".s.PGSQL.5432"), 0o777)
        server.listen()

        def greet():
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].sendall(b"HELLO")
        threading.Thread(target=greet, daemon=True).start()
        mapped("demo:europe-west1:db", path)
        deploy(oci.stand, "sql-v1", "cgi:1", template_notes={
            RUN + "cloudsql-instances": "demo:europe-west1:db,demo:europe-west1:absent"})
        told = oci.ask("sql-v1", "/cgi-bin/run", method="POST", body=(connect % (("/cloudsql",) * 2)).encode()).text
        assert "HELLO" in told and "Read-only" in told and "absent" not in told, told
        serves("sql-v2", {"cloudSqlInstance": {"instances": ["demo:europe-west1:db"]}})
        assert oci.inside("sql-v2", "ls -a /mnt/0/demo:europe-west1:db").split()[-1] == ".s.PGSQL.5432"
        server.shutdown(socket.SHUT_RDWR)


@test
def an_nfs_export_is_a_folder_too_and_v1_says_both_in_its_words():
    mapped("10.0.0.8:/export", shared("export"))
    mapped("bucket-b", shared("other"))
    serves("both", {"nfs": {"server": "10.0.0.8", "path": "/export"}},
           {"gcs": {"bucket": "bucket-b", "readOnly": True}})
    assert oci.inside("both", "cat /mnt/0/note /mnt/1/note") == "of export\nof other\n"
    shown = oci.homerun().api("GET", f"{SERVICES}/both").json
    volumes = shown["spec"]["template"]["spec"]["volumes"]
    assert volumes[0]["nfs"] == {"server": "10.0.0.8", "path": "/export"}, volumes
    assert volumes[1]["csi"] == {"driver": "gcsfuse.run.googleapis.com", "readOnly": True,
                                 "volumeAttributes": {"bucketName": "bucket-b"}}, volumes
    again = oci.homerun().api("PUT", f"{SERVICES}/both", shown)
    assert again.status == 200, again
    assert again.json["status"]["latestCreatedRevisionName"] == shown["status"]["latestCreatedRevisionName"]
    shown["spec"]["template"]["spec"]["volumes"][1]["csi"]["driver"] = "other"
    assert oci.homerun().api("PUT", f"{SERVICES}/both", shown).status == 400


@test
def read_only_is_held_by_the_mount_whoever_asks_for_it():
    path = shared("kept")
    mapped("kept-by-map", path, "--read-only")
    mapped("kept-by-volume", path)
    serves("keeps", {"gcs": {"bucket": "kept-by-map"}},
           {"gcs": {"bucket": "kept-by-volume", "readOnly": True}})
    for place in (0, 1):
        told = oci.inside("keeps", f"echo x > /mnt/{place}/new; mount -o remount,rw /mnt/{place}; "
                          f"echo x >> /mnt/{place}/note; cat /mnt/{place}/note")
        assert "Read-only file system" in told and told.endswith("of kept\n"), told
    assert os.listdir(path) == ["note"]


@test
def nothing_leads_out_of_the_folder_nor_to_devices_or_rights():
    path = shared("hostile")
    secret = os.path.join(oci.folder, "secret-of-the-machine")
    with open(secret, "w", encoding="utf-8") as file:
        file.write("OUT\n")
    os.symlink(secret, os.path.join(path, "absolute"))
    os.symlink("../secret-of-the-machine", os.path.join(path, "relative"))
    os.symlink("/proc/1/root" + secret, os.path.join(path, "by-proc"))
    os.mknod(os.path.join(path, "memory"), 0o20666, os.makedev(1, 1))
    inner = os.path.join(path, "inner")
    os.mkdir(inner)
    subprocess.run(["mount", "-t", "tmpfs", "none", inner], check=True)
    try:
        with open(os.path.join(inner, "file"), "w", encoding="utf-8") as file:
            file.write("OUT\n")
        mapped("hostile", path)
        serves("leads", {"gcs": {"bucket": "hostile"}})
        told = oci.inside("leads", "cd /mnt/0; cat absolute relative by-proc inner/file; cat ../secret*; "
                          "head -c 1 memory && echo OUT; cat ../../secret*")
        assert "OUT" not in told, told
    finally:
        subprocess.run(["umount", inner], check=True)
    moved = os.path.join(oci.folder, "moved")
    os.rename(path, moved)
    os.symlink("/etc", path)
    try:
        wait_until(lambda: not oci.instances("leads"), "asleep", 60)
        for _ in range(2):  # the first may wake one that was prepared before
            oci.ask("leads")
            wait_until(lambda: not oci.instances("leads"), "asleep", 60)
        got = oci.ask("leads", "/cgi-bin/run", method="POST", body=b"cat /mnt/0/passwd /mnt/0/hostname")
        assert "root:" not in got.text, got
    finally:
        os.remove(path)
        os.rename(moved, path)


@test
def a_folder_that_holds_our_keys_or_is_not_there_is_not_mapped():
    data = os.path.abspath(oci.homerun().data)
    for path in ("/", data, os.path.join(data, "log"), os.path.dirname(data)):
        told = oci.homerun().cli("volumes", "map", "keys", path, status=1).stderr
        assert "data folder of this server" in told, (path, told)
    assert "no such folder" in oci.homerun().cli("volumes", "map", "keys", "/no/such", status=1).stderr
    email = make_account(oci.homerun(), "maps-it")
    token = oci.homerun().token("access", member=f"serviceAccount:{email}")
    got = oci.homerun().api("POST", "/homerun/v1/projects/demo/volumes",
                            {"name": "mine", "dir": oci.folder}, token=token)
    assert got.status == 403, got


@test
def a_folder_may_be_for_some_service_accounts_alone():
    email = make_account(oci.homerun(), "reader")
    mapped("for-reader", shared("private"), f"--service-account={email}")
    got = service("stranger", {"gcs": {"bucket": "for-reader"}})
    assert got.status == 400 and "other service accounts" in got.text, got
    body = {"invokerIamDisabled": True, "template": {
        "serviceAccount": email, "volumes": [{"name": "v", "gcs": {"bucket": "for-reader"}}],
        "containers": [{"image": "web:1", "volumeMounts": [{"name": "v", "mountPath": "/mnt/v"}]}]}}
    assert oci.stand.api("PATCH", f"{SERVICES_V2}/known?allowMissing=true", body).status == 200
    assert oci.wait_settled(oci.stand, "known")["status"] == "True"
    assert oci.inside("known", "cat /mnt/v/note") == "of private\n"


@test
def what_is_unmapped_starts_no_more_and_says_what_to_do():
    mapped("goes", shared("goes"))
    serves("loses", {"gcs": {"bucket": "goes"}})
    oci.homerun().cli("volumes", "unmap", "goes")
    wait_until(lambda: not oci.containers_of(oci.stand, "loses"), "what ran and what waited have gone", 60)
    got = oci.ask("loses")
    assert got.status >= 500, got
    wait_until(lambda: "homerun volumes map goes DIR" in
               oci.homerun().cli("services", "logs", "loses").stdout, "the log says what to do", 30)
    assert "mapped to no folder" in oci.homerun().cli("volumes", "unmap", "goes", status=1).stderr
    mapped("goes", shared("goes"))
    wait_until(lambda: oci.ask("loses").status == 200, "it starts again", 60)


@test
def gcloud_adds_a_bucket_as_a_volume():
    need("gcloud")
    mapped("by-gcloud", shared("gcloud"))
    oci.homerun().gcloud("run", "deploy", "volumes-by-gcloud", "--image=web:1", "--no-invoker-iam-check",
                         "--add-volume=name=d,type=cloud-storage,bucket=by-gcloud",
                         "--add-volume-mount=volume=d,mount-path=/mnt/d")
    assert oci.inside("volumes-by-gcloud", "cat /mnt/d/note") == "of gcloud\n"


@test
def programs_without_walls_have_no_such_volumes():
    with Homerun("--engine=process", "--plain") as plain:
        got = plain.api("PATCH", f"{SERVICES_V2}/no?allowMissing=true", {"template": {
            "volumes": [{"name": "v", "gcs": {"bucket": "b"}}],
            "containers": [{"image": "homerun.test/hello"}]}})
        assert got.status == 400 and "--engine=process" in got.text, got


@test
def a_part_of_a_volume_is_mounted_by_its_path_and_made_where_it_is_missing():
    path = shared("parts")
    for name in ("there", "bucket/part"):
        os.makedirs(os.path.join(path, name))
    for folder, names, _ in os.walk(path):
        for one in names:
            os.chown(os.path.join(folder, one), 1234, 1234)
    os.symlink("/etc", os.path.join(path, "out"))
    os.symlink("there", os.path.join(path, "near"))
    mapped("bucket-p", path)
    mapped("bucket-r", path, "--read-only")

    def mounts(*parts, volume=0):
        return {"volumeMounts": [{"name": f"v{volume}", "mountPath": f"/mnt/{n}", "subPath": part}
                                 for n, part in enumerate(parts)]}
    serves("parts", {"gcs": {"bucket": "bucket-p"}}, **mounts("there", "new/deep", "./there//"))
    told = oci.inside("parts", "echo one > /mnt/0/file; cat /mnt/2/file; echo two > /mnt/1/file; ls -a /mnt/0 /mnt/0/..; "
                      "ls -ldn /mnt/1")
    assert told.startswith("one\n") and "note" not in told and told.split()[-7:-5] == ["0", "0"], told
    made = os.stat(os.path.join(path, "new", "deep"))
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (1234, 1234, 0o750), made
    # As the options of a bucket say it, and below that.
    serves("only", {"gcs": {"bucket": "bucket-p", "mountOptions": ["only-dir=bucket"]}}, **mounts("", "part"))
    assert oci.inside("only", "ls /mnt/0; touch /mnt/1/here") == "part\n"
    assert os.path.exists(os.path.join(path, "bucket", "part", "here"))
    # In memory, shared.
    serves("memory", {"emptyDir": {}}, **mounts("", "a", "a/b"))
    assert oci.inside("memory", "echo x > /mnt/2/file; cat /mnt/0/a/b/file /mnt/1/b/file") == "x\nx\n"

    def fails(name, bucket, part):
        got = service(name, {"gcs": {"bucket": bucket}}, **mounts(part))
        assert got.status == 200, got
        settled = oci.wait_settled(oci.stand, name)
        assert settled["status"] == "False", settled
        return settled["message"]
    for part in ("out", "near", "near/deep", "note"):
        assert "cannot be opened below" in fails("links", "bucket-p", part), part
    assert "where it is read-only none is made" in fails("reads-none", "bucket-r", "absent")
    for part in ("/etc", "..", "a/../b", "a/.."):
        got = service("refused", {"gcs": {"bucket": "bucket-p"}}, **mounts(part))
        assert got.status == 400 and "must be a relative path" in got.text, got
    got = service("refused", {"gcs": {"bucket": "bucket-p", "mountOptions": ["only-dir=../x"]}}, **mounts(""))
    assert got.status == 400 and "only-dir" in got.text, got


@test
def who_swaps_folders_and_links_while_others_start_gains_nothing():
    """One container writes the whole folder, and puts a link in the place of what others mount, over and over."""
    path = shared("swaps")
    mapped("bucket-s", path)
    serves("swapper", {"gcs": {"bucket": "bucket-s"}})
    deep = [{"name": "v0", "mountPath": "/mnt/0", "subPath": "a/b"}]
    oci.inside("swapper", "cd /mnt/0; mkdir -p a/b ok; echo ours > a/b/mark; cp a/b/mark ok; ln -s /etc l; ln -s / r; "
               "(while [ ! -e stop ]; do for d in a a/b; do mv $d save; mv l $d; mv $d l; mv r $d; mv $d r; mv save $d; done; done) "
               ">/dev/null 2>&1 &")
    try:
        for number in range(8):
            name = f"started{number}"
            assert service(name, {"gcs": {"bucket": "bucket-s"}}, volumeMounts=deep).status == 200
            if oci.wait_settled(oci.stand, name)["status"] == "True":
                told = oci.inside(name, "ls -a /mnt/0; grep ' /mnt/0 ' /proc/self/mountinfo")
                assert "passwd" not in told and "shadow" not in told and "proc" not in told.split(), told
                assert "/swaps" in told, "what is mounted lies below the folder: " + told
    finally:
        open(os.path.join(path, "stop"), "w", encoding="utf-8").close()


if __name__ == "__main__":
    main()
