/*
 * libcurl runs on libuv's thread pool: a fetch is rare, and its only shared data is its own struct.
 * The library is loaded when it is first needed: it brings some thirty others with it, which an
 * idle Homerun should not carry.
 */
#include "control/identity/jwks_fetch.h"

#include "control/publish/change.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/url.h"

struct fetch {
    uv_work_t work;
    struct control *control;
    char *uri;
    jwks_done done;
    void *ctx;
    struct buffer body;
    char why[256]; /* "" when it went well */
};

struct library {
    CURL *(*init)(void);
    CURLcode (*setopt)(CURL *, CURLoption, ...);
    CURLcode (*perform)(CURL *);
    CURLcode (*getinfo)(CURL *, CURLINFO, ...);
    const char *(*strerror)(CURLcode);
    void (*cleanup)(CURL *);
};

static bool load(struct library *out)
{
    static const struct {
        const char *name;
        size_t offset;
    } symbols[] = {
        {"curl_easy_init", offsetof(struct library, init)},
        {"curl_easy_setopt", offsetof(struct library, setopt)},
        {"curl_easy_perform", offsetof(struct library, perform)},
        {"curl_easy_getinfo", offsetof(struct library, getinfo)},
        {"curl_easy_strerror", offsetof(struct library, strerror)},
        {"curl_easy_cleanup", offsetof(struct library, cleanup)},
    };
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; handle != NULL && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *symbol = dlsym(handle, symbols[i].name);
        if (symbol == NULL) {
            return false;
        }
        memcpy((char *)out + symbols[i].offset, &symbol, sizeof(symbol));
    }
    return handle != NULL;
}

static size_t on_bytes(char *data, size_t size, size_t count, void *ctx)
{
    struct fetch *fetch = ctx;
    return buffer_add(&fetch->body, (struct slice){data, size * count}) ? size * count : 0;
}

static void run(uv_work_t *work)
{
    struct fetch *fetch = work->data;
    struct library curl;
    long status = 0;
    if (!load(&curl)) {
        snprintf(fetch->why, sizeof(fetch->why), "libcurl is not installed");
        return;
    }
    CURL *easy = curl.init();
    curl.setopt(easy, CURLOPT_URL, fetch->uri);
    curl.setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl.setopt(easy, CURLOPT_WRITEDATA, fetch);
    curl.setopt(easy, CURLOPT_TIMEOUT, (long)JWKS_TIMEOUT_S);
    curl.setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl.setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.setopt(easy, CURLOPT_NOPROXY, "localhost,127.0.0.1");
    CURLcode code = curl.perform(easy);
    if (code == CURLE_OK) {
        curl.getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    }
    if (fetch->body.overflow) {
        snprintf(fetch->why, sizeof(fetch->why), "it is larger than %d bytes", JWKS_BYTES_MAX);
    } else if (code != CURLE_OK) {
        snprintf(fetch->why, sizeof(fetch->why), "%s", curl.strerror(code));
    } else if (status != 200) {
        snprintf(fetch->why, sizeof(fetch->why), "it answered with status %ld", status);
    }
    curl.cleanup(easy);
}

static void finish(uv_work_t *work, int status)
{
    struct fetch *fetch = work->data;
    bool good = status == 0 && fetch->why[0] == '\0';
    fetch->done(fetch->control, fetch->ctx, good ? buffer_text(&fetch->body) : NULL,
                good ? NULL : fetch->why);
    buffer_done(&fetch->body);
    free(fetch->uri);
    free(fetch);
}

void jwks_fetch(struct control *control, const char *uri, jwks_done done, void *ctx)
{
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    if (fetch == NULL) {
        abort();
    }
    fetch->control = control;
    fetch->uri = strdup(uri);
    fetch->done = done;
    fetch->ctx = ctx;
    fetch->body = BUFFER_INIT(JWKS_BYTES_MAX);
    fetch->work.data = fetch;
    uv_queue_work(control->loop, &fetch->work, run, finish);
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
        last = calloc(1, sizeof(*last));
        if (last == NULL) {
            abort();
        }
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
        jwks_fetch(control, wanted.uri, refreshed, strdup(wanted.key));
    }
}
