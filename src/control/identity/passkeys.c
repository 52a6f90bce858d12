#include "control/identity/passkeys.h"

#include "base/clock.h"
#include "base/encode.h"

static const char *key_of(struct arena *arena, struct slice sub, struct slice credential)
{
    unsigned char digest[TICKET_HASH];
    ticket_hash(credential, digest);
    return arena_printf(
        arena, "passkeys/%.*s/%.*s", SLICE_ARG(sub),
        SLICE_ARG(hex_encode(arena, (struct slice){(const char *)digest, sizeof(digest)})));
}

/* ---- reading ---- */

static const char *text_of(struct arena *arena, const json_t *body, const char *name)
{
    return arena_string(arena, slice_of(json_text_or(body, name, "")));
}

static void take(struct arena *arena, const struct store_doc *doc, struct passkey *out)
{
    const char *last = strrchr(doc->key, '/');
    *out = (struct passkey){
        .key = arena_string(arena, slice_of(doc->key)),
        .id = arena_string(arena, slice_of(last == NULL ? "" : last + 1)),
        .sub = text_of(arena, doc->body, "sub"),
        .name = text_of(arena, doc->body, "name"),
        .credential = text_of(arena, doc->body, "credential"),
        .alg = trust_alg_of(slice_of(json_text_or(doc->body, "alg", ""))),
        .counter = (uint32_t)json_number(doc->body, "counter", 0),
        .backed_up = json_flag(doc->body, "backedUp", false),
        .made_us = json_number(doc->body, "madeUs", 0),
        .used_us = json_number(doc->body, "usedUs", 0),
    };
    if (!base64_decode_any(arena, slice_of(json_text_or(doc->body, "spki", "")), &out->spki)) {
        out->alg = TRUST_ALG_NONE; /* damaged: it opens nothing */
    }
}

/* An account's unique ID, and nothing that leads elsewhere in the record. */
static bool is_sub(struct slice sub)
{
    bool good = sub.len > 0 && sub.len <= 21;
    for (size_t i = 0; i < sub.len && good; i++) {
        good = sub.data[i] >= '0' && sub.data[i] <= '9';
    }
    return good;
}

bool passkey_find(struct control *control, struct arena *arena, struct slice sub,
                  struct slice credential, struct passkey *out)
{
    auto_doc doc = {0};
    if (!is_sub(sub) || credential.len == 0 || credential.len > WEBAUTHN_ID_MAX ||
        store_get(control->store, STORE_PASSKEY, key_of(arena, sub, credential), &doc, NULL) !=
            STORE_FOUND) {
        return false;
    }
    take(arena, &doc, out);
    return out->alg != TRUST_ALG_NONE;
}

struct listing {
    struct arena *arena;
    struct passkey *out;
    size_t count, max;
};

static bool list_one(const struct store_doc *doc, void *ctx)
{
    struct listing *listing = ctx;
    if (listing->count < listing->max) {
        take(listing->arena, doc, &listing->out[listing->count]);
    }
    return ++listing->count < listing->max;
}

size_t passkeys_list(struct control *control, struct arena *arena, const char *sub,
                     struct passkey *out, size_t max)
{
    struct listing listing = {arena, out, 0, max};
    const char *prefix = sub[0] == '\0' ? "" : arena_printf(arena, "passkeys/%s/", sub);
    if (max > 0) {
        store_look(control->store, STORE_PASSKEY, prefix, list_one, &listing);
    }
    return listing.count;
}

static bool stop_at_first(const struct store_doc *doc, void *ctx)
{
    (void)doc;
    *(bool *)ctx = true;
    return false;
}

bool passkeys_are_there(struct control *control)
{
    bool found = false;
    store_look(control->store, STORE_PASSKEY, "", stop_at_first, &found);
    return found;
}

/* ---- changing ---- */

static bool name_is_good(struct slice name, struct error *err)
{
    return (name.len > 0 && name.len <= PASSKEY_NAME_MAX && text_is_plain(name)) ||
           error_field(err, "name",
                       "A passkey's name has 1 to %d bytes, without control characters.",
                       PASSKEY_NAME_MAX);
}

static json_t *told(const char *name, const char *id)
{
    return json_pack("{s:s, s:s}", "passkey", name, "id", id);
}

bool passkey_add(struct api_call *call, const struct session *session, const struct once *once,
                 const struct webauthn_seen *seen, struct slice spki, enum trust_alg alg,
                 struct slice name, struct error *err)
{
    struct control *control = call->control;
    struct arena *arena = &call->arena;
    struct passkey others[PASSKEYS_MAX];
    struct passkey known;
    struct slice sub = session->person.sub;
    name = slice_trim(name);
    if (!name_is_good(name, err)) {
        return false;
    }
    if (passkey_find(control, arena, sub, seen->id, &known)) {
        return error_set(err, STATUS_ALREADY_EXISTS, "This passkey is yours already (%s).",
                         known.name);
    }
    if (passkeys_list(control, arena, arena_string(arena, sub), others, PASSKEYS_MAX) ==
        PASSKEYS_MAX) {
        return error_set(err, STATUS_RESOURCE_EXHAUSTED,
                         "You have %d passkeys, which is the most that one person may have. Remove "
                         "one first.",
                         PASSKEYS_MAX);
    }
    const char *key = key_of(arena, sub, seen->id);
    auto_json *body =
        json_pack("{s:o, s:o, s:o, s:o, s:s, s:I, s:b, s:I}", "sub", json_slice(sub), "name",
                  json_slice(name), "credential", json_slice(base64url_encode(arena, seen->id)),
                  "spki", json_slice(base64_encode(arena, spki)), "alg", trust_alg_name(alg),
                  "counter", (json_int_t)seen->counter, "backedUp", seen->backed_up, "madeUs",
                  (json_int_t)clock_wall_us());
    auto_json *after = told(arena_string(arena, name), strrchr(key, '/') + 1);
    auto_change *change = api_change(call, err);
    return change != NULL && once_use(control, once, err) &&
           store_put(control->store, STORE_PASSKEY, key, body, NULL, NULL, err) &&
           change_audit(change, person_resource(control, arena, session->person.shown),
                        "add-passkey", NULL, after, err) &&
           change_commit(&change, err);
}

bool passkey_is_copied(struct api_call *call, const struct passkey *passkey,
                       const struct webauthn_seen *seen, struct slice shown, struct error *err)
{
    if ((passkey->counter == 0 && seen->counter == 0) || seen->counter > passkey->counter) {
        return false;
    }
    auto_json *after = told(passkey->name, passkey->id);
    auto_change *change = api_change(call, err);
    if (change != NULL &&
        change_audit(change, person_resource(call->control, &call->arena, shown), "refuse-passkey",
                     NULL, after, err) &&
        change_commit(&change, err)) {
        error_set(err, STATUS_PERMISSION_DENIED,
                  "This passkey has signed fewer times than it says it had before, so there may be "
                  "a copy of it. It opens nothing here: remove it, and add it anew.");
    }
    return true;
}

bool passkey_use(struct control *control, const struct passkey *passkey,
                 const struct webauthn_seen *seen, struct error *err)
{
    struct store_doc doc;
    if (store_get(control->store, STORE_PASSKEY, passkey->key, &doc, err) != STORE_FOUND) {
        return error_set(err, STATUS_UNAUTHENTICATED, "This passkey was removed.");
    }
    auto_json *body = doc.body;
    json_object_set_new(body, "counter", json_integer((json_int_t)seen->counter));
    json_object_set_new(body, "backedUp", json_boolean(seen->backed_up));
    json_object_set_new(body, "usedUs", json_integer((json_int_t)clock_wall_us()));
    return store_put(control->store, STORE_PASSKEY, passkey->key, body, NULL, NULL, err);
}

bool passkey_remove(struct api_call *call, const struct passkey *passkey, struct slice shown,
                    struct error *err)
{
    auto_json *before = told(passkey->name, passkey->id);
    auto_change *change = api_change(call, err);
    return change != NULL && store_delete(call->control->store, STORE_PASSKEY, passkey->key, err) &&
           change_audit(change, person_resource(call->control, &call->arena, shown),
                        "remove-passkey", before, NULL, err) &&
           change_commit(&change, err);
}
