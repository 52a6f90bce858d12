/*
 * What the engine gets is decided here, by the record alone: it says which revision it starts, and
 * nothing of secrets. The account is asked about each time, so that a grant which was taken away
 * opens nothing to the next instance. Values pass through one arena and the channel.
 */
#include "control/run/secrets.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "control/identity/accounts.h"
#include "control/publish/turn.h"
#include "control/record/projects.h"
#include "control/record/secrets.h"

enum { MODE_BY_DEFAULT = 0444, NAME_BYTES_MAX = 3072 };

/* One use of a secret. */
struct use {
    size_t container;
    const char *secret; /* as the template has it */
    const char *version;
    const char *variable; /* NULL: a file */
    const char *folder, *path;
    uint32_t mode;
};

typedef bool (*use_fn)(const struct use *use, void *ctx, struct error *err);

/* ---- what a template names ---- */

static bool each_variable(const struct container *container, size_t at, use_fn fn, void *ctx,
                          struct error *err)
{
    for (size_t i = 0; i < container->env_count; i++) {
        const struct env_var *variable = &container->env[i];
        const struct secret_selector *ref =
            variable->value_source == NULL ? NULL : variable->value_source->secret;
        struct use use = {
            .container = at,
            .secret = ref == NULL ? "" : ref->secret,
            .version = ref == NULL ? "" : ref->version,
            .variable = variable->name,
        };
        if (ref != NULL && !fn(&use, ctx, err)) {
            return false;
        }
    }
    return true;
}

static const char *file_name(const char *secret)
{
    const char *last = strrchr(secret, '/');
    return last == NULL ? secret : last + 1;
}

/* Without items there is one file, named for the secret, of its latest version. */
static bool each_file(const struct secret_volume *volume, struct use *use, use_fn fn, void *ctx,
                      struct error *err)
{
    uint32_t mode = (uint32_t)volume->default_mode & 0777;
    use->secret = volume->secret;
    use->mode = mode == 0 ? MODE_BY_DEFAULT : mode;
    if (volume->items_count == 0) {
        use->version = "latest";
        use->path = file_name(use->secret);
        return fn(use, ctx, err);
    }
    for (size_t i = 0; i < volume->items_count; i++) {
        const struct secret_item *item = &volume->items[i];
        struct use one = *use;
        uint32_t own = (uint32_t)item->mode & 0777;
        one.mode = own == 0 ? use->mode : own;
        one.version = item->version;
        one.path = item->path;
        if (!fn(&one, ctx, err)) {
            return false;
        }
    }
    return true;
}

static const struct secret_volume *secret_volume(const struct template *template, const char *name)
{
    for (size_t i = 0; i < template->volumes_count; i++) {
        if (strcmp(template->volumes[i].name, name) == 0) {
            return template->volumes[i].secret;
        }
    }
    return NULL;
}

static bool each_mount(const struct template *template, const struct container *container,
                       size_t at, use_fn fn, void *ctx, struct error *err)
{
    for (size_t i = 0; i < container->mounts_count; i++) {
        const struct secret_volume *volume = secret_volume(template, container->mounts[i].name);
        struct use use = {.container = at, .folder = container->mounts[i].path};
        if (volume != NULL && !each_file(volume, &use, fn, ctx, err)) {
            return false;
        }
    }
    return true;
}

static bool each_use(const struct template *template, use_fn fn, void *ctx, struct error *err)
{
    for (size_t i = 0; i < template->containers_count; i++) {
        const struct container *container = &template->containers[i];
        if (!each_variable(container, i, fn, ctx, err) ||
            !each_mount(template, container, i, fn, ctx, err)) {
            return false;
        }
    }
    return true;
}

static bool found_one(const struct use *use, void *ctx, struct error *err)
{
    (void)use;
    (void)err;
    *(bool *)ctx = true;
    return false;
}

/* Whether TEMPLATE names any. */
static bool run_has_secrets(const struct template *template)
{
    bool found = false;
    struct error ignored;
    each_use(template, found_one, &found, &ignored);
    return found;
}

/* ---- one secret, for an account ---- */

/* For whom values are read. */
struct reading {
    struct control *control;
    struct arena *arena;
    const char *project; /* of the service */
    const struct template *template;
    struct api_call as; /* the revision's account, as if it called */
    const char *email;
    /* For the engine; NULL while it is only asked whether all is well. */
    const struct msg_secrets_ask *ask;
    size_t bytes;
};

/* v1 names a secret of another project by an alias of this annotation:
 * "ALIAS:projects/P/secrets/S,…". */
static struct slice without_alias(const struct template *template, const char *name)
{
    const char *note =
        pair_find(template->annotations, template->annotations_count, "run.googleapis.com/secrets");
    struct slice rest = slice_of(note), pair;
    while (slice_cut(&rest, ',', &pair)) {
        ptrdiff_t colon = slice_find(pair, ':');
        if (colon > 0 && slice_is(slice_trim(slice_upto(pair, (size_t)colon)), name)) {
            return slice_trim(slice_from(pair, (size_t)colon + 1));
        }
    }
    return slice_of(name);
}

/* The record's key of the secret that NAME says: "S", or "projects/P/secrets/S". NULL if it says
 * none. */
static const char *key_of(const struct reading *reading, const char *name)
{
    struct slice full = without_alias(reading->template, name), rest = full, word, project, id;
    if (slice_find(full, '/') < 0) {
        return secret_id_valid(full) ? secret_key(reading->arena, reading->project,
                                                  arena_string(reading->arena, full))
                                     : NULL;
    }
    if (!slice_cut(&rest, '/', &word) || !slice_is(word, "projects") ||
        !slice_cut(&rest, '/', &project) || !slice_cut(&rest, '/', &word) ||
        !slice_is(word, "secrets") || !slice_cut(&rest, '/', &id) || rest.len > 0 ||
        !secret_id_valid(id)) {
        return NULL;
    }
    const char *named = arena_string(reading->arena, project);
    const char *known = project_id(reading->control, reading->arena, named);
    return secret_key(reading->arena, known == NULL ? named : known,
                      arena_string(reading->arena, id));
}

static bool denied(const struct reading *reading, const char *key, const char *version,
                   struct error *err)
{
    return error_set(
        err, STATUS_PERMISSION_DENIED,
        "Permission denied on secret: %.*s/versions/%.100s for Revision service account %.100s. "
        "The service account used must be granted the 'Secret Manager Secret Accessor' role "
        "(roles/secretmanager.secretAccessor) at the secret, project or higher level.",
        SECRET_SHOWN_MAX, secret_public_name(reading->control, reading->arena, key), version,
        reading->email);
}

/* The permission is asked first, so that a refusal does not tell whether there is such a secret. */
static bool read_value(struct reading *reading, const struct use *use, struct slice *value,
                       struct error *err)
{
    struct control *control = reading->control;
    struct arena *arena = reading->arena;
    auto_doc secret = {0};
    auto_doc version = {0};
    struct error fault = {0};
    const char *key = key_of(reading, use->secret);
    if (key == NULL) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "'%.200s' is the name of no secret.",
                         use->secret);
    }
    const char *asked = arena_printf(arena, "%s/versions/%s", key, use->version);
    bool found = secret_load(control, arena, key, &secret, &fault) &&
                 secret_version_load(control, arena, &secret, use->version, &version, &fault);
    bool good = false;
    if (!api_holds(&reading->as, "secretmanager.versions.access", found ? version.key : asked)) {
        denied(reading, key, use->version, err);
    } else if (!found) {
        error_set(err, STATUS_NOT_FOUND, "Secret %.*s was not found.", SECRET_SHOWN_MAX,
                  secret_public_name(control, arena, asked));
    } else {
        good = secret_value_read(control, arena, secret.id, &version, value, err);
    }
    return good;
}

/* What the kernel has there is no place for files. */
static bool is_mountable(const char *folder)
{
    static const char *const kept[] = {"/dev", "/proc", "/sys"};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        size_t length = strlen(kept[i]);
        if (strncmp(folder, kept[i], length) == 0 &&
            (folder[length] == '\0' || folder[length] == '/')) {
            return false;
        }
    }
    return folder[0] == '/' && path_leads_below(folder + 1);
}

/* Whether an instance can be given it in this way. */
static bool use_valid(const struct reading *reading, const struct use *use, struct slice value,
                      struct error *err)
{
    const char *engine = reading->control->settings.engine;
    if (use->variable == NULL && strcmp(engine, "process") == 0) {
        return error_set(err, STATUS_UNIMPLEMENTED,
                         "The secret '%.200s' is mounted as a file, which takes containers: start "
                         "Homerun without --engine process, or give the secret to the environment.",
                         use->secret);
    }
    if (use->variable == NULL && !is_mountable(use->folder)) {
        return error_set(
            err, STATUS_INVALID_ARGUMENT,
            "No secret can be mounted at '%.200s': it takes an absolute path, and none "
            "in /dev, /proc or /sys.",
            use->folder);
    }
    if (use->variable == NULL && !path_leads_below(use->path)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "'%.200s' is the path of no file: it leads below the folder where the "
                         "secret is mounted.",
                         use->path);
    }
    /* Variables are texts that end with a NUL, and JSON on their way to a container. */
    auto_json *text = json_stringn(value.data, value.len);
    return use->variable == NULL || (text != NULL && memchr(value.data, '\0', value.len) == NULL) ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "The value of the secret '%.200s' is not UTF-8 text, which a variable of the "
                     "environment has to be: mount it as a file.",
                     use->secret);
}

/* "VARIABLE", or "FOLDER", NUL, "PATH". */
static struct slice name_of(struct arena *arena, const struct use *use)
{
    if (use->variable != NULL) {
        return slice_of(use->variable);
    }
    struct slice folder = slice_of(use->folder), path = slice_of(use->path);
    char *name = arena_alloc(arena, folder.len + 1 + path.len);
    memcpy(name, folder.data, folder.len);
    memcpy(name + folder.len + 1, path.data, path.len); /* the NUL between is there already */
    return (struct slice){name, folder.len + 1 + path.len};
}

static bool give(const struct reading *reading, const struct use *use, struct slice value)
{
    struct slice name = name_of(reading->arena, use);
    struct msg_secret head = {
        .id = reading->ask->id,
        .container = (uint32_t)use->container,
        .mode = use->mode,
        .name_bytes = (uint32_t)name.len,
        .bytes = (uint32_t)value.len,
    };
    size_t all = sizeof(head) + name.len + value.len;
    if (name.len > NAME_BYTES_MAX || all > IPC_PACKET_MAX - sizeof(struct message_head)) {
        return false;
    }
    char *body = arena_alloc(reading->arena, all);
    memcpy(body, &head, sizeof(head));
    memcpy(body + sizeof(head), name.data, name.len);
    memcpy(body + sizeof(head) + name.len, value.data, value.len);
    bool sent = ipc_send(reading->control->engine, MSG_SECRET, body, all);
    OPENSSL_cleanse(body, all);
    return sent;
}

static bool take_use(const struct use *use, void *ctx, struct error *err)
{
    struct reading *reading = ctx;
    struct slice value;
    /* Variables, and versions that were named, stay what they were. */
    if (reading->ask != NULL && reading->ask->anew != 0 &&
        (use->variable != NULL || strcmp(use->version, "latest") != 0)) {
        return true;
    }
    if (!read_value(reading, use, &value, err)) {
        return false;
    }
    bool good = use_valid(reading, use, value, err);
    reading->bytes += value.len;
    if (good && reading->bytes > SECRETS_BYTES_MAX) {
        good = error_set(err, STATUS_RESOURCE_EXHAUSTED,
                         "The secrets of an instance have at most %d bytes together.",
                         SECRETS_BYTES_MAX);
    }
    if (good && reading->ask != NULL && !give(reading, use, value)) {
        good = error_set(err, STATUS_UNAVAILABLE,
                         "The engine could not take the secrets: it will ask again.");
    }
    OPENSSL_cleanse((void *)(uintptr_t)value.data, value.len);
    return good;
}

/* The account is one that exists and is enabled now. */
static bool reading_begin(struct reading *reading, struct error *err)
{
    struct account account;
    reading->email = reading->template->service_account;
    if (!account_by_email(reading->control, reading->arena, slice_of(reading->email), &account) ||
        account.disabled) {
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "The service account of the revision, %.200s, does not exist or is "
                         "disabled: it reads no secrets.",
                         reading->email);
    }
    reading->as = (struct api_call){.control = reading->control};
    account_caller(reading->control, &reading->as.arena, &account, &reading->as.caller);
    return true;
}

static bool read_all(struct reading *reading, struct error *err)
{
    bool good = reading_begin(reading, err) && each_use(reading->template, take_use, reading, err);
    arena_done(&reading->as.arena);
    return good;
}

bool run_secrets_check(struct control *control, struct arena *arena, const char *project,
                       const struct template *template, struct error *err)
{
    struct reading reading = {
        .control = control, .arena = arena, .project = project, .template = template};
    return !run_has_secrets(template) || read_all(&reading, err);
}

/* ---- the engine's question ---- */

static bool answer(struct control *control, const struct msg_secrets_ask *ask, struct error *err)
{
    auto_arena arena = {0};
    struct store_doc doc = {0};
    struct slice rest = slice_of(ask->revision), word, project;
    static const char absent[] = "The revision of this instance has been deleted.";
    if (!slice_cut(&rest, '/', &word) || !slice_cut(&rest, '/', &project) ||
        !store_load(control->store, STORE_REVISION, ask->revision, &doc, err, "%s", absent)) {
        return false;
    }
    auto_json *body = doc.body;
    struct reading reading = {
        .control = control,
        .arena = &arena,
        .project = arena_string(&arena, project),
        .template = &revision_from_doc(&arena, body)->template,
        .ask = ask,
    };
    return doc.id == ask->revision_id ? read_all(&reading, err)
                                      : error_set(err, STATUS_NOT_FOUND, "%s", absent);
}

void run_secrets_ask(struct control *control, const struct msg_secrets_ask *ask)
{
    struct error err = {0};
    struct msg_secrets_told told = {.id = ask->id, .ok = answer(control, ask, &err)};
    if (!told.ok) {
        snprintf(told.text, sizeof(told.text), "%s", err.text);
        if (ask->anew == 0) { /* else the engine's log has it, once */
            log_info("secrets: revision=%s: refused: %s", ask->revision, err.text);
        }
    }
    if (!ipc_send(control->engine, MSG_SECRETS_TOLD, &told, sizeof(told))) {
        log_warn("secrets: revision=%s: the engine does not read", ask->revision);
    }
}

/* ---- those whose time is over ---- */

enum { EXPIRE_MS = 60000, EXPIRED_AT_ONCE = 64 };

struct expired {
    struct arena arena;
    const char *keys[EXPIRED_AT_ONCE];
    size_t count;
};

static bool add_expired(const struct store_doc *doc, void *ctx)
{
    struct expired *expired = ctx;
    if (secret_is_over(doc->body)) {
        expired->keys[expired->count++] = arena_string(&expired->arena, slice_of(doc->key));
    }
    return expired->count < EXPIRED_AT_ONCE;
}

static bool delete_expired(struct control *control, const char *key, struct error *err)
{
    auto_arena arena = {0};
    auto_change *change = change_begin(control, NULL, err);
    return change != NULL && secret_delete(control, &arena, key, err) &&
           change_audit(change, key, "expire-secret", NULL, NULL, err) &&
           change_commit(&change, err);
}

static bool expire(struct control *control, struct error *err)
{
    struct expired expired = {.count = 0};
    bool good = store_each(control->store, STORE_SECRET, "", add_expired, &expired, err);
    for (size_t i = 0; i < expired.count && good; i++) {
        good = delete_expired(control, expired.keys[i], err);
    }
    if (expired.count > 0 && good) {
        log_info("secrets: expired=%zu", expired.count);
        secrets_scrub(control);
    }
    arena_done(&expired.arena);
    return good;
}

static void expire_now(void *ctx)
{
    struct error err;
    if (!expire(ctx, &err)) {
        log_warn("secrets: those whose time is over could not be deleted: %s", err.text);
    }
}

static void on_expire(uv_timer_t *timer)
{
    turn_run(timer->data, expire_now, timer->data);
}

bool run_secrets_expire(struct control *control, struct error *err)
{
    uv_timer_init(control->loop, &control->secrets_timer);
    control->secrets_timer.data = control;
    uv_unref((uv_handle_t *)&control->secrets_timer);
    uv_timer_start(&control->secrets_timer, on_expire, EXPIRE_MS, EXPIRE_MS);
    return expire(control, err);
}
