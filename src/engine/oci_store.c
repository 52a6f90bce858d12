/*
 * The steps of an image: its digest (from a pin, or by asking the registry), a copy into a layout
 * of its own, the unpacking into a folder beside, and one rename: what has a name is whole. A step
 * that was interrupted is begun again by the next request for the image; what it left is removed at
 * the start.
 *
 * Two copies into one layout lose each other's entries, so each has its own; and a caller that asks
 * for an image that is being fetched waits for it. An image comes from outside, so its copy and its
 * unpacking are bounded in time, in bytes and in files: what would fill the disk ends.
 */
#include "engine/oci_store.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"
#include "codec/codec.h"
#include "engine/namespaces.h"
#include "engine/platform.h"
#include "engine/rootless.h"
#include "engine/tool.h"

enum {
    PATH_BYTES = 4400,
    ASK_S = 15,
    REMOVE_S = 600,
    PULL_S = 600,
    UNPACK_S = 300,
    CONFIG_BYTES_MAX = 4 * 1024 * 1024,
    LOOK_MS = 200,           /* at the disk, while something is being written */
    FILES_MAX = 2000000,     /* of one image */
    SHARE_LEFT = 20,         /* one part in so many of the disk stays free, */
    GIBIBYTES_LEFT_MAX = 10, /* or this, if it is less */
    GIBIBYTES_MAX = 32,      /* of one image: what is copied and what is unpacked */
};

struct oci_store {
    uv_loop_t *loop;
    struct children *children;
    char dir[4200];       /* DATA/images */
    struct oci_get *gets; /* all that are on their way */
    struct map *kept;     /* names of files and folders that the next sweep leaves */
};

enum get_step {
    GET_BEGIN,
    GET_DIGEST,
    GET_PLATFORMS, /* there is none for this machine: which ones there are is found out */
    GET_WAIT,
    GET_COPY,
    GET_UNPACK,
    GET_DONE,
};

struct oci_get {
    struct oci_store *store;
    struct oci_get *next;
    enum get_step step;
    struct tool *tool;
    uv_timer_t timer;
    struct statvfs disk; /* as it was when the step began */
    char key[128], reference[600];
    char digest[80];         /* "sha256:…" */
    char layout[PATH_BYTES]; /* of its copy */
    char beside[PATH_BYTES]; /* where it is unpacked */
    bool imported;
    const char *why;
    char text[700];
    oci_got done;
    void *ctx;
};

static bool digest_valid(const char *digest)
{
    return strncmp(digest, "sha256:", 7) == 0 && strlen(digest) == 71 &&
           strspn(digest + 7, "0123456789abcdef") == 64;
}

static void root_of(const struct oci_get *get, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s/roots/%s", get->store->dir, get->digest + 7);
}

static void pin_of(const struct oci_get *get, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s/pins/%s", get->store->dir, get->key);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_thrown_away(void *ctx, bool good, const char *text)
{
    (void)ctx;
    if (!good) {
        log_warn("what is left of an image could not be removed: %s", text);
    }
}

/* A folder that nobody will look for again; in the background, for it may be large. */
static void throw_away(const struct oci_store *store, const char *path)
{
    struct error err = {0};
    if (*path != '\0' && access(path, F_OK) == 0 &&
        tool_run(store->loop, store->children,
                 (const char *[]){"rm", "-rf", "--one-file-system", path, NULL}, REMOVE_S,
                 on_thrown_away, NULL, &err) == NULL) {
        log_warn("%s", err.text);
    }
}

static void on_begin(uv_timer_t *timer);

static void get_end(struct oci_get *get)
{
    struct oci_get **link = &get->store->gets;
    while (*link != get) {
        link = &(*link)->next;
    }
    *link = get->next;
    throw_away(get->store, get->beside);
    if (!get->imported) {
        throw_away(get->store, get->layout);
    }
    for (struct oci_get *other = get->store->gets; other != NULL; other = other->next) {
        if (other->step == GET_WAIT && strcmp(other->digest, get->digest) == 0) {
            uv_timer_start(&other->timer, on_begin, 0, 0);
        }
    }
    uv_close((uv_handle_t *)&get->timer, on_closed);
}

static void get_fail(struct oci_get *get, const char *what, const char *why)
{
    snprintf(get->text, sizeof(get->text), "image \"%.200s\" %s%s%.400s", get->reference, what,
             *why == '\0' ? "" : ": ", why);
    get->step = GET_DONE;
    get->done(get->ctx, NULL, get->text);
    get_end(get);
}

static void get_done(struct oci_get *get)
{
    char root[PATH_BYTES];
    root_of(get, root);
    get->step = GET_DONE;
    get->done(get->ctx, root, NULL);
    get_end(get);
}

/* ---- the steps ---- */

static void get_advance(struct oci_get *get);

/* From now on this is what the tag means for the key that asked. */
static bool write_pin(const struct oci_get *get)
{
    char pin[PATH_BYTES];
    pin_of(get, pin);
    return file_write(pin, slice_of(get->digest), 0600, NULL);
}

/* ---- the disk ---- */

static uint64_t gibibytes(unsigned count)
{
    return (uint64_t)count << 30;
}

/* Why what is being written must end; NULL: it may go on. */
static const char *disk_objects(const struct oci_get *get)
{
    struct statvfs now;
    if (statvfs(get->store->dir, &now) != 0) {
        return NULL;
    }
    uint64_t free_bytes = (uint64_t)now.f_bavail * now.f_frsize;
    uint64_t before_bytes = (uint64_t)get->disk.f_bavail * get->disk.f_frsize;
    uint64_t keep = (uint64_t)now.f_blocks * now.f_frsize / SHARE_LEFT;
    keep = keep < gibibytes(GIBIBYTES_LEFT_MAX) ? keep : gibibytes(GIBIBYTES_LEFT_MAX);
    if (free_bytes < keep) {
        return "the disk of the data folder is almost full";
    }
    if (before_bytes > free_bytes && before_bytes - free_bytes > gibibytes(GIBIBYTES_MAX)) {
        return "it is larger than 32 GiB";
    }
    if (get->disk.f_favail > now.f_favail && get->disk.f_favail - now.f_favail > FILES_MAX) {
        return "it has more than 2,000,000 files";
    }
    return NULL;
}

/* What a tool said last, in our words where they are shorter: it may have filled the disk between
 * two of our looks, and taken away again what it wrote. */
static const char *said(const char *text)
{
    return strstr(text, "no space left on device") != NULL ||
                   strstr(text, "disk quota exceeded") != NULL
               ? "the disk of the data folder is full"
               : text;
}

static void on_look(uv_timer_t *timer)
{
    struct oci_get *get = timer->data;
    const char *why = disk_objects(get);
    if (why == NULL) {
        return;
    }
    tool_cancel(get->tool);
    get->tool = NULL;
    uv_timer_stop(timer);
    get_fail(get, get->step == GET_COPY ? "cannot be pulled" : "cannot be unpacked", why);
}

static void ask_platforms(struct oci_get *get);
static void tell_platforms(struct oci_get *get);

static void on_tool(void *ctx, bool good, const char *text)
{
    static const char *const failures[] = {
        [GET_DIGEST] = "cannot be found in its registry",
        [GET_PLATFORMS] = "is not there for the platform of this machine",
        [GET_COPY] = "cannot be pulled",
        [GET_UNPACK] = "cannot be unpacked",
    };
    struct oci_get *get = ctx;
    get->tool = NULL;
    uv_timer_stop(&get->timer);
    if (good && get->step == GET_DIGEST) {
        snprintf(get->digest, sizeof(get->digest), "%.79s", text);
        good = digest_valid(get->digest) && write_pin(get);
    }
    if (!good && get->step == GET_DIGEST && strstr(text, "no image found in") != NULL) {
        ask_platforms(get);
    } else if (!good) {
        get_fail(get, failures[get->step], said(text));
    } else if (get->step == GET_PLATFORMS) {
        tell_platforms(get);
    } else {
        get_advance(get);
    }
}

static void get_run(struct oci_get *get, const char *const *argv, unsigned timeout_s)
{
    struct error err = {0};
    get->tool =
        tool_run(get->store->loop, get->store->children, argv, timeout_s, on_tool, get, &err);
    if (get->tool == NULL) {
        get_fail(get, "cannot be had", err.text);
    } else if (get->step != GET_DIGEST && statvfs(get->store->dir, &get->disk) == 0) {
        uv_timer_start(&get->timer, on_look, 0, LOOK_MS);
    }
}

/* A registry on this machine's loopback may speak plain HTTP. */
static bool on_loopback(const char *reference)
{
    static const char *const hosts[] = {"127.", "localhost:", "localhost/", "[::1]"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        if (strncmp(reference, hosts[i], strlen(hosts[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void ask_digest(struct oci_get *get)
{
    char source[640];
    const char *verify = on_loopback(get->reference) ? "--tls-verify=false" : "--tls-verify=true";
    snprintf(source, sizeof(source), "docker://%s", get->reference);
    get->step = GET_DIGEST;
    get_run(get,
            (const char *[]){"skopeo", "inspect", verify, "--format", "{{.Digest}}", source, NULL},
            ASK_S);
}

/* The list alone, without the images that it names. */
static void ask_platforms(struct oci_get *get)
{
    char source[640], target[PATH_BYTES];
    const char *verify =
        on_loopback(get->reference) ? "--src-tls-verify=false" : "--src-tls-verify=true";
    snprintf(source, sizeof(source), "docker://%s", get->reference);
    snprintf(get->beside, sizeof(get->beside), "%s/roots/.platforms-%016llx", get->store->dir,
             (unsigned long long)random_u64());
    snprintf(target, sizeof(target), "dir:%.4390s", get->beside);
    get->step = GET_PLATFORMS;
    get_run(get,
            (const char *[]){"skopeo", "copy", "--quiet", "--multi-arch=index-only", verify, source,
                             target, NULL},
            ASK_S);
}

static void tell_platforms(struct oci_get *get)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct slice text;
    const char *path = arena_printf(&arena, "%s/manifest.json", get->beside);
    bool there = file_read(&arena, path, CONFIG_BYTES_MAX, &text, &err);
    auto_json *list = there ? json_read(text, &err) : NULL;
    get_fail(get, "is not there for the platform of this machine", platform_missing(&arena, list));
}

/* NAME@DIGEST of "NAME:TAG", "NAME" or "NAME@…". */
static void pinned_source(const struct oci_get *get, char out[760])
{
    struct slice name = slice_of(get->reference);
    ptrdiff_t at = slice_find(name, '@');
    name = at >= 0 ? slice_upto(name, (size_t)at) : name;
    ptrdiff_t colon = slice_find_last(name, ':');
    if (colon > slice_find_last(name, '/')) {
        name = slice_upto(name, (size_t)colon);
    }
    snprintf(out, 760, "docker://%.*s@%s", SLICE_ARG(name), get->digest);
}

static void copy(struct oci_get *get)
{
    char source[760], target[PATH_BYTES];
    const char *verify =
        on_loopback(get->reference) ? "--src-tls-verify=false" : "--src-tls-verify=true";
    pinned_source(get, source);
    snprintf(get->layout, sizeof(get->layout), "%s/layouts/.%s-%016llx", get->store->dir,
             get->digest + 7, (unsigned long long)random_u64());
    snprintf(target, sizeof(target), "oci:%.4300s:%s", get->layout, get->digest + 7);
    get->step = GET_COPY;
    get_run(get, (const char *[]){"skopeo", "copy", "--quiet", verify, source, target, NULL},
            PULL_S);
}

static void unpack(struct oci_get *get)
{
    char image[PATH_BYTES], map[32];
    snprintf(image, sizeof(image), "%.4300s:%s", get->layout, get->digest + 7);
    snprintf(get->beside, sizeof(get->beside), "%s/roots/.%s-%016llx", get->store->dir,
             get->digest + 7, (unsigned long long)random_u64());
    get->step = GET_UNPACK;
    if (rootless()) {
        snprintf(map, sizeof(map), "0:%d:%d", ROOTLESS_FIRST, NAMESPACE_USERS);
        get_run(get,
                (const char *[]){"umoci", "unpack", "--uid-map", map, "--gid-map", map, "--image",
                                 image, get->beside, NULL},
                UNPACK_S);
        return;
    }
    get_run(get, (const char *[]){"umoci", "unpack", "--image", image, get->beside, NULL},
            UNPACK_S);
}

/* The image's own configuration, from the layout, beside what was unpacked. */
static bool save_config(struct oci_get *get, struct error *err)
{
    auto_arena arena = {0};
    struct slice text;
    const char *dir = get->layout;
    if (!file_read(&arena, arena_printf(&arena, "%s/index.json", dir), CONFIG_BYTES_MAX, &text,
                   err)) {
        return false;
    }
    auto_json *index = json_read(text, err);
    const json_t *manifests = json_object_get(index, "manifests");
    const char *digest = "";
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        const json_t *row = json_array_get(manifests, i);
        const json_t *notes = json_object_get(row, "annotations");
        const char *name =
            json_string_value(json_object_get(notes, "org.opencontainers.image.ref.name"));
        if (name != NULL && strcmp(name, get->digest + 7) == 0) {
            digest = json_text_or(row, "digest", "");
        }
    }
    if (!digest_valid(digest) ||
        !file_read(&arena, arena_printf(&arena, "%s/blobs/sha256/%s", dir, digest + 7),
                   CONFIG_BYTES_MAX, &text, err)) {
        return error_set(err, STATUS_NOT_FOUND, "it has no manifest");
    }
    auto_json *manifest = json_read(text, err);
    const char *config = json_text_or(manifest, "config.digest", "");
    if (!digest_valid(config) ||
        !file_read(&arena, arena_printf(&arena, "%s/blobs/sha256/%s", dir, config + 7),
                   CONFIG_BYTES_MAX, &text, err)) {
        return error_set(err, STATUS_NOT_FOUND, "it has no configuration");
    }
    auto_json *image = json_read(text, err);
    return image != NULL && platform_fits(image, err) &&
           file_write(arena_printf(&arena, "%s/image.json", get->beside), text, 0600, err);
}

static void finish_unpack(struct oci_get *get)
{
    char root[PATH_BYTES];
    struct error err = {0};
    root_of(get, root);
    if (!save_config(get, &err)) {
        get_fail(get, "cannot be run here", err.text);
        return;
    }
    if (rename(get->beside, root) != 0) {
        get_fail(get, "cannot be unpacked", "its folder cannot be renamed");
        return;
    }
    get->beside[0] = '\0';
    get_done(get);
}

static bool read_pin(struct oci_get *get)
{
    auto_arena arena = {0};
    char path[PATH_BYTES];
    struct slice text;
    pin_of(get, path);
    if (!file_read(&arena, path, sizeof(get->digest) - 1, &text, NULL)) {
        return false;
    }
    snprintf(get->digest, sizeof(get->digest), "%.*s", SLICE_ARG(text));
    return digest_valid(get->digest);
}

/* Whether another one brings the same image. */
static bool is_coming(const struct oci_get *get)
{
    const struct oci_get *other = get->store->gets;
    while (other != NULL && (strcmp(other->digest, get->digest) != 0 ||
                             (other->step != GET_COPY && other->step != GET_UNPACK))) {
        other = other->next;
    }
    return other != NULL;
}

/* Where the image was imported to: a layout of its own, or the one of all in earlier versions. */
static void find_import(struct oci_get *get)
{
    snprintf(get->layout, sizeof(get->layout), "%s/layouts/%s", get->store->dir, get->digest + 7);
    if (access(get->layout, F_OK) != 0) {
        snprintf(get->layout, sizeof(get->layout), "%s/oci", get->store->dir);
    }
}

static void get_advance(struct oci_get *get)
{
    char root[PATH_BYTES];
    switch (get->step) {
    case GET_BEGIN:
        if (get->digest[0] == '\0' && !read_pin(get)) {
            ask_digest(get);
            return;
        }
        break;
    case GET_DIGEST:
    case GET_WAIT:
        break;
    case GET_COPY:
        unpack(get);
        return;
    case GET_UNPACK:
        finish_unpack(get);
        return;
    case GET_PLATFORMS:
    case GET_DONE:
        return;
    }
    if (!digest_valid(get->digest)) {
        get_fail(get, "has no valid digest", "");
        return;
    }
    root_of(get, root);
    if (access(root, F_OK) == 0) {
        get_done(get);
    } else if (is_coming(get)) {
        get->step = GET_WAIT; /* get_end() of the other wakes it */
    } else if (get->imported) {
        find_import(get);
        unpack(get);
    } else {
        copy(get);
    }
}

static void on_begin(uv_timer_t *timer)
{
    get_advance(timer->data);
}

struct oci_get *oci_store_get(struct oci_store *store, const char *key, const char *reference,
                              const char *digest, oci_got done, void *ctx)
{
    struct oci_get *get = mem_new(struct oci_get);
    *get = (struct oci_get){.store = store, .done = done, .ctx = ctx, .imported = *digest != '\0'};
    snprintf(get->key, sizeof(get->key), "%s", key);
    snprintf(get->reference, sizeof(get->reference), "%s", reference);
    snprintf(get->digest, sizeof(get->digest), "%s", digest);
    uv_timer_init(store->loop, &get->timer);
    get->timer.data = get;
    get->next = store->gets;
    store->gets = get;
    uv_timer_start(&get->timer, on_begin, 0, 0);
    return get;
}

void oci_get_cancel(struct oci_get *get)
{
    tool_cancel(get->tool);
    get_end(get);
}

/* ---- what an image says ---- */

static const char *const *texts(struct arena *arena, const json_t *list)
{
    const char **out = arena_array(arena, const char *, json_array_size(list) + 1);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        out[i] = arena_string(arena, slice_of(item == NULL ? "" : item));
    }
    return out;
}

bool oci_image_read(struct arena *arena, const char *root, struct oci_image *out, struct error *err)
{
    struct slice text, bundle_text;
    if (!file_read(arena, arena_printf(arena, "%s/image.json", root), CONFIG_BYTES_MAX, &text,
                   err) ||
        !file_read(arena, arena_printf(arena, "%s/config.json", root), CONFIG_BYTES_MAX,
                   &bundle_text, err)) {
        return false;
    }
    auto_json *image = json_read(text, err);
    auto_json *bundle = json_read(bundle_text, err); /* umoci has looked the user up */
    if (image == NULL || bundle == NULL) {
        return false;
    }
    const json_t *config = json_object_get(image, "config");
    *out = (struct oci_image){
        .entrypoint = texts(arena, json_object_get(config, "Entrypoint")),
        .command = texts(arena, json_object_get(config, "Cmd")),
        .env = texts(arena, json_object_get(config, "Env")),
        .working_dir = arena_string(arena, slice_of(json_text_or(config, "WorkingDir", ""))),
        .uid = (unsigned)json_number(bundle, "process.user.uid", 0),
        .gid = (unsigned)json_number(bundle, "process.user.gid", 0),
    };
    return true;
}

/* ---- the store ---- */

/* What was on its way in the folder NAME when the last engine ended. */
static void sweep(const struct oci_store *store, const char *name)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", store->dir, name);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.' && strlen(entry->d_name) > 64) {
            snprintf(path, sizeof(path), "%s/%s/%s", store->dir, name, entry->d_name);
            tool_run_now((const char *[]){"rm", "-rf", "--one-file-system", path, NULL});
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

struct oci_store *oci_store_new(uv_loop_t *loop, struct children *children, const char *data,
                                struct error *err)
{
    static const char *const folders[] = {"roots", "pins", "layouts"};
    char path[PATH_BYTES];
    struct oci_store *store = mem_new(struct oci_store);
    *store = (struct oci_store){.loop = loop, .children = children, .kept = map_new()};
    snprintf(store->dir, sizeof(store->dir), "%.4096s/images", data);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", store->dir, folders[i]);
        if (!file_make_dir(path, 0700, err)) {
            free(store);
            return NULL;
        }
    }
    sweep(store, "roots");
    sweep(store, "layouts");
    return store;
}

/* ---- what nobody uses ---- */

static void keep(struct oci_store *store, const char *name)
{
    map_put(store->kept, slice_of(name), store);
}

void oci_store_keep(struct oci_store *store, const char *key, const char *digest)
{
    auto_arena arena = {0};
    struct slice text;
    const char *pin = arena_printf(&arena, "%s/pins/%s", store->dir, key);
    if (*digest == '\0' && file_read(&arena, pin, 79, &text, NULL)) {
        digest = arena_string(&arena, text);
    }
    keep(store, key);
    if (digest_valid(digest)) {
        keep(store, digest + 7);
    }
}

void oci_store_keep_root(struct oci_store *store, const char *root)
{
    const char *slash = strrchr(root, '/');
    if (slash != NULL) {
        keep(store, slash + 1);
    }
}

/* Takes each entry of the folder NAME that was not kept away, by DEED. */
static void sweep_folder(struct oci_store *store, const char *name,
                         void (*deed)(struct oci_store *store, const char *path))
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", store->dir, name);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.' && map_find(store->kept, slice_of(entry->d_name)) == NULL) {
            snprintf(path, sizeof(path), "%.4100s/%.20s/%.200s", store->dir, name, entry->d_name);
            log_info("images: nobody uses %s/%.12s any more", name, entry->d_name);
            deed(store, path);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

static void remove_pin(struct oci_store *store, const char *path)
{
    (void)store;
    unlink(path);
}

/* Its name goes first, so that nobody finds half of it. */
static void remove_root(struct oci_store *store, const char *path)
{
    char aside[PATH_BYTES];
    snprintf(aside, sizeof(aside), "%s/roots/.%s-%016llx", store->dir, strrchr(path, '/') + 1,
             (unsigned long long)random_u64());
    if (rename(path, aside) == 0) {
        throw_away(store, aside);
    }
}

void oci_store_sweep(struct oci_store *store)
{
    for (const struct oci_get *get = store->gets; get != NULL; get = get->next) {
        keep(store, get->key);
        if (digest_valid(get->digest)) {
            keep(store, get->digest + 7);
        }
    }
    sweep_folder(store, "pins", remove_pin);
    sweep_folder(store, "roots", remove_root);
    map_free(store->kept);
    store->kept = map_new();
}

void oci_store_free(struct oci_store *store)
{
    map_free(store->kept);
    free(store);
}
