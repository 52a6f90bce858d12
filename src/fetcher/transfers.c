/*
 * libcurl's multi interface, driven by one thread. Names are looked up on threads of libcurl's,
 * which a question that runs out of time leaves behind (QUICK_EXIT) rather than wait for.
 */
#include "fetcher/transfers.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "fetcher/public_address.h"

struct transfer {
    CURL *easy; /* NULL: this place is free */
    struct curl_slist *headers;
    struct buffer body;
    uint64_t id;
    unsigned rules;
    bool barred; /* an address of its host is not public */
};

struct transfers {
    CURLM *multi;
    struct transfer items[FETCHES_AT_ONCE];
    transfer_done done;
    void *ctx;
};

/* ---- callbacks of libcurl ---- */

static size_t on_bytes(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    return buffer_add(&transfer->body, (struct slice){data, size * count}) ? size * count : 0;
}

/*
 * Each address is judged where the connection to it is made, so that a name cannot mean one address
 * when it is looked up and another one when it is used.
 */
static curl_socket_t open_public(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = ctx;
    (void)purpose;
    if (!address_is_public(&address->addr)) {
        transfer->barred = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- one question ---- */

static bool has_rule(const struct transfer *transfer, enum fetch_rule rule)
{
    return (transfer->rules >> rule & 1) != 0;
}

static void transfer_end(struct transfers *transfers, struct transfer *transfer)
{
    curl_multi_remove_handle(transfers->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    buffer_done(&transfer->body);
    *transfer = (struct transfer){0};
}

static void set_text(CURL *easy, CURLoption option, struct slice text)
{
    if (text.len > 0) {
        char *copy = mem_bytes(text.len + 1); /* libcurl makes one of its own */
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        curl_easy_setopt(easy, option, copy);
        explicit_bzero(copy, text.len);
        free(copy);
    }
}

static void set_headers(struct transfer *transfer, struct slice bearer)
{
    transfer->headers = curl_slist_append(NULL, "Accept: application/json, */*;q=0.5");
    if (bearer.len > 0) {
        struct buffer line = BUFFER_INIT(bearer.len + 32);
        buffer_printf(&line, "Authorization: Bearer %.*s", SLICE_ARG(bearer));
        transfer->headers = curl_slist_append(transfer->headers, buffer_text(&line));
        explicit_bzero(line.data, line.capacity);
        buffer_done(&line);
    }
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void set_limits(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)FETCH_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    bool only_public = has_rule(transfer, FETCH_ONLY_PUBLIC);
    /* A proxy would look names up by itself. */
    curl_easy_setopt(easy, CURLOPT_NOPROXY, only_public ? "*" : "localhost,127.0.0.1");
    if (only_public) {
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_public);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    }
}

static void set_ca(CURL *easy, struct slice pem)
{
    if (pem.len > 0) { /* beside the system's folder, which stays (CAPATH) */
        struct curl_blob blob = {.len = pem.len, .flags = CURL_BLOB_COPY};
        memcpy(&blob.data, &pem.data, sizeof(blob.data)); /* is only read, yet has no const */
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    }
}

static void refuse(struct transfers *transfers, uint64_t id, const char *why)
{
    transfers->done(transfers->ctx, &(struct fetch_answer){.id = id, .text = slice_of(why)});
}

void transfers_begin(struct transfers *transfers, const struct fetch_ask *ask)
{
    struct transfer *transfer = NULL;
    for (size_t i = 0; i < FETCHES_AT_ONCE && transfer == NULL; i++) {
        transfer = transfers->items[i].easy == NULL ? &transfers->items[i] : NULL;
    }
    CURL *easy = transfer == NULL ? NULL : curl_easy_init();
    if (easy == NULL) {
        refuse(transfers, ask->id, "too many others are asked at this moment");
        return;
    }
    *transfer = (struct transfer){
        .easy = easy, .id = ask->id, .rules = ask->rules, .body = BUFFER_INIT(ask->bytes_max)};
    set_limits(transfer);
    set_headers(transfer, ask->texts[FETCH_BEARER]);
    set_ca(easy, ask->texts[FETCH_CA]);
    set_text(easy, CURLOPT_URL, ask->texts[FETCH_URI]);
    set_text(easy, CURLOPT_COPYPOSTFIELDS, ask->texts[FETCH_FORM]);
    if (ask->texts[FETCH_CREDENTIALS].len > 0) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        set_text(easy, CURLOPT_USERPWD, ask->texts[FETCH_CREDENTIALS]);
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    if (curl_multi_add_handle(transfers->multi, easy) != CURLM_OK) {
        transfer_end(transfers, transfer);
        refuse(transfers, ask->id, "it cannot be asked");
    }
}

/* ---- what comes back ---- */

static bool is_json(const char *type)
{
    struct slice name = slice_of(type == NULL ? "" : type);
    ptrdiff_t end = slice_find(name, ';');
    name = slice_trim(end < 0 ? name : slice_upto(name, (size_t)end));
    return slice_equal_nocase(name, SLICE("application/json")) ||
           (slice_starts(name, SLICE("application/")) && slice_ends(name, SLICE("+json")));
}

static void on_end(struct transfers *transfers, struct transfer *transfer, CURLcode code)
{
    long status = 0;
    const char *type = NULL;
    char why[FETCH_WHY_BYTES] = "";
    if (code == CURLE_OK) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    }
    if (transfer->body.overflow) {
        snprintf(why, sizeof(why), "it is larger than %zu bytes", transfer->body.max);
    } else if (code != CURLE_OK && transfer->barred) {
        snprintf(why, sizeof(why), "its host has no public address, and only such are asked");
    } else if (code != CURLE_OK) {
        snprintf(why, sizeof(why), "%s", curl_easy_strerror(code));
    } else if (status < 100 || status > 999) {
        snprintf(why, sizeof(why), "its answer has no status of HTTP");
    } else if (has_rule(transfer, FETCH_ONLY_JSON) && status == 200 && !is_json(type)) {
        snprintf(why, sizeof(why), "it is no JSON by its content type");
    }
    struct fetch_answer answer = {.id = transfer->id, .text = slice_of(why)};
    if (why[0] == '\0') {
        answer.status = (unsigned)status;
        answer.text = buffer_slice(&transfer->body);
    }
    transfers->done(transfers->ctx, &answer);
    transfer_end(transfers, transfer);
}

void transfers_step(struct transfers *transfers)
{
    int running, left;
    curl_multi_perform(transfers->multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(transfers->multi, &left)) != NULL;) {
        struct transfer *transfer;
        if (message->msg == CURLMSG_DONE) {
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
            on_end(transfers, transfer, message->data.result);
        }
    }
}

void transfers_wait(struct transfers *transfers, int fd, int timeout_ms)
{
    struct curl_waitfd also = {.fd = fd, .events = CURL_WAIT_POLLIN};
    curl_multi_poll(transfers->multi, &also, 1, timeout_ms, NULL);
}

/* ---- the whole ---- */

struct transfers *transfers_new(transfer_done done, void *ctx, struct error *err)
{
    struct transfers *transfers = mem_new(struct transfers);
    transfers->done = done;
    transfers->ctx = ctx;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        transfers->multi = curl_multi_init();
    }
    if (transfers->multi == NULL) {
        free(transfers);
        error_set(err, STATUS_INTERNAL, "libcurl does not start");
        return NULL;
    }
    return transfers;
}

void transfers_free(struct transfers *transfers)
{
    for (size_t i = 0; i < FETCHES_AT_ONCE; i++) {
        if (transfers->items[i].easy != NULL) {
            transfer_end(transfers, &transfers->items[i]);
        }
    }
    curl_multi_cleanup(transfers->multi);
    free(transfers);
}
