/*
 * The container backend: crun, driven directly, for images of containers and for programs of this
 * machine. The home of an instance is a pair of namespaces (users and network) that all its
 * containers join; each container has a bundle of its own below RUN_DIR, in the engine's mount
 * namespace, so that everything is gone with the last process that uses it.
 *
 * `crun run --detach` makes a container and ends; its first process is then left to us, as the
 * reaper, and waited for like any child. `crun create` does the same of one that is to wait: it
 * runs when a byte is written to a FIFO. Containers do not die with the engine: the next one adopts
 * those that its notes and the board name, and ends what else it finds in crun's own folder.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/backend.h"
#include "engine/bundle.h"
#include "engine/egress.h"
#include "engine/environment.h"
#include "engine/images.h"
#include "engine/metadata_socket.h"
#include "engine/oci_store.h"
#include "engine/output.h"
#include "engine/process_watch.h"
#include "engine/rootfs.h"
#include "engine/spawn.h"
#include "engine/tool.h"

#define RUN_DIR  "/run/homerun"
#define PROBE_ID "probe"

/* From 2^31 on: no account has such a number, and containers of other tools are far below. */
#define USERS_FIRST UINT32_C(0x80000000)

enum {
    HOMES_MAX = 16384,
    PATH_BYTES = 4500,
    DELETE_S = 20,
    PROBE_S = 30,
    LAYER_BYTES = 512 * 1024 * 1024, /* where no memory limit is known */
};

struct backend {
    uv_loop_t *loop;
    struct children *children;
    struct oci_store *store;
    bool metadata;          /* there is a metadata server */
    bool egress;            /* instances have a way out */
    char state[PATH_BYTES]; /* crun's --root */
    bool state_on_disk;     /* no folder of this machine is in memory */
    int null_fd, dir_fd;
    unsigned char used[HOMES_MAX];
    unsigned next;
    char notes[PATH_BYTES];             /* folder: of the ways out, see egress.h */
    char outputs[PATH_BYTES];           /* folder: FIFOs of what containers write */
    struct backend_home *homes;         /* all */
    struct backend_container *adopted;  /* until settle(), by next */
    struct backend_container *deleting; /* have exited; crun forgets them */
};

struct backend_home {
    struct backend *backend;
    struct backend_home *next; /* of all */
    unsigned number;
    struct namespaces namespaces;
    struct metadata_socket metadata;
    struct egress *egress; /* NULL: no way out */
    /* of the preparation */
    const struct run_record *record;
    size_t prepared;
    bool egress_waits; /* it is not ready yet */
    struct oci_get *get;
    void (*done)(void *ctx, const char *why);
    void *done_ctx;
    char roots[RUN_CONTAINERS_MAX][PATH_BYTES]; /* unpacked images; "" for programs */
    char volumes[RUN_MOUNTS_MAX][64];           /* names of those that are made */
    size_t volume_count;
    uv_timer_t timer;
};

enum container_state { CREATING, HELD, RUNNING, EXITED };

struct backend_container {
    struct backend_home *home;
    struct backend *backend;
    enum container_state state;
    char id[64];
    char dir[PATH_BYTES];  /* of the bundle */
    pid_t crun, pid;       /* the one that makes it; its first process */
    int pending_signal;    /* asked for while it was being made */
    bool hold;             /* it is to wait when it is made */
    int64_t calm_cpu_m;    /* its limit once it has started; 0: it has it already */
    bool released;         /* not any more */
    struct tool *starting; /* crun, that lets it go */
    struct output *outputs[2];
    struct process_watch *watch; /* of one that was adopted */
    struct tool *delete;
    struct backend_container *next; /* among those that are deleted, or were adopted */
    const struct backend_events *events;
    void *ctx;
};

/* ---- homes ---- */

static bool take_number(struct backend *backend, unsigned *out)
{
    for (unsigned i = 0; i < HOMES_MAX; i++) {
        unsigned at = (backend->next + i) % HOMES_MAX;
        if (backend->used[at] == 0) {
            backend->used[at] = 1;
            backend->next = at + 1;
            *out = at;
            return true;
        }
    }
    return false;
}

static void list_home(struct backend_home *home)
{
    home->next = home->backend->homes;
    home->backend->homes = home;
}

static void unlist_home(struct backend_home *home)
{
    struct backend_home **link = &home->backend->homes;
    while (*link != home) {
        link = &(*link)->next;
    }
    *link = home->next;
}

static struct backend_home *container_home_open(struct backend *backend, uint16_t port,
                                                struct board_address *address, struct error *err)
{
    unsigned number;
    if (!take_number(backend, &number)) {
        error_set(err, STATUS_RESOURCE_EXHAUSTED, "no users are left for another instance");
        return NULL;
    }
    struct backend_home *home = calloc(1, sizeof(*home));
    if (home == NULL) {
        abort();
    }
    home->backend = backend;
    home->number = number;
    list_home(home);
    home->metadata = (struct metadata_socket){-1, -1};
    if (!namespaces_open(&home->namespaces, USERS_FIRST + number * NAMESPACE_USERS, err)) {
        backend->used[number] = 0;
        unlist_home(home);
        free(home);
        return NULL;
    }
    struct error why = {0};
    if (backend->metadata &&
        !metadata_socket_open(&home->namespaces, port == 80, &home->metadata, &why)) {
        log_warn("%s", why.text);
    }
    uv_timer_init(backend->loop, &home->timer);
    home->timer.data = home;
    *address =
        (struct board_address){.ipv4 = htonl(INADDR_LOOPBACK), .port = port, .own_network = 1};
    return home;
}

static void on_home_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void volume_path(const struct backend_home *home, size_t number, char out[64])
{
    snprintf(out, 64, RUN_DIR "/volume-%u-%zu", home->number, number);
}

static void container_home_close(struct backend_home *home)
{
    unlist_home(home);
    if (home->get != NULL) {
        oci_get_cancel(home->get);
    }
    char path[64];
    for (size_t i = 0; i < home->volume_count; i++) {
        volume_path(home, i, path);
        rootfs_volume_remove(path);
    }
    egress_free(home->egress);
    metadata_socket_close(&home->metadata);
    namespaces_close(&home->namespaces);
    home->backend->used[home->number] = 0;
    uv_close((uv_handle_t *)&home->timer, on_home_closed);
}

/* The folder of an unpacked image is named for it. */
static const char *container_digest(const struct backend_home *home, size_t number)
{
    static char text[80];
    const char *slash = strrchr(home->roots[number], '/');
    snprintf(text, sizeof(text), "%s%.64s",
             slash == NULL ? "" : "sha256:", slash == NULL ? "" : slash + 1);
    return text;
}

static unsigned container_metadata(const struct backend_home *home, int out[2])
{
    out[0] = home->metadata.fd;
    out[1] = home->metadata.link_fd;
    return out[0] < 0 ? 0 : out[1] < 0 ? 1 : 2;
}

static int container_socket(struct backend_home *home)
{
    return namespaces_socket(&home->namespaces);
}

static bool never_lost(const struct backend_home *home)
{
    (void)home;
    return false; /* nobody else is in its network */
}

/* ---- preparing: the images, and the way out ---- */

/* The path of the file that says which process leads out of the home with that NUMBER. */
static void note_of(const struct backend *backend, unsigned number, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%.4400s/%u", backend->notes, number);
}

static void prepare_next(struct backend_home *home);

/* The first that fails, or the last that is done. */
static void prepare_end(struct backend_home *home, const char *why)
{
    void (*done)(void *ctx, const char *why) = home->done;
    home->done = NULL;
    if (done != NULL) {
        done(home->done_ctx, why);
    }
}

static void on_image(void *ctx, const char *root, const char *why)
{
    struct backend_home *home = ctx;
    home->get = NULL;
    if (root == NULL) {
        prepare_end(home, why);
        return;
    }
    snprintf(home->roots[home->prepared], PATH_BYTES, "%s", root);
    home->prepared++;
    prepare_next(home);
}

static bool is_program(const struct run_container *container)
{
    return container->program[0] != NULL;
}

/* Who asks for the image of container NUMBER. */
static void image_key(const struct run_record *record, size_t number, char out[64])
{
    snprintf(out, 64, "%llu-%zu", (unsigned long long)record->revision_id, number);
}

static void prepare_next(struct backend_home *home)
{
    const struct run_record *record = home->record;
    while (home->prepared < record->container_count &&
           is_program(&record->containers[home->prepared])) {
        home->prepared++;
    }
    if (home->prepared == record->container_count) {
        if (!home->egress_waits) {
            prepare_end(home, NULL);
        }
        return;
    }
    const struct run_container *container = &record->containers[home->prepared];
    char key[64];
    image_key(record, home->prepared, key);
    home->get = oci_store_get(home->backend->store, key, container->image, container->manifest,
                              on_image, home);
}

static void on_egress(void *ctx, const char *why)
{
    struct backend_home *home = ctx;
    char text[400];
    home->egress_waits = false;
    if (why != NULL) {
        snprintf(text, sizeof(text),
                 "its outgoing network could not be set up (%.250s): `homerun up --egress none` "
                 "does without",
                 why);
        prepare_end(home, text);
    } else if (home->get == NULL && home->prepared == home->record->container_count) {
        prepare_end(home, NULL);
    }
}

static void on_prepare(uv_timer_t *timer)
{
    struct backend_home *home = timer->data;
    struct backend *backend = home->backend;
    struct error err = {0};
    if (backend->egress) {
        char note[PATH_BYTES];
        note_of(backend, home->number, note);
        home->egress = egress_new(backend->loop, backend->children, &home->namespaces, note,
                                  on_egress, home, &err);
        home->egress_waits = true;
        if (home->egress == NULL) {
            on_egress(home, err.text);
            return;
        }
    }
    prepare_next(home);
}

static void container_prepare(struct backend_home *home, const struct run_record *record,
                              void (*done)(void *ctx, const char *why), void *ctx)
{
    home->record = record;
    home->done = done;
    home->done_ctx = ctx;
    uv_timer_start(&home->timer, on_prepare, 0, 0);
}

/* ---- bundles ---- */

static const char *const *joined(struct arena *arena, const char *const *a, const char *const *b)
{
    size_t a_count = 0, b_count = 0;
    while (a[a_count] != NULL) {
        a_count++;
    }
    while (b[b_count] != NULL) {
        b_count++;
    }
    const char **out = arena_array(arena, const char *, a_count + b_count + 1);
    memcpy(out, a, a_count * sizeof(*out));
    memcpy(out + a_count, b, b_count * sizeof(*out));
    return out;
}

/* As containers have it: `command` replaces the entry point and with it the image's arguments;
 * `args` replace those alone. */
static const char *const *image_argv(struct arena *arena, const struct run_container *container,
                                     const struct oci_image *image)
{
    static const char *const none[] = {NULL};
    const char *const *own = image->command;
    if (container->command[0] != NULL) {
        return joined(arena, container->command, container->args);
    }
    own = container->args[0] != NULL ? container->args : own;
    return joined(arena, image->entrypoint == NULL ? none : image->entrypoint, own);
}

static bool bundle_of_image(struct backend_container *container, struct arena *arena,
                            const char *root, const struct backend_order *order,
                            struct bundle *bundle, struct error *err)
{
    const struct run_container *spec = order->container;
    struct oci_image image;
    if (!oci_image_read(arena, root, &image, err)) {
        return false;
    }
    bundle->argv = image_argv(arena, spec, &image);
    if (bundle->argv[0] == NULL) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "image \"%.200s\" says nothing of what to run: give the container a "
                         "command",
                         spec->image);
    }
    bundle->env = environment_of(arena, order, image.env);
    bundle->uid = image.uid;
    bundle->gid = image.gid;
    const char *cwd = *spec->working_dir != '\0' ? spec->working_dir : image.working_dir;
    bundle->cwd = cwd[0] == '/' ? cwd : arena_printf(arena, "/%s", cwd);
    return rootfs_of_image(container->dir, root, bundle->namespaces,
                           spec->memory_bytes > 0 ? spec->memory_bytes : LAYER_BYTES, err);
}

/* Where FD leads, as a path. */
static const char *path_of_fd(struct arena *arena, int fd)
{
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof(path));
    return length <= 0 ? "/" : arena_string(arena, (struct slice){path, (size_t)length});
}

static bool bundle_of_program(struct backend_container *container, struct arena *arena,
                              const struct backend_order *order, struct bundle *bundle,
                              struct error *err)
{
    static const char *const none[] = {NULL};
    const struct run_container *spec = order->container;
    struct image_command command;
    if (!image_resolve(arena, spec, &command, err)) {
        return false;
    }
    const char **argv = arena_array(arena, const char *, 1001);
    size_t count = 0;
    for (; command.argv[count] != NULL && count < 1000; count++) {
        argv[count] = command.argv[count];
    }
    argv[0] = command.built_in ? "/homerun-hello" : command.path;
    bundle->argv = argv;
    bundle->env = environment_of(arena, order, none);
    bundle->cwd = path_of_fd(arena, command.dir_fd);
    close(command.dir_fd);
    return rootfs_of_machine(container->dir, command.built_in ? NULL : spec->dir,
                             command.built_in ? command.path : NULL, bundle->namespaces,
                             spec->memory_bytes > 0 ? spec->memory_bytes : LAYER_BYTES, err);
}

/* Names of the other containers lead to the loopback that they share. */
static bool write_hosts(const struct backend_container *container, struct arena *arena,
                        const struct run_record *record, struct error *err)
{
    const char *text = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n";
    if (container->home->metadata.fd >= 0) {
        text =
            arena_printf(arena, "%s" METADATA_ADDRESS " metadata.google.internal metadata\n", text);
    }
    for (size_t i = 0; i < record->container_count; i++) {
        if (*record->containers[i].name != '\0') {
            text = arena_printf(arena, "%s127.0.0.1 %s\n", text, record->containers[i].name);
        }
    }
    struct slice resolver = container->home->egress == NULL
                                ? SLICE("options timeout:1 attempts:1\n")
                                : SLICE("nameserver " EGRESS_RESOLVER "\noptions timeout:2\n");
    return file_write(arena_printf(arena, "%s/hosts", container->dir), slice_of(text), 0644, err) &&
           file_write(arena_printf(arena, "%s/resolv.conf", container->dir), resolver, 0644, err);
}

/* Who registered a program of this machine decides what it runs: nothing that a deployer chooses is
 * put over what it reads. */
static bool suits_program(const char *path, struct error *err)
{
    static const char *const places[] = {"/secrets", "/run/secrets", "/mnt"};
    struct slice target = slice_of(path);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct slice place = slice_of(places[i]);
        if (slice_starts(target, place) &&
            (target.len == place.len || target.data[place.len] == '/')) {
            return true;
        }
    }
    return error_set(err, STATUS_FAILED_PRECONDITION,
                     "volumes and secrets of a program of this machine are mounted below /secrets, "
                     "/run/secrets or /mnt, not at %.200s",
                     path);
}

static bool mounts_suit_program(const struct bundle *bundle, struct error *err)
{
    for (size_t i = 0; i < bundle->mount_count; i++) {
        if (!suits_program(bundle->mounts[i].target, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < bundle->volume_count; i++) {
        if (!suits_program(bundle->volumes[i].target, err)) {
            return false;
        }
    }
    return true;
}

/* The volumes of a container; the first that asks for one makes it. */
static bool add_volumes(struct backend_home *home, struct arena *arena,
                        const struct run_container *spec, struct bundle *bundle, struct error *err)
{
    struct bundle_volume *list = arena_array(arena, struct bundle_volume, spec->mount_count + 1);
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct run_mount *mount = &spec->mounts[i];
        char path[64];
        size_t at = 0;
        while (at < home->volume_count && strcmp(home->volumes[at], mount->volume) != 0) {
            at++;
        }
        volume_path(home, at, path);
        if (at == home->volume_count) {
            if (at == RUN_MOUNTS_MAX || strlen(mount->volume) >= sizeof(home->volumes[at])) {
                return error_set(err, STATUS_RESOURCE_EXHAUSTED, "the instance has %d volumes",
                                 RUN_MOUNTS_MAX);
            }
            if (!rootfs_volume(path, home->namespaces.first, mount->bytes, err)) {
                return false;
            }
            snprintf(home->volumes[at], sizeof(home->volumes[at]), "%s", mount->volume);
            home->volume_count++;
        }
        list[i] = (struct bundle_volume){arena_string(arena, slice_of(path)), mount->path};
    }
    bundle->volumes = list;
    bundle->volume_count = spec->mount_count;
    return true;
}

/* As on Cloud Run: double, but one more at least and four more at most. */
static int64_t boosted(int64_t cpu_m)
{
    int64_t more = cpu_m < 1000 ? 1000 : cpu_m > 4000 ? 4000 : cpu_m;
    return cpu_m > 0 ? cpu_m + more : 0;
}

static bool write_bundle(struct backend_container *container, struct arena *arena,
                         const struct backend_order *order, struct error *err)
{
    struct backend_home *home = container->home;
    size_t number = (size_t)(order->container - order->record->containers);
    struct bundle bundle = {
        .dir = container->dir,
        .id = container->id,
        .namespaces = &home->namespaces,
        .memory_bytes = order->container->memory_bytes,
        .cpu_m = order->container->cpu_boost ? boosted(order->container->cpu_m)
                                             : order->container->cpu_m,
    };
    bool made = is_program(order->container)
                    ? bundle_of_program(container, arena, order, &bundle, err)
                    : bundle_of_image(container, arena, home->roots[number], order, &bundle, err);
    struct secret_mount *mounts;
    if (!made || !add_volumes(home, arena, order->container, &bundle, err) ||
        !write_hosts(container, arena, order->record, err) ||
        !secret_files_write(order->secrets, number, container->dir, home->namespaces.first, arena,
                            &mounts, &bundle.mount_count, err)) {
        return false;
    }
    bundle.mounts = mounts;
    if (home->backend->state_on_disk && order->container->secret_env[0] != NULL) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "neither /run nor /dev/shm of this machine is in memory (tmpfs): secrets "
                         "in the environment would be written to disk");
    }
    if (is_program(order->container) && !mounts_suit_program(&bundle, err)) {
        return false;
    }
    auto_json *config = bundle_config(&bundle);
    return file_write(arena_printf(arena, "%s/config.json", container->dir),
                      json_write(arena, config), 0600, err);
}

/* ---- the life of a container ---- */

/* Whether the kernel has killed something in it for want of memory. */
static bool out_of_memory(const struct backend_container *container)
{
    static const struct {
        const char *folder, *file;
    } places[] = {{"/sys/fs/cgroup/memory/homerun", "memory.oom_control"},
                  {"/sys/fs/cgroup/homerun", "memory.events"}};
    auto_arena arena = {0};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct slice text;
        const char *path =
            arena_printf(&arena, "%s/%s/%s", places[i].folder, container->id, places[i].file);
        ptrdiff_t at = file_read(&arena, path, 4096, &text, NULL)
                           ? slice_find_slice(text, SLICE("oom_kill "))
                           : -1;
        if (at >= 0 && strtoll(text.data + at + 9, NULL, 10) > 0) {
            return true;
        }
    }
    return false;
}

/* Its last process has ended, or it was never made. */
static void on_init_exit(void *ctx, int status)
{
    static const char text[] = "the memory limit was reached, and the kernel ended a process\n";
    struct backend_container *container = ctx;
    container->state = EXITED;
    for (int i = 0; i < 2; i++) {
        output_drain(container->outputs[i]);
    }
    if ((status == BACKEND_STATUS_UNKNOWN || WIFSIGNALED(status)) && out_of_memory(container)) {
        container->events->on_output(container->ctx, LOG_STDERR, slice_of(text));
    }
    container->events->on_exit(container->ctx, status);
}

/* Whether the process PID has a handler of its own for SIGTERM: the first one of a PID namespace
 * that has none does not hear it. */
static bool hears_term(pid_t pid)
{
    auto_arena arena = {0};
    char path[64];
    struct slice text;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (!file_read(&arena, path, 65536, &text, NULL)) {
        return true;
    }
    ptrdiff_t at = slice_find_slice(text, SLICE("\nSigCgt:"));
    ptrdiff_t blocked_at = slice_find_slice(text, SLICE("\nSigBlk:")); /* signalfd, sigwait */
    if (at < 0 || blocked_at < 0) {
        return true;
    }
    unsigned long long caught = strtoull(text.data + at + 8, NULL, 16);
    unsigned long long blocked = strtoull(text.data + blocked_at + 8, NULL, 16);
    return ((caught | blocked) >> (SIGTERM - 1) & 1) != 0;
}

static void container_signal(struct backend_container *container, int number)
{
    if (container->state == HELD) {
        kill(container->pid, SIGKILL); /* nothing of its own runs yet */
    } else if (container->state == RUNNING) {
        number = number == SIGTERM && !hears_term(container->pid) ? SIGKILL : number;
        if (container->watch != NULL) {
            process_watch_signal(container->watch, number);
        } else {
            kill(container->pid, number);
        }
    } else if (container->state == CREATING) {
        container->pending_signal = number;
        if (number ==
            SIGKILL) { /* crun itself hangs; what it has made by then is deleted after it */
            kill(container->crun, SIGKILL);
        }
    }
}

/* ---- holding ---- */

static void on_started(void *ctx, bool good, const char *text)
{
    struct backend_container *container = ctx;
    container->starting = NULL;
    if (!good && container->state == RUNNING) {
        log_warn("crun start %s: %s", container->id, text);
        kill(container->pid, SIGKILL);
    }
}

/*
 * What crun has made waits for a byte in a FIFO of crun's own folder. `crun start` writes it, and
 * loads itself twice before (5 ms and more): so we write it; crun is asked where there is no such
 * FIFO.
 */
static void let_go(struct backend_container *container)
{
    struct backend *backend = container->backend;
    char path[PATH_BYTES + 100];
    struct error err = {0};
    container->state = RUNNING;
    snprintf(path, sizeof(path), "%s/%s/exec.fifo", backend->state, container->id);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    bool gone = fd >= 0 && unlink(path) == 0 && write(fd, "", 1) == 1;
    if (fd >= 0) {
        close(fd);
    }
    if (gone) {
        return;
    }
    container->starting =
        tool_run(backend->loop, backend->children,
                 (const char *[]){"crun", "--root", backend->state, "--cgroup-manager=cgroupfs",
                                  "start", container->id, NULL},
                 DELETE_S, on_started, container, &err);
    if (container->starting == NULL) {
        kill(container->pid, SIGKILL);
    }
}

static void container_release(struct backend_container *container)
{
    container->released = true;
    if (container->state == HELD) {
        let_go(container);
    }
}

static pid_t read_pid(const struct backend_container *container)
{
    auto_arena arena = {0};
    struct slice text;
    uint64_t number = 0;
    const char *path = arena_printf(&arena, "%s/pid", container->dir);
    if (!file_read(&arena, path, 32, &text, NULL)) {
        return -1;
    }
    text = slice_upto(text, strspn(text.data, "0123456789"));
    return slice_to_u64(text, &number) && number > 1 ? (pid_t)number : -1;
}

static void on_crun_exit(void *ctx, int status)
{
    struct backend_container *container = ctx;
    int init_status;
    container->pid = status == 0 ? read_pid(container) : -1;
    if (container->pid < 0) {
        on_init_exit(container, status == 0 ? 1 << 8 : status);
        return;
    }
    container->state = container->hold ? HELD : RUNNING;
    if (children_take_stray(container->backend->children, container->pid, &init_status)) {
        on_init_exit(container, init_status);
        return;
    }
    children_watch(container->backend->children, container->pid, false, on_init_exit, container);
    if (container->pending_signal != 0) {
        container_signal(container, container->pending_signal);
    } else if (container->hold && container->released) {
        let_go(container);
    }
    container->events->on_made(container->ctx);
}

static void on_bytes(void *ctx, enum log_stream stream, struct slice bytes)
{
    struct backend_container *container = ctx;
    container->events->on_output(container->ctx, stream, bytes);
}

static void output_path(const struct backend_container *container, int which, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%.4400s/%s.%d", container->backend->outputs, container->id,
             which + 1);
}

/* WRITE_FDS NULL: they are there already. */
static void open_outputs(struct backend_container *container, int *write_fds)
{
    char path[PATH_BYTES];
    for (int i = 0; i < 2; i++) {
        output_path(container, i, path);
        container->outputs[i] =
            output_at(container->backend->loop, i == 0 ? LOG_STDOUT : LOG_STDERR, path, on_bytes,
                      container, write_fds == NULL ? NULL : &write_fds[i]);
    }
}

static void close_outputs(struct backend_container *container)
{
    char path[PATH_BYTES];
    for (int i = 0; i < 2; i++) {
        output_close(container->outputs[i]);
        output_path(container, i, path);
        unlink(path);
    }
}

static bool run_crun(struct backend_container *container, struct error *err)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    struct backend *backend = container->backend;
    char path[4096], pid_file[PATH_BYTES + 8];
    int fds[2] = {-1, -1};
    if (!tool_find("crun", path)) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "crun is not installed");
    }
    snprintf(pid_file, sizeof(pid_file), "%s/pid", container->dir);
    open_outputs(container, fds);
    if (container->outputs[0] != NULL && container->outputs[1] != NULL) {
        container->crun = spawn(
            &(struct spawn_order){
                .path = path,
                .argv =
                    (const char *[]){"crun", "--root", backend->state, "--cgroup-manager=cgroupfs",
                                     container->hold ? "create" : "run", "--pid-file", pid_file,
                                     "--bundle", container->dir,
                                     container->hold ? container->id : "--detach",
                                     container->hold ? NULL : container->id, NULL},
                .envp = environment,
                .dir_fd = backend->dir_fd,
                .in_fd = backend->null_fd,
                .out_fd = fds[0],
                .err_fd = fds[1],
            },
            err);
    } else {
        error_errno(err, "no pipe could be made below %s", backend->outputs);
    }
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return container->crun > 0;
}

static struct backend_container *
container_start(struct backend_home *home, const struct backend_order *order, struct error *err)
{
    auto_arena arena = {0};
    struct backend_container *container = calloc(1, sizeof(*container));
    if (container == NULL) {
        abort();
    }
    *container = (struct backend_container){
        .home = home,
        .backend = home->backend,
        .crun = -1,
        .pid = -1,
        .hold = order->hold,
        .calm_cpu_m = order->container->cpu_boost ? order->container->cpu_m : 0,
        .events = order->events,
        .ctx = order->ctx,
    };
    snprintf(container->id, sizeof(container->id), "%.40s-%d", order->instance,
             (int)(order->container - order->record->containers));
    snprintf(container->dir, sizeof(container->dir), RUN_DIR "/%s", container->id);
    if (mkdir(container->dir, 0755) != 0) {
        error_errno(err, "%s", container->dir);
    } else if (write_bundle(container, &arena, order, err) && run_crun(container, err)) {
        children_watch(home->backend->children, container->crun, false, on_crun_exit, container);
        return container;
    }
    close_outputs(container);
    rootfs_remove(container->dir);
    free(container);
    return NULL;
}

static bool write_group(const char *folder, const char *id, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s%s%s", folder, id, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static void container_calm(struct backend_container *container)
{
    char quota[64], both[96];
    if (container->calm_cpu_m == 0) {
        return;
    }
    snprintf(quota, sizeof(quota), "%lld",
             (long long)(container->calm_cpu_m * BUNDLE_CPU_PERIOD_US / 1000));
    snprintf(both, sizeof(both), "%s %d", quota, BUNDLE_CPU_PERIOD_US);
    if (!write_group("/sys/fs/cgroup/cpu/homerun/", container->id, "/cpu.cfs_quota_us", quota) &&
        !write_group("/sys/fs/cgroup/homerun/", container->id, "/cpu.max", both)) {
        log_warn("the boost of container %s does not end: %s", container->id, strerror(errno));
    }
    container->calm_cpu_m = 0;
}

/* ---- images that nobody uses ---- */

static void container_keep_images(struct backend *backend, const struct run_record *record)
{
    char key[64];
    for (size_t i = 0; i < record->container_count; i++) {
        if (!is_program(&record->containers[i])) {
            image_key(record, i, key);
            oci_store_keep(backend->store, key, record->containers[i].manifest);
        }
    }
}

/* What runs is kept, whatever the records say. */
static void container_sweep_images(struct backend *backend)
{
    for (const struct backend_home *home = backend->homes; home != NULL; home = home->next) {
        for (size_t i = 0; i < RUN_CONTAINERS_MAX; i++) {
            oci_store_keep_root(backend->store, home->roots[i]);
        }
    }
    oci_store_sweep(backend->store);
}

/* ---- figures ---- */

/* The number behind WORD ("": the first) in a file of the control group ID; -1 if it is not there.
 */
static int64_t read_number(const char *folder, const char *id, const char *name, const char *word)
{
    auto_arena arena = {0};
    struct slice text;
    if (!file_read(&arena, arena_printf(&arena, "%s%s%s", folder, id, name), 16384, &text, NULL)) {
        return -1;
    }
    ptrdiff_t at = slice_find_slice(text, slice_of(word));
    return at < 0 ? -1 : strtoll(text.data + at + strlen(word), NULL, 10);
}

static bool container_usage(const struct backend_container *container, struct backend_usage *out)
{
    static const char memory_v1[] = "/sys/fs/cgroup/memory/homerun/";
    static const char cpu_v1[] = "/sys/fs/cgroup/cpuacct/homerun/";
    static const char v2[] = "/sys/fs/cgroup/homerun/";
    const char *id = container->id;
    if (container->state != RUNNING) {
        return false;
    }
    int64_t cpu_us = read_number(cpu_v1, id, "/cpuacct.usage", "") / 1000;
    int64_t memory = read_number(memory_v1, id, "/memory.usage_in_bytes", "");
    int64_t cached = read_number(memory_v1, id, "/memory.stat", "total_inactive_file ");
    if (memory < 0) {
        memory = read_number(v2, id, "/memory.current", "");
        cached = read_number(v2, id, "/memory.stat", "\ninactive_file ");
        cpu_us = read_number(v2, id, "/cpu.stat", "usage_usec ");
    }
    *out = (struct backend_usage){
        .memory_bytes = cached > 0 && cached < memory ? memory - cached : memory,
        .memory_is_held = true,
        .cpu_us = cpu_us,
    };
    return memory >= 0;
}

/* ---- the end of a container ---- */

static void container_over(struct backend_container *container)
{
    struct backend_container **link = &container->backend->deleting;
    while (*link != container) {
        link = &(*link)->next;
    }
    *link = container->next;
    rootfs_remove(container->dir);
    free(container);
}

static void on_deleted(void *ctx, bool good, const char *text)
{
    struct backend_container *container = ctx;
    if (!good) {
        log_debug("crun delete %s: %s", container->id, text);
    }
    container_over(container);
}

static void container_free(struct backend_container *container)
{
    struct backend *backend = container->backend;
    struct error err = {0};
    close_outputs(container);
    process_watch_free(container->watch);
    tool_cancel(container->starting);
    container->next = backend->deleting;
    backend->deleting = container;
    container->delete =
        tool_run(backend->loop, backend->children,
                 (const char *[]){"crun", "--root", backend->state, "--cgroup-manager=cgroupfs",
                                  "delete", "--force", container->id, NULL},
                 DELETE_S, on_deleted, container, &err);
    if (container->delete == NULL) {
        container_over(container);
    }
}

/* ---- the backend ---- */

/* Calls DEED for what stands in the folder PATH. */
static void each_entry(const struct backend *backend, const char *path,
                       void (*deed)(const struct backend *backend, const char *name))
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            deed(backend, entry->d_name);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

/* ID: of a container, or a name that begins so. */
static bool is_adopted(const struct backend *backend, const char *id)
{
    const struct backend_container *container = backend->adopted;
    while (container != NULL && strncmp(id, container->id, strlen(container->id)) != 0) {
        container = container->next;
    }
    return container != NULL;
}

static void end_container(const struct backend *backend, const char *id)
{
    if (!is_adopted(backend, id)) {
        log_info("a container of an engine before this one ends: %s", id);
        tool_run_now((const char *[]){"crun", "--root", backend->state, "--cgroup-manager=cgroupfs",
                                      "delete", "--force", id, NULL});
    }
}

static void end_output(const struct backend *backend, const char *name)
{
    char path[PATH_BYTES + 300];
    if (!is_adopted(backend, name)) {
        snprintf(path, sizeof(path), "%s/%s", backend->outputs, name);
        unlink(path);
    }
}

static void end_way_out(const struct backend *backend, const char *name)
{
    char note[PATH_BYTES];
    unsigned long number = strtoul(name, NULL, 10);
    if (number >= HOMES_MAX || backend->used[number] == 0) {
        snprintf(note, sizeof(note), "%.4200s/%.200s", backend->notes, name);
        egress_end_noted(note);
    }
}

/* Whether the process PID is crun at work on our containers, or what waits in its place for one to
 * be started. */
static bool is_our_crun(const struct backend *backend, const char *pid)
{
    auto_arena arena = {0};
    struct slice words, word;
    bool root = false, ours = false;
    const char *path = arena_printf(&arena, "/proc/%.20s/cmdline", pid);
    if (!file_read(&arena, path, 16384, &words, NULL) || !slice_cut(&words, '\0', &word) ||
        !slice_ends(word, SLICE("crun"))) {
        return false;
    }
    while (slice_cut(&words, '\0', &word)) {
        ours = ours || (root && slice_is(word, backend->state));
        root = slice_is(word, "--root");
    }
    return ours;
}

/* A crun that was killed, or whose engine was, may have made a process and not noted it yet. */
static void end_stray(const struct backend *backend, const char *name)
{
    pid_t pid = (pid_t)strtol(name, NULL, 10);
    if (name[0] >= '1' && name[0] <= '9' && pid > 1 && is_our_crun(backend, name)) {
        log_info("what crun has left ends: pid=%d", (int)pid);
        kill(pid, SIGKILL);
    }
}

/* What an engine before us left running, and nobody has adopted. None of our own runs now. */
static void end_leftovers(struct backend *backend)
{
    each_entry(backend, "/proc", end_stray);
    each_entry(backend, backend->state, end_container);
    each_entry(backend, backend->outputs, end_output);
    each_entry(backend, backend->notes, end_way_out);
    backend->adopted = NULL;
}

/* ---- from one engine to the next ---- */

static json_t *container_save(const struct backend_home *home,
                              struct backend_container *const *containers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (containers[i]->state != RUNNING) {
            return NULL;
        }
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{ss sI sI ss}", "id", containers[i]->id, "pid",
                                              (json_int_t)containers[i]->pid, "started",
                                              (json_int_t)process_started(containers[i]->pid),
                                              "root", home->roots[i]));
    }
    return json_pack("{sI sb so}", "number", (json_int_t)home->number, "egress",
                     home->egress != NULL, "containers", list);
}

static void on_end_of_adopted(void *ctx)
{
    struct backend_container *container = ctx;
    on_init_exit(container, BACKEND_STATUS_UNKNOWN);
}

static bool adopt_home(struct backend_home *home, const json_t *saved, pid_t first,
                       struct error *err)
{
    struct backend *backend = home->backend;
    char note[PATH_BYTES];
    if (!namespaces_adopt(&home->namespaces, first, USERS_FIRST + home->number * NAMESPACE_USERS)) {
        return error_set(err, STATUS_NOT_FOUND, "its first process stands in other namespaces");
    }
    if (backend->metadata &&
        !metadata_socket_open(&home->namespaces, false, &home->metadata, err)) {
        log_warn("%s", err->text);
    }
    note_of(backend, home->number, note);
    if (json_flag(saved, "egress", false)) {
        home->egress = egress_adopt(backend->loop, backend->children, &home->namespaces, note, err);
        return home->egress != NULL;
    }
    return true;
}

static struct backend_container *adopt_one(struct backend_home *home, const json_t *saved,
                                           const struct backend_order *order)
{
    struct backend *backend = home->backend;
    struct backend_container *container = calloc(1, sizeof(*container));
    if (container == NULL) {
        abort();
    }
    *container = (struct backend_container){
        .home = home,
        .backend = backend,
        .state = RUNNING,
        .crun = -1,
        .pid = (pid_t)json_number(saved, "pid", -1),
        .events = order->events,
        .ctx = order->ctx,
    };
    snprintf(container->id, sizeof(container->id), "%s", json_text_or(saved, "id", ""));
    snprintf(container->dir, sizeof(container->dir), RUN_DIR "/%s", container->id);
    container->watch =
        process_watch_new(backend->loop, container->pid, (uint64_t)json_number(saved, "started", 0),
                          on_end_of_adopted, container);
    if (container->watch == NULL) {
        free(container);
        return NULL;
    }
    open_outputs(container, NULL);
    for (int i = 0; i < 2; i++) {
        if (container->outputs[i] == NULL) {
            log_warn("what container %s writes is lost", container->id);
        }
    }
    container->next = backend->adopted;
    backend->adopted = container;
    return container;
}

/* Those of a home that cannot be adopted whole: settle() ends them. */
static void let_them_go(struct backend *backend, struct backend_container **containers,
                        size_t count)
{
    for (size_t i = count; i-- > 0;) {
        backend->adopted = containers[i]->next; /* they were put there one after the other */
        for (int k = 0; k < 2; k++) {
            output_close(containers[i]->outputs[k]);
        }
        process_watch_free(containers[i]->watch);
        free(containers[i]);
    }
}

static struct backend_home *container_adopt(struct backend *backend, const json_t *saved,
                                            const struct backend_order *orders, size_t count,
                                            struct backend_container **out, struct error *err)
{
    const json_t *list = json_object_get(saved, "containers");
    int64_t number = json_number(saved, "number", -1);
    if (json_array_size(list) != count || number < 0 || number >= HOMES_MAX ||
        backend->used[number] != 0) {
        error_set(err, STATUS_DATA_LOSS, "what was noted of it cannot be read");
        return NULL;
    }
    struct backend_home *home = calloc(1, sizeof(*home));
    if (home == NULL) {
        abort();
    }
    home->backend = backend;
    home->number = (unsigned)number;
    list_home(home);
    home->metadata = (struct metadata_socket){-1, -1};
    home->namespaces = (struct namespaces){.user_fd = -1, .net_fd = -1};
    uv_timer_init(backend->loop, &home->timer);
    home->timer.data = home;
    size_t made = 0;
    while (made < count &&
           (out[made] = adopt_one(home, json_array_get(list, made), &orders[made])) != NULL) {
        snprintf(home->roots[made], PATH_BYTES, "%s",
                 json_text_or(json_array_get(list, made), "root", ""));
        made++;
    }
    if (made == count && adopt_home(home, saved, out[0]->pid, err)) {
        backend->used[number] = 1;
        return home;
    }
    if (made < count) {
        error_set(err, STATUS_NOT_FOUND, "one of its containers has ended");
    }
    let_them_go(backend, out, made);
    container_home_close(home);
    return NULL;
}

/* ---- whether a container can start here ---- */

static bool write_probe(const char *dir, const struct namespaces *namespaces, struct error *err)
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
                                  .id = PROBE_ID,
                                  .argv = argv,
                                  .env = env,
                                  .cwd = "/",
                                  .namespaces = namespaces,
                                  .memory_bytes = LAYER_BYTES,
                                  .cpu_m = 1000};
    auto_json *config = bundle_config(&bundle);
    return rootfs_of_machine(dir, NULL, command.path, namespaces, LAYER_BYTES, err) &&
           file_write(arena_printf(&arena, "%s/hosts", dir), SLICE(""), 0644, err) &&
           file_write(arena_printf(&arena, "%s/resolv.conf", dir), SLICE(""), 0644, err) &&
           file_write(arena_printf(&arena, "%s/config.json", dir), json_write(&arena, config), 0644,
                      err);
}

/* Really starts one, with all the walls: nothing else tells whether the kernel, and what we run in
 * ourselves, let it. */
static bool container_starts(const struct backend *backend, struct error *err)
{
    static const char dir[] = RUN_DIR "/" PROBE_ID;
    struct namespaces namespaces;
    char said[300] = "";
    if (!namespaces_open(&namespaces, USERS_FIRST, err)) {
        return false;
    }
    bool good = mkdir(dir, 0755) == 0 || errno == EEXIST || error_errno(err, "%s", dir);
    good = good && write_probe(dir, &namespaces, err);
    if (good && !tool_ask_now((const char *[]){"crun", "--root", backend->state,
                                               "--cgroup-manager=cgroupfs", "run", "--bundle", dir,
                                               PROBE_ID, NULL},
                              PROBE_S, said, sizeof(said))) {
        good = error_set(err, STATUS_FAILED_PRECONDITION, "crun: %s", said);
        tool_run_now((const char *[]){"crun", "--root", backend->state, "--cgroup-manager=cgroupfs",
                                      "delete", "--force", PROBE_ID, NULL});
    }
    rootfs_remove(dir);
    namespaces_close(&namespaces);
    return good;
}

/*
 * crun keeps a copy of each configuration, and with it the environment, in which there may be
 * secrets: so its folder lies in memory, named for the data folder. It has to outlive the engine,
 * whose own mounts do not, for its successor to find what was left running.
 */
static bool state_make(struct backend *backend, const char *data, struct error *err)
{
    static const char *const places[] = {"/run", "/dev/shm"};
    struct statfs kind;
    struct stat found;
    if (stat(data, &found) != 0) {
        return error_errno(err, "%s", data);
    }
    unsigned long long device = found.st_dev, number = found.st_ino;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (statfs(places[i], &kind) != 0 || kind.f_type != TMPFS_MAGIC) {
            continue;
        }
        snprintf(backend->state, sizeof(backend->state), "%s/homerun-crun-%llx-%llx", places[i],
                 device, number);
        if (mkdir(backend->state, 0700) != 0 && errno != EEXIST) {
            return error_errno(err, "%s", backend->state);
        }
        bool ours = lstat(backend->state, &found) == 0 && S_ISDIR(found.st_mode) &&
                    found.st_uid == geteuid() && (found.st_mode & 0077) == 0;
        return ours || error_set(err, STATUS_FAILED_PRECONDITION,
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
    return geteuid() == 0 ||
           error_set(err, STATUS_UNIMPLEMENTED,
                     "each service runs in a container, and containers need root: start Homerun as "
                     "root (sudo), or choose --engine=process: plain programs, without such walls");
}

static void cannot_start(struct error *err)
{
    error_wrap(err, "no container can start on this machine; --engine=process does without: plain "
                    "programs, without such walls. Why not");
}

static void container_close(struct backend *backend)
{
    for (struct backend_container *c = backend->deleting; c != NULL; c = c->next) {
        tool_cancel(c->delete);
    }
    end_leftovers(backend);
    rmdir(backend->state); /* if it is empty */
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
    if (!rootfs_prepare(RUN_DIR, err)) {
        cannot_start(err);
        return NULL;
    }
    struct backend *backend = calloc(1, sizeof(*backend));
    if (backend == NULL) {
        abort();
    }
    backend->loop = loop;
    backend->metadata = settings->metadata_url[0] != '\0';
    struct error why = {0};
    if (strcmp(settings->egress, "none") != 0) {
        backend->egress = egress_there(&why);
        if (!backend->egress) {
            log_warn("containers have no outgoing network: %s", why.text);
        }
    }
    backend->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    backend->dir_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(backend->notes, sizeof(backend->notes), "%.4096s/run/egress", settings->data);
    snprintf(backend->outputs, sizeof(backend->outputs), "%.4096s/run/out", settings->data);
    backend->children = children_new(loop, err);
    if (backend->children == NULL || !state_make(backend, settings->data, err) ||
        !file_make_dir(backend->notes, 0700, err) || !file_make_dir(backend->outputs, 0700, err) ||
        (backend->store = oci_store_new(loop, backend->children, settings->data, err)) == NULL) {
        return NULL; /* the engine ends */
    }
    if (!container_starts(backend, err)) {
        cannot_start(err);
        return NULL;
    }
    /* Not where another Homerun of this machine begins. */
    backend->next = (unsigned)(random_u64() % HOMES_MAX);
    return backend;
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
    .socket = container_socket,
    .address_lost = never_lost,
    .start = container_start,
    .calm = container_calm,
    .release = container_release,
    .keep_images = container_keep_images,
    .sweep_images = container_sweep_images,
    .save = container_save,
    .adopt = container_adopt,
    .settle = end_leftovers,
    .signal = container_signal,
    .usage = container_usage,
    .free = container_free,
};
