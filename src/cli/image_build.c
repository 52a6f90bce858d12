#include "cli/image_build.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "cli/build_cache.h"
#include "cli/build_sandbox.h"
#include "cli/client.h"
#include "cli/dockerfile.h"
#include "cli/image_store.h"

/* Services have their users below: see USERS_FIRST of the engine. */
#define USERS_FIRST UINT32_C(0xc0000000)

enum { BUILDS_AT_ONCE = 1024 };

/* ---- what it takes ---- */

static bool is_installed(struct cli *cli, const char *name)
{
    struct slice rest = slice_of(getenv("PATH")), part;
    while (slice_cut(&rest, ':', &part)) {
        if (access(arena_printf(&cli->arena, "%.*s/%s", SLICE_ARG(part), name), X_OK) == 0) {
            return true;
        }
    }
    return false;
}

static bool can_build(struct cli *cli, struct error *err)
{
    static const char *const tools[] = {"buildah", "crun", "skopeo", "umoci", "tar"};
    if (geteuid() != 0) {
        return error_set(err, STATUS_UNIMPLEMENTED,
                         "an image is built within walls, and those need root: run this as root "
                         "(sudo), or build it elsewhere and `homerun images import` it");
    }
    for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
        if (!is_installed(cli, tools[i])) {
            return error_set(err, STATUS_UNIMPLEMENTED,
                             "building an image needs %s, which is not installed: make containers, "
                             "or apt-get install %s",
                             tools[i], tools[i]);
        }
    }
    if (option_given(&cli->in, "build-network") &&
        (!is_installed(cli, "slirp4netns") || access("/dev/net/tun", F_OK) != 0)) {
        return error_set(err, STATUS_UNIMPLEMENTED,
                         "--build-network needs slirp4netns and /dev/net/tun: make containers, or "
                         "apt-get install slirp4netns");
    }
    return true;
}

static bool read_dockerfile(struct cli *cli, const char *dir, const char **name,
                            struct dockerfile_bases *bases, struct error *err)
{
    static const char *const names[] = {"Dockerfile", "Containerfile"};
    struct slice text;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *path = arena_printf(&cli->arena, "%s/%s", dir, names[i]);
        if (access(path, F_OK) == 0) {
            *name = names[i];
            return file_read(&cli->arena, path, DOCKERFILE_BYTES_MAX, &text, err) &&
                   dockerfile_bases(&cli->arena, text, bases, err);
        }
    }
    return error_set(err, STATUS_NOT_FOUND,
                     "%s has no Dockerfile: write one (there are no buildpacks here), such as "
                     "`FROM IMAGE` and `COPY . /app`",
                     dir);
}

/* ---- the build's folder ---- */

/* What a build left behind that was killed: its folder is named for its process. */
static void sweep_dead(struct cli *cli, const char *builds)
{
    DIR *folder = opendir(builds);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *dash = strrchr(entry->d_name, '-');
        pid_t pid = dash == NULL ? 0 : (pid_t)strtol(dash + 1, NULL, 10);
        if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) {
            const char *path = arena_printf(&cli->arena, "%s/%s", builds, entry->d_name);
            sandbox_end(&(struct sandbox){.dir = path});
            tool_run_here((const char *[]){"rm", "-rf", "--one-file-system", path, NULL});
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

static bool make_folders(struct cli *cli, const char *dir, struct error *err)
{
    static const char *const names[] = {"context", "bases", "store/tmp", "cache", "crun"};
    if (!file_make_dir(dir, 0755, err)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!file_make_dir(arena_printf(&cli->arena, "%s/%s", dir, names[i]), 0755, err)) {
            return false;
        }
    }
    return true;
}

/* Our data folder, with its keys, is never a part of an image, wherever it lies. */
static bool copy_context(struct cli *cli, const char *from, const char *dir, struct error *err)
{
    static const char script[] = "tar --create --anchored --no-wildcards --exclude=\"$3\" "
                                 "--directory=\"$1\" --file=- . | "
                                 "tar --extract --no-same-owner --directory=\"$2\" --file=-";
    const char *data = session_data(cli);
    size_t length = strlen(from);
    bool inside = strncmp(data, from, length) == 0 && (data[length] == '/' || data[length] == '\0');
    if (inside && data[length] == '\0') {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "%s is the data folder of this server: nothing is built of it", from);
    }
    const char *without = arena_printf(&cli->arena, ".%s", inside ? data + length : "/.no-such");
    const char *to = arena_printf(&cli->arena, "%s/context", dir);
    return tool_run_here((const char *[]){"sh", "-c", script, "sh", from, to, without, NULL}) ||
           error_set(err, STATUS_FAILED_PRECONDITION, "%s could not be copied", from);
}

/* ---- what it is built on ---- */

static bool on_loopback(const char *reference)
{
    return strncmp(reference, "127.", 4) == 0 || strncmp(reference, "localhost", 9) == 0 ||
           strncmp(reference, "[::1]", 5) == 0;
}

/* A local image, or one of a registry, as a layout below the build's folder. */
static bool bring_base(struct cli *cli, const json_t *images, const char *name, const char *target,
                       struct error *err)
{
    const json_t *local = image_row(cli, images, name);
    const char *manifest = json_text(local, "manifest");
    const char *source, *verify = "--src-tls-verify=true";
    if (local != NULL && manifest == NULL) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "FROM %s: that image is a program of this machine, and nothing can be "
                         "built on it",
                         name);
    }
    if (local != NULL) {
        source = arena_printf(&cli->arena, "oci:%s:%s", image_layout(cli, manifest), manifest + 7);
    } else {
        source = arena_printf(&cli->arena, "docker://%s", name);
        verify = on_loopback(name) ? "--src-tls-verify=false" : verify;
    }
    printf("Base %s: %s\n", name, local != NULL ? "a local image" : "from its registry");
    return tool_run_here(
               (const char *[]){"skopeo", "copy", "--quiet", verify, source, target, NULL}) ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "FROM %s: it is no local image (`homerun images list`), and could not be had "
                     "from its registry",
                     name);
}

static bool bring_bases(struct cli *cli, const struct dockerfile_bases *bases, const char *dir,
                        struct error *err)
{
    auto_json *images = list_all(cli, IMAGES_PATH, "images", err);
    for (size_t i = 0; images != NULL && i < bases->count; i++) {
        const char *target = arena_printf(&cli->arena, "oci:%s/bases/%zu:base", dir, i);
        if (!bring_base(cli, images, bases->names[i], target, err)) {
            return false;
        }
    }
    return images != NULL;
}

/* ---- the build ---- */

/*
 * $1: the Dockerfile's name; then the bases, in the order of their layouts. Each gets the name that
 * the Dockerfile knows it by.
 *
 * What a step has changed must not be found out by comparing: buildah compares lengths, and times
 * by the second, and so loses a file that is as long and as old as the one it replaces. An overlay
 * file system knows what was written. Where none can be mounted, the whole tree is taken as one
 * layer.
 */
static const char script[] =
    "store=/cache; driver=overlay; how='--layers --force-rm'\n"
    "ln -s /store/tmp /var/tmp\n"
    "buildah() {\n"
    "    command buildah --root $store/$driver --runroot /run/$driver --storage-driver $driver "
    "\"$@\"\n"
    "}\n"
    "buildah info 2>/dev/null | grep -q '\"Native Overlay Diff\": \"true\"' || {\n"
    "    echo 'No overlay file system can be mounted below the data folder: each step is run each "
    "time, and the image is one layer'\n"
    "    store=/store; driver=vfs; how=--squash\n"
    "}\n"
    "file=$1; shift; n=0\n"
    "for name; do\n"
    "    id=$(buildah pull --quiet oci:/bases/$n:base) && buildah tag \"$id\" \"$name\" || exit\n"
    "    n=$((n + 1))\n"
    "done\n"
    "buildah bud $how --isolation chroot --network host --pull-never --format oci "
    "--iidfile /store/id --file \"/context/$file\" /context || exit\n"
    "buildah push --quiet \"$(cat /store/id)\" oci:/store/out:image >/dev/null";

struct build {
    const char *from, *file; /* the folder, and its Dockerfile's name */
    const char *dir;         /* gone after it */
    struct dockerfile_bases bases;
    struct build_cache cache;
    bool whole; /* it ended by itself */
};

static bool build_in(struct cli *cli, struct build *build, struct error *err)
{
    const char *dir = build->dir;
    const struct dockerfile_bases *bases = &build->bases;
    unsigned number = build->cache.number;
    if (build->cache.dir == NULL) {
        number = BUILD_CACHES + (unsigned)(random_u64() % (BUILDS_AT_ONCE - BUILD_CACHES));
    }
    const char *argv[6 + DOCKERFILE_BASES_MAX] = {"/bin/sh", "-c", script, "build", build->file};
    struct sandbox sandbox = {
        .dir = dir,
        .data = session_data(cli),
        .network = option_given(&cli->in, "build-network"),
        .cache = build->cache.store,
        .users_first = USERS_FIRST + number * SANDBOX_USERS,
    };
    for (size_t i = 0; i < bases->count; i++) {
        argv[5 + i] = bases->names[i];
    }
    if (!copy_context(cli, build->from, dir, err) || !bring_bases(cli, bases, dir, err) ||
        !sandbox_write(&sandbox, argv, err)) {
        return false;
    }
    const char *owner =
        arena_printf(&cli->arena, "%u:%u", sandbox.users_first, sandbox.users_first);
    const char *words[] = {"chown",
                           "-R",
                           "-h",
                           owner,
                           arena_printf(&cli->arena, "%s/context", dir),
                           arena_printf(&cli->arena, "%s/bases", dir),
                           arena_printf(&cli->arena, "%s/store", dir),
                           arena_printf(&cli->arena, "%s/cache", dir),
                           arena_printf(&cli->arena, "%s/rootfs", dir),
                           NULL};
    if (!tool_run_here(words)) {
        return error_set(err, STATUS_INTERNAL, "the files of the build could not be given to it");
    }
    printf("Building %s\n", build->from);
    return sandbox_run(&sandbox, &build->whole, err);
}

bool image_build(struct cli *cli, const char *dir, const char *image, struct slice *digest,
                 struct error *err)
{
    char from[PATH_MAX];
    struct build build = {.from = from, .file = "", .whole = true};
    if (realpath(dir, from) == NULL) {
        return error_errno(err, "%s", dir);
    }
    if (!can_build(cli, err) || !read_dockerfile(cli, from, &build.file, &build.bases, err)) {
        return false;
    }
    const char *builds = arena_printf(&cli->arena, "%s/images/builds", session_data(cli));
    build.dir = arena_printf(&cli->arena, "%s/build-%d", builds, (int)getpid());
    sweep_dead(cli, builds);
    build_cache_take(cli, image, option_given(&cli->in, "no-cache"), USERS_FIRST, SANDBOX_USERS,
                     &build.cache);
    bool good = file_make_dir(builds, 0700, err) && make_folders(cli, build.dir, err) &&
                build_in(cli, &build, err) &&
                image_copy(cli, arena_printf(&cli->arena, "oci:%s/store/out:image", build.dir),
                           digest, err);
    build_cache_give(cli, &build.cache, build.whole);
    tool_run_here((const char *[]){"rm", "-rf", "--one-file-system", build.dir, NULL});
    return good;
}
