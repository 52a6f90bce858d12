#include "control/identity/federation_keys.h"

#include <stdlib.h>

#include "base/log.h"
#include "control/identity/jwks_fetch.h"

enum { WAITERS_MAX = 64 };

/* One fetch, and who waits for it. */
struct key_fetch {
    struct key_fetch *next; /* of control->key_fetches */
    const char *kind;
    char *key;
    uint64_t id;
    char *issuer;
    bool discovering; /* the issuer is being asked where its keys are */
    struct {
        federation_keys_done done;
        void *ctx;
    } waiters[WAITERS_MAX];
    size_t count;
};

static void finish(struct control *control, struct key_fetch *fetch)
{
    struct key_fetch **at = &control->key_fetches;
    while (*at != fetch) {
        at = &(*at)->next;
    }
    *at = fetch->next;
    for (size_t i = 0; i < fetch->count; i++) {
        fetch->waiters[i].done(fetch->waiters[i].ctx);
    }
    free(fetch->key);
    free(fetch->issuer);
    free(fetch);
}

/* Whether the record is still the one that was asked for, with the same issuer: otherwise its keys
 * would become those of another issuer. */
static bool is_same(struct control *control, const struct key_fetch *fetch)
{
    struct store_doc doc;
    if (store_get(control->store, fetch->kind, fetch->key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    const char *issuer =
        json_text_or(doc.body, "oidc.issuerUri", json_text_or(doc.body, "issuer", ""));
    bool same = doc.id == fetch->id && strcmp(issuer, fetch->issuer) == 0;
    json_decref(doc.body);
    return same;
}

/* The address of the keys, from the issuer's own description (OpenID Connect Discovery 1.0, section
 * 4.3: it must name itself). */
static const char *address_of_keys(struct arena *arena, const struct key_fetch *fetch,
                                   const char *text)
{
    auto_json *about = json_read(slice_of(text), NULL);
    const char *uri = json_text(about, "jwks_uri");
    if (strcmp(json_text_or(about, "issuer", ""), fetch->issuer) != 0 || uri == NULL ||
        !jwks_may_be_fetched(arena, uri)) {
        return NULL;
    }
    return arena_string(arena, slice_of(uri));
}

static void fetched(struct control *control, void *ctx, const char *text, const char *why)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct key_fetch *fetch = ctx;
    if (text != NULL && fetch->discovering) {
        const char *uri = address_of_keys(&arena, fetch, text);
        fetch->discovering = false;
        if (uri != NULL) {
            jwks_fetch(control, uri, fetched, fetch);
            return;
        }
        text = NULL;
        why = "the issuer's description is not its own, or names no address of keys that may be "
              "asked";
    }
    if (text == NULL) {
        log_warn("issuer: %s: keys could not be fetched: %s; the known ones stay", fetch->key, why);
    } else if (is_same(control, fetch) &&
               !jwks_store(control, fetch->kind, fetch->key, text, &err)) {
        log_warn("issuer: %s: %s; the known keys stay", fetch->key, err.text);
    }
    finish(control, fetch);
}

static bool wait_for(struct key_fetch *fetch, federation_keys_done done, void *ctx)
{
    if (fetch->count == WAITERS_MAX) {
        return false;
    }
    fetch->waiters[fetch->count].done = done;
    fetch->waiters[fetch->count++].ctx = ctx;
    return true;
}

static const char *first_address(struct arena *arena, const struct federation *federation)
{
    if (!federation->discovers) {
        return federation->jwks_uri;
    }
    size_t length = strlen(federation->issuer);
    const char *slash = length > 0 && federation->issuer[length - 1] == '/' ? "" : "/";
    return arena_printf(arena, "%s%s.well-known/openid-configuration", federation->issuer, slash);
}

bool federation_keys_fetch(struct control *control, struct arena *arena,
                           const struct federation *federation, federation_keys_done done,
                           void *ctx)
{
    const char *uri = first_address(arena, federation);
    for (struct key_fetch *one = control->key_fetches; one != NULL; one = one->next) {
        if (strcmp(one->key, federation->key) == 0 && one->id == federation->id) {
            return wait_for(one, done, ctx);
        }
    }
    if (uri == NULL || !jwks_may_be_fetched(arena, uri) || !jwks_due(control, federation->key)) {
        return false;
    }
    struct key_fetch *fetch = calloc(1, sizeof(*fetch));
    if (fetch == NULL) {
        abort();
    }
    fetch->kind = federation->kind;
    fetch->key = strdup(federation->key);
    fetch->id = federation->id;
    fetch->issuer = strdup(federation->issuer);
    fetch->discovering = federation->discovers;
    fetch->next = control->key_fetches;
    control->key_fetches = fetch;
    wait_for(fetch, done, ctx);
    jwks_fetch(control, uri, fetched, fetch);
    return true;
}
