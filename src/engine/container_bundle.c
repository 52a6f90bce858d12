/*
 * The bundle of a container: the folder in the engine's own mount
 * namespace, that crun starts it from. Everything in it is gone with the last process that uses it.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "engine/bundle.h"
#include "engine/container.h"
#include "engine/environment.h"
#include "engine/images.h"
#include "engine/rootfs.h"
#include "engine/trust.h"
#include "engine/volume.h"

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

/* Whether it is there is seen by who calls another service: no reason not to start. */
static void add_trust(const struct backend_container *container, struct arena *arena,
                      struct backend_order *order, bool machines)
{
    const struct backend *backend = container->backend;
    const char *rootfs = arena_printf(arena, "%s/rootfs", container->dir);
    struct error err = {0};
    bool hashed = machines;
    if (backend->trust == NULL) {
        return;
    }
    if (machines
            ? trust_show(backend->trust, rootfs, &err)
            : trust_put(backend->trust, rootfs, container->home->namespaces.first, &hashed, &err)) {
        order->ca_file = TRUST_FILE;
        order->ca_folder = hashed ? TRUST_FOLDER : NULL;
    } else {
        log_warn("container %s does not trust the URLs of services: %s", container->id, err.text);
    }
}

static bool bundle_of_image(struct backend_container *container, struct arena *arena,
                            const char *root, struct backend_order *order, struct bundle *bundle,
                            struct error *err)
{
    const struct run_container *spec = order->container;
    struct oci_image image;
    if (!oci_image_read(arena, root, &image, err) ||
        !rootfs_of_image(container->dir, root, bundle->namespaces,
                         spec->memory_bytes > 0 ? spec->memory_bytes : CONTAINER_LAYER_BYTES,
                         err)) {
        return false;
    }
    add_trust(container, arena, order, false);
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
    return true;
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
                              struct backend_order *order, struct bundle *bundle, struct error *err)
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
    bundle->cwd = path_of_fd(arena, command.dir_fd);
    close(command.dir_fd);
    if (!rootfs_of_machine(container->dir, command.built_in ? NULL : spec->dir,
                           command.built_in ? command.path : NULL, bundle->namespaces,
                           spec->memory_bytes > 0 ? spec->memory_bytes : CONTAINER_LAYER_BYTES,
                           err)) {
        return false;
    }
    if (!command.built_in) { /* which calls nobody */
        add_trust(container, arena, order, true);
    }
    bundle->env = environment_of(arena, order, none);
    return true;
}

/* Ours first: it knows the services and refuses the rest, which clients then ask the next for. */
static const char *write_resolver(const struct backend_home *home, struct arena *arena)
{
    const char *services = home->names_fd < 0 ? "" : "nameserver " SERVICES_ADDRESS "\n";
    return home->egress == NULL
               ? arena_printf(arena, "%soptions timeout:1 attempts:1\n", services)
               : arena_printf(arena, "%snameserver " EGRESS_RESOLVER "\noptions timeout:2\n",
                              services);
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
    const char *resolver = write_resolver(container->home, arena);
    return file_write(arena_printf(arena, "%s/hosts", container->dir), slice_of(text), 0644, err) &&
           file_write(arena_printf(arena, "%s/resolv.conf", container->dir), slice_of(resolver),
                      0644, err);
}

/* Who registered a program of this machine decides what it runs: nothing that a deployer chooses is
 * put over what it reads. */
static bool suits_program(const char *path, struct error *err)
{
    static const char *const places[] = {"/secrets", "/run/secrets", "/mnt", "/cloudsql"};
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
                     "/run/secrets or /mnt (or /cloudsql), not at %.200s",
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

/* A volume in memory: the first container of the instance that asks for it makes it. */
static const char *shared_volume(struct backend_home *home, struct arena *arena,
                                 const struct run_mount *mount, struct error *err)
{
    char path[200];
    size_t at = 0;
    while (at < home->volume_count && strcmp(home->volumes[at], mount->volume) != 0) {
        at++;
    }
    home_volume_path(home, at, path);
    if (at == home->volume_count) {
        if (at == RUN_MOUNTS_MAX || strlen(mount->volume) >= sizeof(home->volumes[at])) {
            error_set(err, STATUS_RESOURCE_EXHAUSTED, "the instance has %d volumes",
                      RUN_MOUNTS_MAX);
            return NULL;
        }
        if (!rootfs_volume(path, home->namespaces.first, mount->bytes, err)) {
            return NULL;
        }
        snprintf(home->volumes[at], sizeof(home->volumes[at]), "%s", mount->volume);
        home->volume_count++;
    }
    return arena_string(arena, slice_of(path));
}

/* ORDER is mounted for this container alone. */
static const char *mount_own(const struct backend_container *container, struct arena *arena,
                             size_t number, struct volume_order order, struct error *err)
{
    const char *path = arena_printf(arena, "%s/" ROOTFS_VOLUME "%zu", container->dir, number);
    order.target = path;
    if (mkdir(path, 0755) != 0) {
        error_errno(err, "%s", path);
        return NULL;
    }
    return volume_mount(&order, err) ? path : NULL;
}

/* A volume in memory, or a folder of it. */
static const char *memory_volume(const struct backend_container *container, struct arena *arena,
                                 const struct run_mount *mount, size_t number, struct error *err)
{
    const char *whole = shared_volume(container->home, arena, mount, err);
    if (whole == NULL || *mount->sub == '\0') {
        return whole;
    }
    return mount_own(
        container, arena, number,
        (struct volume_order){.dir = whole, .sub = mount->sub, .read_only = mount->read_only}, err);
}

/* A folder of this machine: the container's user is whom the folder is of. */
static const char *folder_volume(const struct backend_container *container, struct arena *arena,
                                 const struct run_mount *mount, size_t number,
                                 const struct bundle *bundle, struct error *err)
{
    if (*mount->dir == '\0') {
        error_set(err, STATUS_FAILED_PRECONDITION,
                  "volume \"%.80s\": %.200s is mapped to no folder any more: `homerun volumes map "
                  "%.200s DIR`",
                  mount->volume, mount->source, mount->source);
        return NULL;
    }
    const struct volume_order order = {
        .dir = mount->dir,
        .sub = mount->sub,
        .read_only = mount->read_only,
        .uid = bundle->uid,
        .gid = bundle->gid,
        .namespaces = bundle->namespaces,
    };
    return mount_own(container, arena, number, order, err);
}

static bool add_volumes(struct backend_container *container, struct arena *arena,
                        const struct run_container *spec, struct bundle *bundle, struct error *err)
{
    struct bundle_volume *list = arena_array(arena, struct bundle_volume, spec->mount_count + 1);
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct run_mount *mount = &spec->mounts[i];
        list[i] = (struct bundle_volume){
            .source = *mount->source == '\0'
                          ? memory_volume(container, arena, mount, i, err)
                          : folder_volume(container, arena, mount, i, bundle, err),
            .target = mount->path,
            .read_only = mount->read_only,
        };
        if (list[i].source == NULL) {
            return false;
        }
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

bool container_write_bundle(struct backend_container *container, struct arena *arena,
                            const struct backend_order *order, struct error *err)
{
    struct backend_home *home = container->home;
    size_t number = (size_t)(order->container - order->record->containers);
    struct bundle bundle = {
        .dir = container->dir,
        .id = container->id,
        .namespaces = &home->namespaces,
        .groups = &home->backend->groups,
        .memory_bytes = order->container->memory_bytes,
        .cpu_m = order->container->cpu_boost ? boosted(order->container->cpu_m)
                                             : order->container->cpu_m,
    };
    struct backend_order own = *order;
    bool made = container_is_program(order->container)
                    ? bundle_of_program(container, arena, &own, &bundle, err)
                    : bundle_of_image(container, arena, home->roots[number], &own, &bundle, err);
    struct secret_mount *mounts;
    if (!made || !add_volumes(container, arena, order->container, &bundle, err) ||
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
    if (container_is_program(order->container) && !mounts_suit_program(&bundle, err)) {
        return false;
    }
    auto_json *config = bundle_config(&bundle);
    return file_write(arena_printf(arena, "%s/config.json", container->dir),
                      json_write(arena, config), 0600, err);
}
