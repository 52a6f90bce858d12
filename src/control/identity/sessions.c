/*
 * A session names its account by unique ID, so that a successor of the same address inherits none.
 * What has ended is taken away when something new comes: nothing here needs a timer.
 */
#include "control/identity/sessions.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/random.h"

enum { LINK_BYTES = 16, SESSION_BYTES = 32, SWEEP_MAX = 256 };

static struct session_key key_of(const char *prefix, struct slice secret)
{
    struct session_key key;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    auto_arena arena = {0};
    EVP_Digest(secret.data, secret.len, digest, &length, EVP_sha256(), NULL);
    struct slice hex = hex_encode(&arena, (struct slice){(const char *)digest, length});
    snprintf(key.text, sizeof(key.text), "%s/%.*s", prefix, SLICE_ARG(hex));
    return key;
}

static struct slice secret_new(struct arena *arena, size_t bytes)
{
    unsigned char random[SESSION_BYTES];
    random_bytes(random, bytes);
    return base64url_encode(arena, (struct slice){(const char *)random, bytes});
}

static int64_t expiry_of(const json_t *body)
{
    return json_integer_value(json_object_get(body, "expireUs"));
}

/* ---- what is over goes when something new comes ---- */

struct sweep {
    struct arena *arena;
    int64_t now_us;
    size_t count, over_count;
    const char *over[SWEEP_MAX];
};

static bool sweep_one(const struct store_doc *doc, void *ctx)
{
    struct sweep *sweep = ctx;
    if (expiry_of(doc->body) > sweep->now_us) {
        sweep->count++;
    } else if (sweep->over_count < SWEEP_MAX) {
        sweep->over[sweep->over_count++] =
            arena_printf(sweep->arena, "%s", doc->key); /* the walk must end before they go */
    }
    return true;
}

/* In the running change. */
static bool make_room(struct api_call *call, const char *kind, struct error *err)
{
    struct store *store = call->control->store;
    struct sweep sweep = {.arena = &call->arena, .now_us = clock_wall_us()};
    if (!store_each(store, kind, "", sweep_one, &sweep, err)) {
        return false;
    }
    for (size_t i = 0; i < sweep.over_count; i++) {
        if (!store_delete(store, kind, sweep.over[i], err)) {
            return false;
        }
    }
    return sweep.count < SESSIONS_MAX ||
           error_set(err, STATUS_RESOURCE_EXHAUSTED,
                     "There are %d of them already, which is the most that are kept. They end "
                     "by themselves; `homerun console` works again then.",
                     SESSIONS_MAX);
}

static bool put_secret(struct api_call *call, const char *kind, const struct session_key *key,
                       const char *sub, int64_t lasts_s, struct error *err)
{
    auto_json *body = json_pack("{s:s, s:I}", "sub", sub, "expireUs",
                                (json_int_t)(clock_wall_us() + lasts_s * 1000000));
    return make_room(call, kind, err) &&
           store_put(call->control->store, kind, key->text, body, NULL, NULL, err);
}

bool session_link_new(struct api_call *call, const struct account *account, struct slice *code,
                      struct error *err)
{
    struct slice secret = secret_new(&call->arena, LINK_BYTES);
    struct session_key key = key_of("links", secret);
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !put_secret(call, STORE_LINK, &key, account->sub, SESSION_LINK_S, err) ||
        !change_audit(change, account->key, "make-sign-in-link", NULL, NULL, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    *code = secret;
    return true;
}

static bool refused(struct error *err)
{
    return error_set(err, STATUS_UNAUTHENTICATED,
                     "This sign-in link is not known, was used already, or is older than five "
                     "minutes. `homerun console` makes a new one.");
}

bool session_begin(struct api_call *call, struct slice code, struct slice *id, struct error *err)
{
    struct store *store = call->control->store;
    struct session_key link = key_of("links", code);
    struct store_doc doc;
    switch (store_get(store, STORE_LINK, link.text, &doc, err)) {
    case STORE_ABSENT:
        return refused(err);
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    auto_json *body = doc.body;
    struct account account;
    if (expiry_of(body) <= clock_wall_us() ||
        !account_by_sub(call->control, &call->arena, slice_of(json_text_or(body, "sub", "")),
                        &account) ||
        account.disabled) {
        return refused(err);
    }
    struct slice secret = secret_new(&call->arena, SESSION_BYTES);
    struct session_key key = key_of("sessions", secret);
    auto_change *change = api_change(call, err);
    if (change == NULL || !store_delete(store, STORE_LINK, link.text, err) ||
        !put_secret(call, STORE_SESSION, &key, account.sub, SESSION_S, err) ||
        !change_audit(change, account.key, "sign-in", NULL, NULL, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    *id = secret;
    return true;
}

static bool ended(struct error *err)
{
    return error_set(err, STATUS_UNAUTHENTICATED,
                     "The session has ended. `homerun console` begins a new one.");
}

bool session_caller_by_key(struct control *control, struct arena *arena,
                           const struct session_key *key, struct caller *out, int64_t *expire_us,
                           struct error *err)
{
    struct store_doc doc;
    struct account account;
    switch (store_get(control->store, STORE_SESSION, key->text, &doc, err)) {
    case STORE_ABSENT:
        return ended(err);
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    auto_json *body = doc.body;
    int64_t until = expiry_of(body);
    if (until <= clock_wall_us() ||
        !account_by_sub(control, arena, slice_of(json_text_or(body, "sub", "")), &account) ||
        account.disabled) {
        return ended(err);
    }
    account_caller(control, arena, &account, out);
    if (expire_us != NULL) {
        *expire_us = until;
    }
    return true;
}

bool session_caller(struct control *control, struct arena *arena, struct slice id,
                    struct caller *out, struct session_key *key, int64_t *expire_us,
                    struct error *err)
{
    struct session_key found = key_of("sessions", id);
    if (key != NULL) {
        *key = found;
    }
    return session_caller_by_key(control, arena, &found, out, expire_us, err);
}

bool session_end(struct api_call *call, struct slice id, struct error *err)
{
    struct session_key key = key_of("sessions", id);
    auto_change *change = api_change(call, err);
    return change != NULL &&
           store_delete(call->control->store, STORE_SESSION, key.text, err) &&
           change_audit(change, arena_string(&call->arena, call->caller.member), "sign-out", NULL,
                        NULL, err) &&
           change_commit(&change, err);
}
