/*
 * libcurl runs on libuv's thread pool: a fetch is rare, and its only shared data is its own struct.
 * The library is loaded when it is first needed: it brings some thirty others with it, which an
 * idle Homerun should not carry.
 */
#include "control/identity/http_fetch.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "control/identity/public_address.h"
#include "control/publish/turn.h"

struct fetch {
    uv_work_t work;
    struct control *control;
    char *uri, *form, *credentials, *authorization, *ca; /* NULL where there is none */
    bool only_json, only_public;
    bool barred; /* an address of its host is not public */
    fetch_done done;
    void *ctx;
    struct buffer body;
    long status;
    char why[256]; /* "" when there is an answer */
};

struct library {
    CURL *(*init)(void);
    CURLcode (*setopt)(CURL *, CURLoption, ...);
    CURLcode (*perform)(CURL *);
    CURLcode (*getinfo)(CURL *, CURLINFO, ...);
    const char *(*strerror)(CURLcode);
    void (*cleanup)(CURL *);
    struct curl_slist *(*list_add)(struct curl_slist *, const char *);
    void (*list_free)(struct curl_slist *);
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
        {"curl_slist_append", offsetof(struct library, list_add)},
        {"curl_slist_free_all", offsetof(struct library, list_free)},
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

/*
 * Each address is judged where the connection to it is made, so that a name cannot mean one address
 * when it is looked up and another one when it is used.
 */
static curl_socket_t open_public(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch *fetch = ctx;
    (void)purpose;
    if (!address_is_public(&address->addr)) {
        fetch->barred = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool is_json(const char *type)
{
    struct slice name = slice_of(type == NULL ? "" : type);
    ptrdiff_t end = slice_find(name, ';');
    name = slice_trim(end < 0 ? name : slice_upto(name, (size_t)end));
    return slice_equal_nocase(name, SLICE("application/json")) ||
           (slice_starts(name, SLICE("application/")) && slice_ends(name, SLICE("+json")));
}

static void run(uv_work_t *work)
{
    struct fetch *fetch = work->data;
    struct library curl;
    struct curl_slist *headers = NULL;
    const char *type = NULL;
    if (!load(&curl)) {
        snprintf(fetch->why, sizeof(fetch->why), "libcurl is not installed");
        return;
    }
    CURL *easy = curl.init();
    curl.setopt(easy, CURLOPT_URL, fetch->uri);
    curl.setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl.setopt(easy, CURLOPT_WRITEDATA, fetch);
    curl.setopt(easy, CURLOPT_TIMEOUT, (long)FETCH_TIMEOUT_S);
    curl.setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl.setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl.setopt(easy, CURLOPT_NOPROXY, fetch->only_public ? "*" : "localhost,127.0.0.1");
    if (fetch->only_public) {
        curl.setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_public);
        curl.setopt(easy, CURLOPT_OPENSOCKETDATA, fetch);
    }
    if (fetch->ca != NULL) {
        curl.setopt(easy, CURLOPT_CAINFO, fetch->ca); /* the system's folder stays (CAPATH) */
    }
    headers = curl.list_add(headers, "Accept: application/json, */*;q=0.5");
    if (fetch->authorization != NULL) {
        headers = curl.list_add(headers, fetch->authorization);
    }
    curl.setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (fetch->credentials != NULL) {
        curl.setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl.setopt(easy, CURLOPT_USERPWD, fetch->credentials);
    }
    if (fetch->form != NULL) {
        curl.setopt(easy, CURLOPT_POSTFIELDS, fetch->form);
    }
    CURLcode code = curl.perform(easy);
    if (code == CURLE_OK) {
        curl.getinfo(easy, CURLINFO_RESPONSE_CODE, &fetch->status);
        curl.getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    }
    if (fetch->body.overflow) {
        snprintf(fetch->why, sizeof(fetch->why), "it is larger than %zu bytes", fetch->body.max);
    } else if (code != CURLE_OK && fetch->barred) {
        snprintf(fetch->why, sizeof(fetch->why),
                 "its host has no public address, and only such are asked");
    } else if (code == CURLE_OK && fetch->only_json && fetch->status == 200 && !is_json(type)) {
        snprintf(fetch->why, sizeof(fetch->why), "it is no JSON by its content type");
    } else if (code != CURLE_OK) {
        snprintf(fetch->why, sizeof(fetch->why), "%s", curl.strerror(code));
    }
    curl.list_free(headers);
    curl.cleanup(easy);
}

static void forget(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}

static void finish(void *ctx)
{
    struct fetch *fetch = ctx;
    bool good = fetch->why[0] == '\0';
    fetch->done(fetch->control, fetch->ctx, good ? fetch->status : 0,
                good ? buffer_text(&fetch->body) : NULL, good ? NULL : fetch->why);
    buffer_done(&fetch->body);
    free(fetch->uri);
    forget(fetch->form);
    forget(fetch->credentials);
    forget(fetch->authorization);
    free(fetch->ca);
    free(fetch);
    malloc_trim(0); /* a fetch is rare, and leaves much behind that is free */
}

static void on_fetched(uv_work_t *work, int status)
{
    struct fetch *fetch = work->data;
    if (status != 0) {
        snprintf(fetch->why, sizeof(fetch->why), "%s", uv_strerror(status));
    }
    turn_run(fetch->control, finish, fetch); /* whoever asked may change the record */
}

/* "ABC", or NULL where one is missing. */
static char *joined(const char *first, const char *glue, const char *second)
{
    char *text = NULL;
    if (first != NULL && second != NULL && asprintf(&text, "%s%s%s", first, glue, second) < 0) {
        abort();
    }
    return text;
}

void http_fetch(struct control *control, const struct fetch_plan *plan, fetch_done done, void *ctx)
{
    struct fetch *fetch = mem_new(struct fetch);
    fetch->control = control;
    fetch->uri = mem_dup(plan->uri);
    fetch->form = mem_dup(plan->form);
    fetch->credentials = joined(plan->user, ":", plan->secret);
    fetch->authorization = joined("Authorization: Bearer", " ", plan->bearer);
    fetch->done = done;
    fetch->ctx = ctx;
    fetch->ca = mem_dup(plan->ca);
    fetch->only_json = plan->only_json;
    fetch->only_public = plan->only_public;
    fetch->body = BUFFER_INIT(plan->bytes_max > 0 ? plan->bytes_max : FETCH_BYTES_MAX);
    fetch->work.data = fetch;
    uv_queue_work(control->loop, &fetch->work, run, on_fetched);
}
