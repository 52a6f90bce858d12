/*
 * The container backend: crun, driven directly, for images of containers and for programs of this
 * machine. At the start one container is really run: nothing else tells whether this machine lets
 * us.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "engine/bundle.h"
#include "engine/container.h"
#include "engine/images.h"
#include "engine/rootfs.h"
#include "engine/rootless.h"
#include "engine/trust.h"

enum { PROBE_S = 30 };

/* ---- whether a container can start here ---- */

static bool write_probe(const struct backend *backend, const char *dir, const char *id,
                        const struct namespaces *namespaces, struct error *err)
{
    static const char *const argv[] = {"/homerun-hello", "--probe", NULL};
    static const char *const env[] = {NULL};
    auto_arena arena = {0};
    struct image_command command;
    /* As a service of the built-in container has it. */
    static const char *const program[] = {"homerun-hello", NULL};
    const struct run_container spec = {.name = "",
                                       .image = "",
                                       .dir = "",
                                       .working_dir = "",
                                       .program = program,
                                       .command = env,
                                       .args = env,
                                       .secret_env = env};
    if (!image_resolve(&arena, &spec, &command, err)) {
        return false;
    }
    if (command.dir_fd >= 0) {
        close(command.dir_fd);
    }
    const struct bundle bundle = {.dir = dir,
                                  .id = id,
                                  .argv = argv,
                                  .env = env,
                                  .cwd = "/",
                                  .namespaces = namespaces,
                                  .groups = &backend->groups,
                                  .memory_bytes = CONTAINER_LAYER_BYTES,
                                  .cpu_m = 1000};
    auto_json *config = bundle_config(&bundle);
    return rootfs_of_machine(dir, NULL, command.path, namespaces, CONTAINER_LAYER_BYTES, err) &&
           file_write(arena_printf(&arena, "%s/hosts", dir), SLICE(""), 0644, err) &&
           file_write(arena_printf(&arena, "%s/resolv.conf", dir), SLICE(""), 0644, err) &&
           file_write(arena_printf(&arena, "%s/config.json", dir), json_write(&arena, config), 0644,
                      err);
}

/* Really starts one, with all the walls: nothing else tells whether the kernel, and what we run in
 * ourselves, let it. */
static bool container_starts(const struct backend *backend, struct error *err)
{
    char dir[sizeof(backend->run) + 8];
    struct namespaces namespaces;
    char id[40]; /* control groups are the machine's, where another Homerun may start just now */
    char said[300] = "";
    if (!namespaces_open(&namespaces, home_users(0), err)) {
        return false;
    }
    snprintf(dir, sizeof(dir), "%s/probe", backend->run);
    snprintf(id, sizeof(id), "probe-%016llx", (unsigned long long)random_u64());
    bool good = mkdir(dir, 0755) == 0 || errno == EEXIST || error_errno(err, "%s", dir);
    good = good && write_probe(backend, dir, id, &namespaces, err);
    if (good && !tool_ask_now((const char *[]){"crun", "--root", backend->state, backend->manager,
                                               "run", "--bundle", dir, id, NULL},
                              PROBE_S, said, sizeof(said))) {
        good = error_set(err, STATUS_FAILED_PRECONDITION, "crun: %s", said);
        tool_run_now((const char *[]){"crun", "--root", backend->state, backend->manager, "delete",
                                      "--force", id, NULL});
    }
    rootfs_remove(dir);
    namespaces_close(&namespaces);
    return good;
}

/* Whether PATH is a folder of ours, which it becomes if there is nothing; others may not write to
 * it, nor, with OPEN false, enter it. */
static bool own_folder(const char *path, bool open)
{
    struct stat found;
    mode_t mode = open ? 0755 : 0700;
    bool made = mkdir(path, mode) == 0;
    return (made || errno == EEXIST) && lstat(path, &found) == 0 && S_ISDIR(found.st_mode) &&
           found.st_uid == geteuid() && (found.st_mode & 0777 & ~mode) == 0 &&
           (!made || chmod(path, mode) == 0);
}

/*
 * crun keeps a copy of each configuration, and with it the environment, in which there may be
 * secrets: so its folder lies in memory, named for the data folder. It has to outlive the engine,
 * whose own mounts do not, for its successor to find what was left running.
 */
static bool state_make(struct backend *backend, const char *data, struct error *err)
{
    char of_user[32], user[16] = "";
    const char *const places[] = {geteuid() == 0 ? "/run" : of_user, "/dev/shm"};
    struct statfs kind;
    struct stat found;
    snprintf(of_user, sizeof(of_user), "/run/user/%u", geteuid());
    if (geteuid() != 0) { /* numbers of files come again, for other users */
        snprintf(user, sizeof(user), "-%u", geteuid());
    }
    if (stat(data, &found) != 0) {
        return error_errno(err, "%s", data);
    }
    unsigned long long device = found.st_dev, number = found.st_ino;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (statfs(places[i], &kind) != 0 || kind.f_type != TMPFS_MAGIC) {
            continue;
        }
        snprintf(backend->state, sizeof(backend->state), "%s/homerun-crun-%llx-%llx%s", places[i],
                 device, number, user);
        return own_folder(backend->state, false) ||
               error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s is not a folder of ours alone: remove it", backend->state);
    }
    backend->state_on_disk = true;
    snprintf(backend->state, sizeof(backend->state), "%.4096s/run/crun", data);
    return file_make_dir(backend->state, 0700, err);
}

static bool tools_there(struct error *err)
{
    static const char *const names[] = {"crun", "skopeo", "umoci"};
    char path[4096];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!tool_find(names[i], path)) {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "containers need %s: install it (make containers, or apt-get install "
                             "crun skopeo umoci slirp4netns), or choose --engine=process: plain "
                             "programs, without such walls",
                             names[i]);
        }
    }
    return true;
}

/*
 * Where bundles are mounted. Each folder on the way there must let the users of containers through,
 * which those of an account do not.
 */
static bool run_make(struct backend *backend, const char *data, struct error *err)
{
    struct stat found;
    if (!rootless()) {
        snprintf(backend->run, sizeof(backend->run), "/run/homerun");
        return true;
    }
    if (stat(data, &found) != 0) {
        return error_errno(err, "%s", data);
    }
    snprintf(backend->run, sizeof(backend->run), "%s/homerun-%u-%llx-%llx",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", rootless_owner(),
             (unsigned long long)found.st_dev, (unsigned long long)found.st_ino);
    return own_folder(backend->run, true) ||
           error_set(err, STATUS_FAILED_PRECONDITION, "%s is not a folder of ours: remove it",
                     backend->run);
}

/* Root stays where it is. */
static bool enter_users(const struct backend *backend, struct error *err)
{
    if (geteuid() == 0 || container_join(backend) || rootless_enter(err)) {
        return true;
    }
    rmdir(backend->state); /* if it is empty */
    return error_wrap(err, "containers without root need users of their own; start Homerun as "
                           "root (sudo), or choose --engine=process: plain programs, without such "
                           "walls. Why not");
}

static void cannot_start(struct error *err)
{
    auto_arena arena = {0};
    struct slice list;
    const char *lacks = file_read(&arena, CGROUPS_ROOT "/cgroup.controllers", 4096, &list, NULL)
                            ? cgroups_lack(&arena, list)
                            : "";
    if (*lacks != '\0') {
        error_wrap(err, "its control groups (version 2) have no controller for: %s", lacks);
    }
    error_wrap(err, "no container can start on this machine; --engine=process does without: plain "
                    "programs, without such walls. Why not");
}

static void container_close(struct backend *backend)
{
    for (struct backend_container *c = backend->deleting; c != NULL; c = c->next) {
        tool_cancel(c->delete);
    }
    container_settle(backend);
    rmdir(backend->state); /* if it is empty */
    if (rootless() && umount2(backend->run, MNT_DETACH) == 0) {
        rmdir(backend->run);
    }
    while (backend->deleting != NULL) {
        container_over(backend->deleting);
    }
    oci_store_free(backend->store);
    children_free(backend->children);
    close(backend->null_fd);
    close(backend->dir_fd);
    free(backend);
}

static struct backend *container_open(uv_loop_t *loop, const struct settings *settings,
                                      struct error *err)
{
    if (!tools_there(err)) {
        return NULL;
    }
    struct backend *backend = mem_new(struct backend);
    cgroups_find(&backend->groups);
    backend->manager =
        backend->groups.held ? "--cgroup-manager=cgroupfs" : "--cgroup-manager=disabled";
    snprintf(backend->notes, sizeof(backend->notes), "%.4096s/run/egress", settings->data);
    snprintf(backend->outputs, sizeof(backend->outputs), "%.4096s/run/out", settings->data);
    if (!state_make(backend, settings->data, err) || !enter_users(backend, err) ||
        !run_make(backend, settings->data, err)) {
        return NULL; /* the engine ends */
    }
    if (!rootfs_prepare(backend->run, err)) {
        cannot_start(err);
        return NULL;
    }
    if (!backend->groups.held) {
        log_warn("limits of memory and CPU are not held, only the number of processes: %s",
                 backend->groups.why);
    }
    backend->loop = loop;
    backend->metadata = settings->metadata_url[0] != '\0';
    backend->services_port = (uint16_t)settings->https_port;
    backend->localhost = slice_ends(slice_of(settings->domain), SLICE(".localhost"));
    struct error why = {0};
    if (strcmp(settings->egress, "none") != 0) {
        backend->egress = egress_find(settings->egress, &why);
        if (backend->egress == NULL && strcmp(settings->egress, "auto") != 0) {
            error_set(err, STATUS_FAILED_PRECONDITION, "--egress=%s: %s", settings->egress,
                      why.text);
            return NULL;
        }
        if (backend->egress == NULL) {
            log_warn("containers have no outgoing network: %s", why.text);
        }
    }
    backend->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    backend->dir_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    backend->children = children_new(loop, err);
    if (backend->children == NULL || !file_make_dir(backend->notes, 0700, err) ||
        !file_make_dir(backend->outputs, 0700, err) ||
        (backend->store = oci_store_new(loop, backend->children, settings->data, err)) == NULL) {
        return NULL; /* the engine ends */
    }
    snprintf(backend->trust_dir, sizeof(backend->trust_dir), "%s/trust", backend->run);
    if (trust_make(backend->trust_dir, settings->data, &why)) {
        backend->trust = backend->trust_dir;
    } else {
        log_warn("containers do not trust the URLs of services: %s", why.text);
    }
    if (!container_starts(backend, err)) {
        cannot_start(err);
        return NULL;
    }
    /* Not where another Homerun of this machine begins. */
    backend->next = (unsigned)(random_u64() % HOMES_MAX);
    return backend;
}

static bool never_lost(const struct backend_home *home)
{
    (void)home;
    return false; /* nobody else is in its network */
}

const struct engine_backend container_backend = {
    .name = "oci",
    .open = container_open,
    .close = container_close,
    .home_open = container_home_open,
    .prepare = container_prepare,
    .home_close = container_home_close,
    .digest = container_digest,
    .metadata = container_metadata,
    .services = container_services,
    .sockets = container_sockets,
    .listeners = container_listeners,
    .address_lost = never_lost,
    .start = container_start,
    .freeze = container_freeze,
    .renew = container_renew,
    .calm = container_calm,
    .release = container_release,
    .keep_images = container_keep_images,
    .sweep_images = container_sweep_images,
    .save = container_save,
    .adopt = container_adopt,
    .settle = container_settle,
    .signal = container_signal,
    .usage = container_usage,
    .free = container_free,
};
