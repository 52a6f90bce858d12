/*
 * The steps of an image: its digest (from a pin, or by asking the registry), a copy into the
 * layout, the unpacking into a folder beside, and one rename: what has a name is whole. A step that
 * was cut off is begun anew by the next who asks; the folder it left is thrown away at the start.
 */
#include "engine/oci_store.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/random.h"
#include "codec/codec.h"
#include "engine/tool.h"

enum { PATH_BYTES = 4400, PULL_S = 300, UNPACK_S = 120, CONFIG_BYTES_MAX = 4 * 1024 * 1024 };

struct oci_store {
    uv_loop_t *loop;
    struct children *children;
    char dir[4200]; /* DATA/images */
};

enum get_step { GET_BEGIN, GET_DIGEST, GET_COPY, GET_UNPACK, GET_DONE };

struct oci_get {
    struct oci_store *store;
    enum get_step step;
    struct tool *tool;
    uv_timer_t timer;
    char key[128], reference[600];
    char digest[80];         /* "sha256:…" */
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

static void get_end(struct oci_get *get)
{
    uv_close((uv_handle_t *)&get->timer, on_closed);
}

static void get_fail(struct oci_get *get, const char *what, const char *said)
{
    snprintf(get->text, sizeof(get->text), "image \"%.200s\" %s%s%.400s", get->reference, what,
             *said == '\0' ? "" : ": ", said);
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

/* From now on this is what the tag means to whoever asked. */
static bool write_pin(const struct oci_get *get)
{
    char pin[PATH_BYTES];
    pin_of(get, pin);
    return file_write(pin, slice_of(get->digest), 0600, NULL);
}

static void on_tool(void *ctx, bool good, const char *text)
{
    static const char *const failures[] = {
        [GET_DIGEST] = "cannot be found in its registry",
        [GET_COPY] = "cannot be pulled",
        [GET_UNPACK] = "cannot be unpacked",
    };
    struct oci_get *get = ctx;
    get->tool = NULL;
    if (good && get->step == GET_DIGEST) {
        snprintf(get->digest, sizeof(get->digest), "%.79s", text);
        good = digest_valid(get->digest) && write_pin(get);
    }
    if (!good) {
        get_fail(get, failures[get->step], text);
        return;
    }
    get_advance(get);
}

static void get_run(struct oci_get *get, const char *const *argv, unsigned timeout_s)
{
    struct error err = {0};
    get->tool =
        tool_run(get->store->loop, get->store->children, argv, timeout_s, on_tool, get, &err);
    if (get->tool == NULL) {
        get_fail(get, "cannot be had", err.text);
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
            PULL_S);
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
    snprintf(target, sizeof(target), "oci:%s/oci:%s", get->store->dir, get->digest + 7);
    get->step = GET_COPY;
    get_run(get, (const char *[]){"skopeo", "copy", "--quiet", verify, source, target, NULL},
            PULL_S);
}

static void unpack(struct oci_get *get)
{
    char image[PATH_BYTES];
    snprintf(image, sizeof(image), "%s/oci:%s", get->store->dir, get->digest + 7);
    snprintf(get->beside, sizeof(get->beside), "%s/roots/.%s-%016llx", get->store->dir,
             get->digest + 7, (unsigned long long)random_u64());
    get->step = GET_UNPACK;
    get_run(get, (const char *[]){"umoci", "unpack", "--image", image, get->beside, NULL},
            UNPACK_S);
}

/* The image's own configuration, from the layout, beside what was unpacked. */
static bool save_config(struct oci_get *get, struct error *err)
{
    auto_arena arena = {0};
    struct slice text;
    const char *dir = get->store->dir;
    if (!file_read(&arena, arena_printf(&arena, "%s/oci/index.json", dir), CONFIG_BYTES_MAX, &text,
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
        !file_read(&arena, arena_printf(&arena, "%s/oci/blobs/sha256/%s", dir, digest + 7),
                   CONFIG_BYTES_MAX, &text, err)) {
        return error_set(err, STATUS_NOT_FOUND, "it has no manifest");
    }
    auto_json *manifest = json_read(text, err);
    const char *config = json_text_or(manifest, "config.digest", "");
    if (!digest_valid(config) ||
        !file_read(&arena, arena_printf(&arena, "%s/oci/blobs/sha256/%s", dir, config + 7),
                   CONFIG_BYTES_MAX, &text, err)) {
        return error_set(err, STATUS_NOT_FOUND, "it has no configuration");
    }
    return file_write(arena_printf(&arena, "%s/image.json", get->beside), text, 0600, err);
}

static void finish_unpack(struct oci_get *get)
{
    char root[PATH_BYTES];
    struct error err = {0};
    root_of(get, root);
    if (!save_config(get, &err)) {
        get_fail(get, "cannot be unpacked", err.text);
        return;
    }
    if (rename(get->beside, root) != 0 && access(root, F_OK) != 0) {
        get_fail(get, "cannot be unpacked", "its folder cannot be renamed");
        return;
    }
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
        break;
    case GET_COPY:
        unpack(get);
        return;
    case GET_UNPACK:
        finish_unpack(get);
        return;
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
    } else if (get->imported) {
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
    struct oci_get *get = calloc(1, sizeof(*get));
    if (get == NULL) {
        abort();
    }
    *get = (struct oci_get){.store = store, .done = done, .ctx = ctx, .imported = *digest != '\0'};
    snprintf(get->key, sizeof(get->key), "%s", key);
    snprintf(get->reference, sizeof(get->reference), "%s", reference);
    snprintf(get->digest, sizeof(get->digest), "%s", digest);
    uv_timer_init(store->loop, &get->timer);
    get->timer.data = get;
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

/* What was being unpacked when the last engine ended. */
static void sweep(const struct oci_store *store)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/roots", store->dir);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.' && strlen(entry->d_name) > 64) {
            snprintf(path, sizeof(path), "%s/roots/%s", store->dir, entry->d_name);
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
    static const char *const folders[] = {"roots", "pins"};
    char path[PATH_BYTES];
    struct oci_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        abort();
    }
    *store = (struct oci_store){.loop = loop, .children = children};
    snprintf(store->dir, sizeof(store->dir), "%.4096s/images", data);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", store->dir, folders[i]);
        if (!file_make_dir(path, 0700, err)) {
            free(store);
            return NULL;
        }
    }
    sweep(store);
    return store;
}

void oci_store_free(struct oci_store *store)
{
    free(store);
}
