#include "control/identity/account_keys.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/random.h"
#include "ipc/signer_client.h"

enum { LEEWAY_US = 60 * 1000000 };

/*
 * Of an uploaded key whose certificate has ended, or has not begun. One that we made has begun:
 * where its time says otherwise, the clock was set back since, and the owner would be locked out.
 */
static bool is_in_time(const json_t *key)
{
    if (strcmp(json_text_or(key, "keyOrigin", ""), "GOOGLE_PROVIDED") == 0) {
        return true;
    }
    int64_t from = INT64_MIN, to = INT64_MAX;
    time_read(slice_of(json_text_or(key, "validAfterTime", "")), &from);
    time_read(slice_of(json_text_or(key, "validBeforeTime", "")), &to);
    int64_t now = clock_wall_us();
    return from - LEEWAY_US <= now && now < to;
}

static bool load_key(struct control *control, struct arena *arena, const struct account *account,
                     struct slice kid, struct store_doc *out)
{
    if (kid.len == 0 || kid.len > 64 || slice_find(kid, '/') >= 0) {
        return false;
    }
    const char *key = arena_printf(arena, "%s/keys/%.*s", account->key, SLICE_ARG(kid));
    if (store_get(control->store, STORE_KEY, key, out, NULL) != STORE_FOUND) {
        return false;
    }
    if (json_flag(out->body, "disabled", false) || !is_in_time(out->body)) {
        store_doc_done(out);
        return false;
    }
    return true;
}

bool account_key_enabled(struct control *control, struct arena *arena,
                         const struct account *account, struct slice kid)
{
    auto_doc doc = {0};
    if (!load_key(control, arena, account, kid, &doc)) {
        return false;
    }
    return true;
}

/* Whether TOKEN was signed with the key KID of ACCOUNT, which must be enabled. */
static bool verify_with(struct control *control, struct arena *arena, const struct account *account,
                        const struct token *token, struct slice kid)
{
    auto_doc doc = {0};
    struct slice spki;
    if (!load_key(control, arena, account, kid, &doc)) {
        return false;
    }
    bool good = base64_decode_any(arena, slice_of(json_text_or(doc.body, "spki", "")), &spki);
    struct trust_key *key = good ? trust_key_from_spki(spki, TRUST_RS256, NULL) : NULL;
    good = key != NULL && token_verify_signature(token, key) == TOKEN_OK;
    trust_key_free(key);
    return good;
}

enum { KEYS_TRIED_MAX = 16 }; /* ten that a user may have, and the account's own */

struct kid_list {
    struct arena *arena;
    struct slice kids[KEYS_TRIED_MAX];
    size_t count;
};

static bool list_kid(const struct store_doc *doc, void *ctx)
{
    struct kid_list *list = ctx;
    struct slice key = slice_of(doc->key);
    struct slice kid = slice_from(key, (size_t)(slice_find_last(key, '/') + 1));
    list->kids[list->count++] = arena_slice(list->arena, kid);
    return list->count < KEYS_TRIED_MAX;
}

bool account_verify(struct control *control, struct arena *arena, const struct account *account,
                    struct token *token)
{
    if (account->disabled) {
        return false;
    }
    if (token->kid.len > 0) {
        return verify_with(control, arena, account, token, token->kid);
    }
    struct kid_list list = {.arena = arena};
    const char *prefix = arena_printf(arena, "%s/keys/", account->key);
    if (!store_each(control->store, STORE_KEY, prefix, list_kid, &list, NULL)) {
        return false;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (verify_with(control, arena, account, token, list.kids[i])) {
            token->kid = list.kids[i];
            return true;
        }
    }
    return false;
}

bool account_file_urls(struct control *control, struct arena *arena, json_t *file)
{
    static const struct {
        const char *name, *path;
    } urls[] = {
        {"auth_uri", "/o/oauth2/auth"},
        {"token_uri", "/token"},
        {"auth_provider_x509_cert_url", "/oauth2/v3/certs"},
    };
    bool changed = false;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const char *url = arena_printf(arena, "%s%s", control->url, urls[i].path);
        if (strcmp(json_text_or(file, urls[i].name, ""), url) != 0) {
            json_object_set_new(file, urls[i].name, json_string(url));
            changed = true;
        }
    }
    return changed;
}

static struct slice key_file(struct control *control, struct arena *arena,
                             const struct account *account, const char *kid, const char *pem)
{
    struct slice key = slice_of(account->key);
    struct slice project;
    slice_cut(&key, '/', &project);
    slice_cut(&key, '/', &project);
    auto_json *file =
        json_pack("{s:s, s:o, s:s, s:s, s:s, s:s}", "type", "service_account", "project_id",
                  json_slice(project), "private_key_id", kid, "private_key", pem, "client_email",
                  account->email, "client_id", account->sub);
    account_file_urls(control, arena, file);
    json_object_set_new(file, "universe_domain", json_string("googleapis.com"));
    return json_write_pretty(arena, file);
}

/* The record of a key that the signer made. PUBLIC: SPKI in base64, NUL, certificate. */
static json_t *made_key(struct arena *arena, const char *name, const char *kid, struct slice public,
                        const char *type)
{
    struct slice spki = SLICE_NONE;
    slice_cut(&public, '\0', &spki);
    return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:s}", "name", name, "keyId", kid,
                     "spki", json_slice(spki), "certificate", json_slice(public), "keyAlgorithm",
                     "KEY_ALG_RSA_2048", "keyOrigin", "GOOGLE_PROVIDED", "keyType", type,
                     "validAfterTime", json_slice(time_text(arena, clock_wall_us())),
                     "validBeforeTime", "9999-12-31T23:59:59Z");
}

bool account_new_key(struct change *change, struct control *control, struct arena *arena,
                     const struct account *account, json_t **body, struct slice *file,
                     struct error *err)
{
    char kid[64];
    struct slice answer;
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_NEW_ACCOUNT_KEY, SLICE_NONE,
                     arena, &answer, kid, err)) {
        return error_wrap(err, "make a key");
    }
    struct slice pem;
    if (!slice_cut(&answer, '\0', &pem)) {
        return error_set(err, STATUS_INTERNAL, "the signer's answer is empty");
    }
    const char *key = arena_printf(arena, "%s/keys/%s", account->key, kid);
    *body = made_key(arena, key, kid, answer, "USER_MANAGED");
    *file = key_file(control, arena, account, kid, arena_string(arena, pem));
    return store_put(control->store, STORE_KEY, key, *body, NULL, NULL, err) &&
           change_key(change, key, err);
}

bool account_add_key(struct change *change, struct control *control, struct arena *arena,
                     const struct account *account, struct slice pem, json_t **body,
                     struct error *err)
{
    enum { RSA_2048_SPKI_BYTES = 294 };
    static const char for_ever[] = "9999-12-31T23:59:59Z";
    struct trust_public key;
    char kid[41] = "";
    if (!trust_public_read(arena, pem, &key, err) ||
        (key.alg != TRUST_RS256 &&
         !error_set(err, STATUS_INVALID_ARGUMENT, "Only RSA keys can be uploaded."))) {
        snprintf(err->field, sizeof(err->field), "publicKeyData");
        return false;
    }
    /* By chance, not from the key: one that was deleted and comes again is another. */
    random_text(kid, 40, "0123456789abcdef");
    bool bare = key.certificate.len == 0;
    const char *name = arena_printf(arena, "%s/keys/%s", account->key, kid);
    struct slice from = time_text(arena, bare ? clock_wall_us() : key.not_before * 1000000);
    struct slice to = bare ? slice_of(for_ever) : time_text(arena, key.not_after * 1000000);
    *body =
        json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:o, s:o}", "name", name, "keyId", kid, "spki",
                  json_slice(base64_encode(arena, key.spki)), "keyAlgorithm",
                  key.spki.len == RSA_2048_SPKI_BYTES ? "KEY_ALG_RSA_2048" : "KEY_ALG_UNSPECIFIED",
                  "keyOrigin", "USER_PROVIDED", "keyType", "USER_MANAGED", "validAfterTime",
                  json_slice(from), "validBeforeTime", json_slice(to));
    if (!bare) {
        json_object_set_new(*body, "certificate", json_slice(key.certificate));
    }
    return store_put(control->store, STORE_KEY, name, *body, NULL, NULL, err) &&
           change_key(change, name, err);
}

bool account_know_own_key(struct control *control, struct api_call *call,
                          const struct account *account, const char *kid, struct error *err)
{
    struct arena *arena = &call->arena;
    struct slice public;
    char own[64];
    const char *name = arena_printf(arena, "%s/keys/%s", account->key, kid);
    switch (store_get(control->store, STORE_KEY, name, NULL, err)) {
    case STORE_FOUND:
        return true;
    case STORE_FAILED:
        return false;
    case STORE_ABSENT:
        break;
    }
    if (!signer_call_account(control->signer_fd, &control->signer_next_id, SIGN_ACCOUNT_KEY,
                             slice_of(account->sub), SLICE_NONE, arena, &public, own, err)) {
        return false;
    }
    auto_json *body = made_key(arena, name, kid, public, "SYSTEM_MANAGED");
    auto_change *change = api_change(call, err);
    return change != NULL && store_put(control->store, STORE_KEY, name, body, NULL, NULL, err) &&
           change_key(change, name, err) &&
           change_audit(change, name, "know-key", NULL, body, err) && change_commit(&change, err);
}
