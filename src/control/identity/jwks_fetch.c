#include "control/identity/jwks_fetch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "control/identity/http_fetch.h"
#include "control/publish/change.h"
#include "http/url.h"

struct ask {
    jwks_done done;
    void *ctx;
};

static void answered(struct control *control, void *ctx, long status, const char *text,
                     const char *why)
{
    struct ask *ask = ctx;
    char other[64];
    if (text != NULL && status != 200) {
        snprintf(other, sizeof(other), "it answered with status %ld", status);
        text = NULL;
        why = other;
    }
    ask->done(control, ask->ctx, text, why);
    free(ask);
}

void jwks_fetch(struct control *control, const char *uri, jwks_done done, void *ctx)
{
    struct ask *ask = mem_new(struct ask);
    *ask = (struct ask){done, ctx};
    http_fetch(control, &(struct fetch_plan){.uri = uri}, answered, ask);
}

bool jwks_may_be_fetched(struct arena *arena, const char *uri)
{
    struct slice rest = slice_of(uri), host;
    uint16_t port;
    bool tls = slice_starts(rest, SLICE("https://"));
    if (!(tls || slice_starts(rest, SLICE("http://"))) || !text_is_plain(rest) ||
        strpbrk(uri, " \\") != NULL) {
        return false;
    }
    rest = slice_from(rest, tls ? strlen("https://") : strlen("http://"));
    struct slice authority = slice_upto(rest, strcspn(rest.data, "/?#"));
    return url_authority(arena, authority, &host, &port) &&
           (tls || (port != 0 && (slice_is(host, "localhost") || slice_is(host, "127.0.0.1"))));
}

/* ---- refreshing ---- */

enum { REFRESH_PAUSE_US = 60 * 1000000 };

struct wanted {
    const char *issuer;
    char key[sizeof(((struct store_doc *)NULL)->key)];
    char uri[2048];
};

static bool find_issuer(const struct store_doc *doc, void *ctx)
{
    struct wanted *wanted = ctx;
    const char *uri = json_text(doc->body, "jwksUri");
    if (uri == NULL || strcmp(json_text_or(doc->body, "issuer", ""), wanted->issuer) != 0) {
        return true;
    }
    snprintf(wanted->key, sizeof(wanted->key), "%s", doc->key);
    snprintf(wanted->uri, sizeof(wanted->uri), "%s", uri);
    return false;
}

bool jwks_store(struct control *control, const char *kind, const char *key, const char *text,
                struct error *err)
{
    struct store_doc doc;
    json_t *jwks = json_read(slice_of(text), err);
    if (jwks == NULL || store_get(control->store, kind, key, &doc, err) != STORE_FOUND) {
        json_decref(jwks);
        return false;
    }
    json_object_set_new(doc.body, "jwks", jwks);
    auto_change *change = change_begin(control, NULL, err);
    bool good = change != NULL && store_put(control->store, kind, key, doc.body, NULL, NULL, err) &&
                (strcmp(kind, STORE_ISSUER) != 0 || change_issuer(change, key, err)) &&
                change_audit(change, key, "refresh-issuer", NULL, NULL, err) &&
                change_commit(&change, err);
    json_decref(doc.body);
    return good;
}

static void refreshed(struct control *control, void *ctx, const char *text, const char *why)
{
    struct error err = {0};
    char *key = ctx;
    if (text == NULL) {
        log_warn("issuer: %s: keys could not be fetched: %s; the known ones stay", key, why);
    } else if (!jwks_store(control, STORE_ISSUER, key, text, &err)) {
        log_warn("issuer: %s: %s; the known keys stay", key, err.text);
    } else {
        log_info("issuer: %s: keys fetched anew", key);
    }
    free(key);
}

bool jwks_due(struct control *control, const char *key)
{
    int64_t now = clock_mono_us();
    int64_t *last = map_find(control->issuer_fetches, slice_of(key));
    if (last == NULL) {
        last = mem_new(int64_t);
        map_put(control->issuer_fetches, slice_of(key), last);
    } else if (now - *last < REFRESH_PAUSE_US) {
        return false; /* a stranger's made-up key ids must not make us hammer somebody's server */
    }
    *last = now;
    return true;
}

void jwks_unknown_key(struct control *control, const char *issuer)
{
    struct wanted wanted = {.issuer = issuer};
    if (store_each(control->store, STORE_ISSUER, "", find_issuer, &wanted, NULL) &&
        wanted.key[0] != '\0' && jwks_due(control, wanted.key)) {
        jwks_fetch(control, wanted.uri, refreshed, mem_dup(wanted.key));
    }
}
