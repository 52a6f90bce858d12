#include "control/record/secrets.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "control/record/projects.h"
#include "ipc/signer_client.h"

const char *secret_key(struct arena *arena, const char *project, const char *id)
{
    return arena_printf(arena, "projects/%s/secrets/%s", project, id);
}

const char *secret_public_name(struct control *control, struct arena *arena, const char *key)
{
    struct slice left = slice_of(key), word, project;
    slice_cut(&left, '/', &word);
    slice_cut(&left, '/', &project);
    const char *number = project_number(control, arena, arena_string(arena, project));
    return number == NULL ? key : arena_printf(arena, "projects/%s/%s", number, left.data);
}

bool secret_id_valid(struct slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return id.len >= 1 && id.len <= SECRET_ID_BYTES_MAX;
}

/* ---- secrets ---- */

bool secret_is_over(const json_t *secret)
{
    int64_t end_us;
    const char *text = json_text(secret, "expireTime");
    return text != NULL && time_read(slice_of(text), &end_us) && end_us <= clock_wall_us();
}

bool secret_load(struct control *control, struct arena *arena, const char *key,
                 struct store_doc *out, struct error *err)
{
    const char *shown = secret_public_name(control, arena, key);
    if (!store_load(control->store, STORE_SECRET, key, out, err, "Secret [%.*s] not found.",
                    SECRET_SHOWN_MAX, shown)) {
        return false;
    }
    if (secret_is_over(out->body)) {
        store_doc_done(out);
        return error_set(err, STATUS_NOT_FOUND, "Secret [%.*s] not found.", SECRET_SHOWN_MAX,
                         shown);
    }
    return true;
}

/* ---- versions ---- */

/* Number of the version that WHICH says of SECRET: a number, "latest" or an alias. 0: none. */
static int64_t secret_version_number(const json_t *secret, const char *which)
{
    uint64_t number = 0;
    int64_t next = json_number(secret, "nextVersion", 1);
    if (strcmp(which, "latest") == 0) {
        return next - 1;
    }
    if (which[0] >= '1' && which[0] <= '9') {
        return slice_to_u64(slice_of(which), &number) && number < (uint64_t)next ? (int64_t)number
                                                                                 : 0;
    }
    const json_t *alias = json_object_get(json_object_get(secret, "versionAliases"), which);
    return json_integer_value(alias);
}

const char *secret_version_key(struct arena *arena, const char *secret, int64_t number)
{
    return arena_printf(arena, "%s/versions/%lld", secret, (long long)number);
}

bool secret_version_load(struct control *control, struct arena *arena,
                         const struct store_doc *secret, const char *which, struct store_doc *out,
                         struct error *err)
{
    int64_t number = secret_version_number(secret->body, which);
    const char *shown = secret_public_name(control, arena, secret->key);
    if (number == 0 && strcmp(which, "latest") == 0) {
        return error_set(err, STATUS_NOT_FOUND, "Secret [%.*s] not found or has no versions.",
                         SECRET_SHOWN_MAX, shown);
    }
    return store_load(
        control->store, STORE_SECRET_VERSION, secret_version_key(arena, secret->key, number), out,
        err, "Secret Version [%.*s/versions/%.100s] not found.", SECRET_SHOWN_MAX, shown, which);
}

/* ---- values ---- */

/* The number of the secret's document never comes again: what was encrypted for a secret of the
 * same name that was deleted is no value of this one. */
static struct slice seal_name(struct arena *arena, const char *version, uint64_t secret_id)
{
    return slice_of(arena_printf(arena, "%s#%llu", version, (unsigned long long)secret_id));
}

bool secret_value_put(struct control *control, struct arena *arena, uint64_t secret_id,
                      const char *version, struct slice value, struct error *err)
{
    struct slice sealed;
    if (!signer_call_named(control->signer_fd, &control->signer_next_id, SIGN_SEAL,
                           seal_name(arena, version, secret_id), value, arena, &sealed, err)) {
        return false;
    }
    auto_json *body = json_pack("{so}", "sealed", json_slice(base64_encode(arena, sealed)));
    return store_put(control->store, STORE_SECRET_VALUE, version, body, NULL, NULL, err);
}

bool secret_value_read(struct control *control, struct arena *arena, uint64_t secret_id,
                       const struct store_doc *version, struct slice *out, struct error *err)
{
    auto_doc doc = {0};
    struct slice sealed;
    const char *state = json_text_or(version->body, "state", "");
    const char *shown = secret_public_name(control, arena, version->key);
    if (strcmp(state, "ENABLED") != 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "Secret Version [%.*s] is in %s state.",
                         SECRET_SHOWN_MAX, shown, state);
    }
    if (!store_load(control->store, STORE_SECRET_VALUE, version->key, &doc, err,
                    "Secret Version [%.*s] has no value.", SECRET_SHOWN_MAX, shown)) {
        return false;
    }
    bool read = base64_decode_any(arena, slice_of(json_text_or(doc.body, "sealed", "")), &sealed);
    if (!read) {
        return error_set(err, STATUS_DATA_LOSS, "Secret Version [%.*s] is damaged in the record.",
                         SECRET_SHOWN_MAX, shown);
    }
    return signer_call_named(control->signer_fd, &control->signer_next_id, SIGN_OPEN,
                             seal_name(arena, version->key, secret_id), sealed, arena, out, err);
}

/* ---- the end of one ---- */

struct keys {
    struct arena *arena;
    const char *list[64];
    size_t count;
};

static bool add_key(const struct store_doc *doc, void *ctx)
{
    struct keys *keys = ctx;
    keys->list[keys->count++] = arena_string(keys->arena, slice_of(doc->key));
    return keys->count < sizeof(keys->list) / sizeof(keys->list[0]);
}

/* Deletes all of KIND below PREFIX, some at a time: what is being walked must not change. */
static bool delete_below(struct control *control, struct arena *arena, const char *kind,
                         const char *prefix, struct error *err)
{
    struct keys keys = {.arena = arena};
    do {
        keys.count = 0;
        if (!store_each(control->store, kind, prefix, add_key, &keys, err)) {
            return false;
        }
        for (size_t i = 0; i < keys.count; i++) {
            if (!store_delete(control->store, kind, keys.list[i], err)) {
                return false;
            }
        }
    } while (keys.count > 0);
    return true;
}

bool secret_delete(struct control *control, struct arena *arena, const char *key, struct error *err)
{
    const char *versions = arena_printf(arena, "%s/versions/", key);
    return delete_below(control, arena, STORE_SECRET_VALUE, versions, err) &&
           delete_below(control, arena, STORE_SECRET_VERSION, versions, err) &&
           store_delete(control->store, STORE_POLICY, key, err) &&
           store_delete(control->store, STORE_SECRET, key, err);
}

void secrets_scrub(struct control *control)
{
    struct error err;
    if (!store_scrub(control->store, &err)) {
        log_warn("secrets: what was destroyed is encrypted in the record's log of writes until it "
                 "is next cut: %s",
                 err.text);
    }
}
