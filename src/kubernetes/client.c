/*
 * libcurl says which sockets it waits for, libuv waits, and curl_multi_socket_action() goes on.
 * While that is running, no call may be added or freed, though what has come is handed on from
 * within: a call that is made or cancelled then waits until curl has returned. A multi handle is a
 * set of connections: one for calls, and one for each STREAMS_EACH streams.
 */
#include "kubernetes/client.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "kubernetes/event.h"

enum {
    STREAMS_EACH = 64, /* a server allows some hundred on a connection */
    CONNECT_S = 5,
    LOOK_MS = 5000, /* at streams that may have gone silent */
    TOKEN_US = 60 * 1000000,
    WARNING_BYTES = 512,
    REFUSAL_BYTES_MAX = 64 * 1024, /* of a stream that was not granted */
};

/* ---- the library ---- */

static struct {
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_setopt)(CURLM *, CURLMoption, ...);
    CURLMcode (*multi_add)(CURLM *, CURL *);
    CURLMcode (*multi_remove)(CURLM *, CURL *);
    CURLMcode (*multi_action)(CURLM *, curl_socket_t, int, int *);
    CURLMcode (*multi_assign)(CURLM *, curl_socket_t, void *);
    CURLMsg *(*multi_read)(CURLM *, int *);
    CURLMcode (*multi_cleanup)(CURLM *);
    CURL *(*easy_init)(void);
    CURLcode (*setopt)(CURL *, CURLoption, ...);
    CURLcode (*getinfo)(CURL *, CURLINFO, ...);
    const char *(*strerror)(CURLcode);
    void (*easy_cleanup)(CURL *);
    struct curl_slist *(*list_add)(struct curl_slist *, const char *);
    void (*list_free)(struct curl_slist *);
} curl;

static bool library_load(struct error *err)
{
    static const struct {
        const char *name;
        void *place;
    } symbols[] = {
        {"curl_multi_init", &curl.multi_init},
        {"curl_multi_setopt", &curl.multi_setopt},
        {"curl_multi_add_handle", &curl.multi_add},
        {"curl_multi_remove_handle", &curl.multi_remove},
        {"curl_multi_socket_action", &curl.multi_action},
        {"curl_multi_assign", &curl.multi_assign},
        {"curl_multi_info_read", &curl.multi_read},
        {"curl_multi_cleanup", &curl.multi_cleanup},
        {"curl_easy_init", &curl.easy_init},
        {"curl_easy_setopt", &curl.setopt},
        {"curl_easy_getinfo", &curl.getinfo},
        {"curl_easy_strerror", &curl.strerror},
        {"curl_easy_cleanup", &curl.easy_cleanup},
        {"curl_slist_append", &curl.list_add},
        {"curl_slist_free_all", &curl.list_free},
    };
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; handle != NULL && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *symbol = dlsym(handle, symbols[i].name);
        if (symbol == NULL) {
            return error_set(err, STATUS_UNAVAILABLE, "libcurl has no %s", symbols[i].name);
        }
        memcpy(symbols[i].place, &symbol, sizeof(symbol));
    }
    return handle != NULL ||
           error_set(err, STATUS_UNAVAILABLE,
                     "--engine=kubernetes needs libcurl (apt install libcurl4): %s", dlerror());
}

/* ---- types ---- */

struct connections {
    struct kube_client *client;
    CURLM *multi;
    uv_timer_t timer;
    unsigned count; /* of calls */
    struct connections *next;
};

/* A socket of curl's, watched. */
struct watched {
    uv_poll_t poll;
    struct kube_client *client; /* outlives its connections */
    struct connections *connections;
    curl_socket_t fd;
};

struct kube_call {
    LIST_ENTRY(kube_call) entry;
    struct connections *connections;
    CURL *easy;
    struct curl_slist *headers;
    struct buffer body;  /* what is sent */
    struct buffer taken; /* what has come */
    kube_done done;
    bool (*on_bytes)(void *ctx, struct slice bytes); /* NULL: not a stream */
    void *ctx;
    unsigned idle_s;
    int64_t heard_us;
    bool started;   /* curl has it */
    bool silent;    /* it was ended for that */
    bool cancelled; /* it goes as soon as curl has returned */
    char warning[WARNING_BYTES];
};

struct kube_client {
    uv_loop_t *loop;
    const struct kube_access *access;
    struct connections *calls, *streams; /* both by next */
    LIST_HEAD(, kube_call) all;
    uv_timer_t look;
    bool running;     /* curl is */
    unsigned inside;  /* it is, or a done() */
    unsigned handles; /* of libuv, to be closed before it is freed */
    bool freed;
    struct arena token_arena;
    const char *token;
    int64_t token_us;
};

static void client_settle(struct kube_client *client)
{
    if (client->freed && client->handles == 0) {
        arena_done(&client->token_arena);
        free(client);
    }
}

/* ---- the token ---- */

static void token_read(struct kube_client *client)
{
    struct slice text;
    struct arena arena = {0};
    struct error ignored = {0};
    client->token_us = clock_mono_us();
    if (!file_read(&arena, client->access->token_file, KUBE_TOKEN_BYTES_MAX, &text, &ignored)) {
        arena_done(&arena);
        return; /* the token that we had may still be valid */
    }
    arena_done(&client->token_arena);
    client->token_arena = arena;
    client->token = arena_string(&client->token_arena,
                                 slice_trim(slice_upto(text, strcspn(text.data, "\r\n"))));
}

const char *kube_client_token(struct kube_client *client)
{
    if (client->access->token_file[0] == '\0') {
        return client->access->token;
    }
    if (client->token_us == 0 || clock_mono_us() - client->token_us > TOKEN_US) {
        token_read(client);
    }
    return client->token == NULL ? "" : client->token;
}

/* ---- calls ---- */

static void call_free(struct kube_call *call)
{
    LIST_REMOVE(call, entry);
    if (call->started) {
        curl.multi_remove(call->connections->multi, call->easy);
    }
    call->connections->count--;
    curl.easy_cleanup(call->easy);
    curl.list_free(call->headers);
    buffer_done(&call->body);
    buffer_done(&call->taken);
    free(call);
}

static void give_to_curl(struct kube_call *call)
{
    call->started = true;
    call->heard_us = clock_mono_us();
    curl.multi_add(call->connections->multi, call->easy);
}

/* What could not be done while curl was running. */
static void catch_up(struct kube_client *client)
{
    struct kube_call *call = LIST_FIRST(&client->all);
    while (client->inside == 0 && call != NULL) {
        struct kube_call *next = LIST_NEXT(call, entry);
        if (call->cancelled) {
            call_free(call);
        } else if (!call->started) {
            give_to_curl(call);
        }
        call = next;
    }
}

void kube_call_cancel(struct kube_call *call)
{
    if (call != NULL) {
        struct kube_client *client = call->connections->client;
        call->cancelled = true;
        catch_up(client);
    }
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
    struct kube_call *call = ctx;
    struct slice bytes = {data, size * count};
    long status = 0;
    call->heard_us = clock_mono_us();
    if (call->cancelled) {
        return 0;
    }
    curl.getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (call->on_bytes != NULL && status == 200) {
        return call->on_bytes(call->ctx, bytes) ? bytes.len : 0;
    }
    return buffer_add(&call->taken, bytes) ? bytes.len : 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct kube_call *call = ctx;
    struct slice line = {data, size * count}, name = SLICE("warning:");
    if (slice_equal_nocase(slice_upto(line, name.len), name) && call->warning[0] == '\0') {
        line = slice_trim(slice_from(line, name.len));
        snprintf(call->warning, sizeof(call->warning), "%.*s", SLICE_ARG(line));
        call->warning[strcspn(call->warning, "\r\n")] = '\0';
    }
    return size * count;
}

static const char *why_not(const struct kube_call *call, CURLcode code, char *room, size_t size)
{
    if (call->silent) {
        snprintf(room, size, "the API server was silent for %u seconds", call->idle_s);
    } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
        snprintf(room, size,
                 "the API server at %.200s is not believed: its certificate is not by the "
                 "certificate-authority of the kubeconfig, names another host, or has run out",
                 call->connections->client->access->server);
    } else if (call->taken.overflow) {
        snprintf(room, size, "the API server's answer is larger than %zu bytes", call->taken.max);
    } else {
        snprintf(room, size, "the API server at %.200s does not answer: %s",
                 call->connections->client->access->server, curl.strerror(code));
    }
    return room;
}

/* Tells it, and frees it. */
static void call_finish(struct kube_call *call, CURLcode code)
{
    struct kube_client *client = call->connections->client;
    char why[512];
    struct kube_answer answer = {.reason = "", .message = "", .warning = call->warning};
    auto_json *body = NULL;
    struct error ignored = {0};
    curl.getinfo(call->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (code != CURLE_OK) {
        answer.status = 0;
        answer.reason = code == CURLE_PEER_FAILED_VERIFICATION ? KUBE_UNTRUSTED
                        : call->taken.overflow                 ? KUBE_UNREADABLE
                                                               : "";
        answer.message = why_not(call, code, why, sizeof(why));
    } else if (buffer_len(&call->taken) > 0) {
        body = json_read_at_most(buffer_slice(&call->taken), KUBE_VALUES_MAX * 10, &ignored);
        answer.body = body;
    }
    if (code == CURLE_OK && kube_good(&answer) && body == NULL && buffer_len(&call->taken) > 0) {
        answer.status = 0;
        answer.reason = KUBE_UNREADABLE;
        snprintf(why, sizeof(why), "the API server's answer cannot be read: %.400s", ignored.text);
        answer.message = why;
    } else if (code == CURLE_OK && !kube_good(&answer)) {
        snprintf(why, sizeof(why), "the API server answered with status %ld", answer.status);
        answer.reason = json_text_or(body, "reason", "");
        answer.message = json_text_or(body, "message", why);
    }
    if (answer.status == 401) {
        client->token_us = 0; /* the next call is made with a fresh token */
    }
    kube_done done = call->cancelled ? NULL : call->done;
    void *ctx = call->ctx;
    call->cancelled = true; /* a cancel from now on finds the call finished */
    client->inside++;
    if (done != NULL) {
        done(ctx, &answer);
    }
    client->inside--;
    call_free(call);
}

static void finish_done(struct connections *connections)
{
    int left;
    for (CURLMsg *message; (message = curl.multi_read(connections->multi, &left)) != NULL;) {
        char *private = NULL;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE) {
            curl.getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
            call_finish((struct kube_call *)(void *)private, code);
        }
    }
}

/* ---- the loop ---- */

static void action(struct connections *connections, curl_socket_t fd, int events)
{
    struct kube_client *client = connections->client;
    int running;
    client->inside++;
    client->running = true;
    curl.multi_action(connections->multi, fd, events, &running);
    client->running = false;
    finish_done(connections);
    client->inside--;
    catch_up(client);
}

static void on_timer(uv_timer_t *timer)
{
    action(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wanted(CURLM *multi, long wait_ms, void *ctx)
{
    struct connections *connections = ctx;
    (void)multi;
    if (connections->client->freed) {
        return 0;
    }
    if (wait_ms < 0) {
        uv_timer_stop(&connections->timer);
    } else {
        uv_timer_start(&connections->timer, on_timer, (uint64_t)wait_ms, 0);
    }
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watched *watched = poll->data;
    int bits = status < 0 ? CURL_CSELECT_ERR : 0;
    bits |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    bits |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    action(watched->connections, watched->fd, bits);
}

static void on_watched_closed(uv_handle_t *handle)
{
    struct watched *watched = handle->data;
    struct kube_client *client = watched->client;
    free(watched);
    client->handles--;
    client_settle(client);
}

static struct watched *watched_new(struct connections *connections, curl_socket_t fd)
{
    struct watched *watched = mem_new(struct watched);
    watched->client = connections->client;
    watched->connections = connections;
    watched->fd = fd;
    watched->poll.data = watched;
    if (uv_poll_init_socket(connections->client->loop, &watched->poll, fd) != 0) {
        free(watched);
        return NULL;
    }
    connections->client->handles++;
    return watched;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *of_socket)
{
    struct connections *connections = ctx;
    struct watched *watched = of_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            curl.multi_assign(connections->multi, fd, NULL);
            uv_poll_stop(&watched->poll);
            uv_close((uv_handle_t *)&watched->poll, on_watched_closed);
        }
        return 0;
    }
    if (watched == NULL) {
        watched = watched_new(connections, fd);
        if (watched == NULL) {
            return -1;
        }
        curl.multi_assign(connections->multi, fd, watched);
    }
    int events = 0;
    events |= (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    uv_poll_start(&watched->poll, events, on_poll);
    return 0;
}

static void on_look(uv_timer_t *timer)
{
    struct kube_client *client = timer->data;
    int64_t now_us = clock_mono_us();
    struct kube_call *call, *next;
    for (call = LIST_FIRST(&client->all); call != NULL; call = next) {
        next = LIST_NEXT(call, entry);
        if (call->idle_s > 0 && !call->cancelled &&
            now_us - call->heard_us > (int64_t)call->idle_s * 1000000) {
            call->silent = true;
            call_finish(call, CURLE_OPERATION_TIMEDOUT);
            next = LIST_FIRST(&client->all); /* others may have gone with it */
        }
    }
    catch_up(client);
}

/* ---- making calls ---- */

static struct connections *connections_new(struct kube_client *client)
{
    struct connections *connections = mem_new(struct connections);
    CURLM *multi = curl.multi_init();
    if (multi == NULL) {
        abort();
    }
    connections->client = client;
    connections->multi = multi;
    uv_timer_init(client->loop, &connections->timer);
    connections->timer.data = connections;
    client->handles++;
    curl.multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl.multi_setopt(multi, CURLMOPT_SOCKETDATA, connections);
    curl.multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl.multi_setopt(multi, CURLMOPT_TIMERDATA, connections);
    curl.multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    return connections;
}

static struct connections *connections_for(struct kube_client *client, bool stream)
{
    struct connections **link = stream ? &client->streams : &client->calls;
    while (*link != NULL && stream && (*link)->count >= STREAMS_EACH) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        *link = connections_new(client);
    }
    return *link;
}

static void set_blob(CURL *easy, CURLoption option, struct slice pem)
{
    struct curl_blob blob = {
        .data = (void *)(uintptr_t)pem.data, .len = pem.len, .flags = CURL_BLOB_COPY};
    if (pem.len > 0) {
        curl.setopt(easy, option, &blob);
    }
}

static void add_header(struct kube_call *call, const char *text)
{
    call->headers = curl.list_add(call->headers, text);
}

static void set_credentials(struct kube_call *call, struct kube_client *client)
{
    const struct kube_access *access = client->access;
    const char *token = kube_client_token(client);
    char *header = NULL;
    set_blob(call->easy, CURLOPT_CAINFO_BLOB, access->ca_pem);
    set_blob(call->easy, CURLOPT_SSLCERT_BLOB, access->certificate_pem);
    set_blob(call->easy, CURLOPT_SSLKEY_BLOB, access->key_pem);
    if (token[0] != '\0' && asprintf(&header, "Authorization: Bearer %s", token) > 0) {
        add_header(call, header);
        explicit_bzero(header, strlen(header));
        free(header);
    }
}

static struct kube_call *call_new(struct kube_client *client, const char *method, const char *path,
                                  bool stream, unsigned seconds)
{
    struct kube_call *call = mem_new(struct kube_call);
    CURL *easy = curl.easy_init();
    char *url = NULL;
    if (easy == NULL || asprintf(&url, "%s%s", client->access->server, path) < 0) {
        abort();
    }
    call->connections = connections_for(client, stream);
    call->easy = easy;
    call->heard_us = clock_mono_us();
    call->taken = BUFFER_INIT(stream ? REFUSAL_BYTES_MAX : KUBE_ANSWER_BYTES_MAX);
    curl.setopt(easy, CURLOPT_URL, url);
    curl.setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl.setopt(easy, CURLOPT_PRIVATE, call);
    curl.setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl.setopt(easy, CURLOPT_WRITEDATA, call);
    curl.setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl.setopt(easy, CURLOPT_HEADERDATA, call);
    curl.setopt(easy, CURLOPT_TIMEOUT, (long)seconds);
    curl.setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl.setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl.setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl.setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl.setopt(easy, CURLOPT_PROXY, "");
    curl.setopt(easy, CURLOPT_PIPEWAIT, 1L);
    free(url);
    set_credentials(call, client);
    add_header(call, "Accept: application/json");
    add_header(call, "User-Agent: homerun");
    LIST_INSERT_HEAD(&client->all, call, entry);
    return call;
}

static struct kube_call *call_start(struct kube_client *client, struct kube_call *call)
{
    curl.setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    call->connections->count++;
    if (!client->running) {
        give_to_curl(call);
    }
    return call;
}

static void put_body(struct kube_call *call, const struct kube_request *request)
{
    static const char *const types[] = {
        [KUBE_JSON] = "Content-Type: application/json",
        [KUBE_APPLY] = "Content-Type: application/apply-patch+yaml", /* of which JSON is a part */
        [KUBE_MERGE] = "Content-Type: application/merge-patch+json",
    };
    auto_arena arena = {0};
    call->body = BUFFER_INIT(KUBE_ANSWER_BYTES_MAX);
    buffer_add(&call->body, json_write(&arena, request->body));
    struct slice body = buffer_slice(&call->body);
    curl.setopt(call->easy, CURLOPT_POSTFIELDS, body.data);
    curl.setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl.setopt(call->easy, CURLOPT_CUSTOMREQUEST, request->method);
    add_header(call, types[request->content]);
    add_header(call, "Expect:");
}

struct kube_call *kube_call(struct kube_client *client, const struct kube_request *request)
{
    struct kube_call *call = call_new(client, request->method, request->path, false, KUBE_CALL_S);
    call->done = request->done;
    call->ctx = request->ctx;
    if (request->body != NULL) {
        put_body(call, request);
    }
    return call_start(client, call);
}

struct kube_call *kube_stream(struct kube_client *client, const struct kube_stream *stream)
{
    struct kube_call *call = call_new(client, "GET", stream->path, true, stream->seconds);
    call->done = stream->done;
    call->on_bytes = stream->on_bytes;
    call->ctx = stream->ctx;
    call->idle_s = stream->idle_s;
    return call_start(client, call);
}

/* ---- the client ---- */

struct kube_client *kube_client_new(uv_loop_t *loop, const struct kube_access *access,
                                    struct error *err)
{
    if (!library_load(err)) {
        return NULL;
    }
    struct kube_client *client = mem_new(struct kube_client);
    client->loop = loop;
    client->access = access;
    LIST_INIT(&client->all);
    uv_timer_init(loop, &client->look);
    client->look.data = client;
    client->handles++;
    uv_timer_start(&client->look, on_look, LOOK_MS, LOOK_MS);
    uv_unref((uv_handle_t *)&client->look);
    return client;
}

uv_loop_t *kube_client_loop(const struct kube_client *client)
{
    return client->loop;
}

static void on_connections_closed(uv_handle_t *handle)
{
    struct connections *connections = handle->data;
    struct kube_client *client = connections->client;
    client->handles--;
    free(connections);
    client_settle(client);
}

static void on_look_closed(uv_handle_t *handle)
{
    struct kube_client *client = handle->data;
    client->handles--;
    client_settle(client);
}

static void connections_free(struct connections *connections)
{
    while (connections != NULL) {
        struct connections *next = connections->next;
        curl.multi_cleanup(connections->multi);
        uv_close((uv_handle_t *)&connections->timer, on_connections_closed);
        connections = next;
    }
}

void kube_client_free(struct kube_client *client)
{
    if (client == NULL) {
        return;
    }
    struct kube_call *call;
    while ((call = LIST_FIRST(&client->all)) != NULL) {
        call_free(call);
    }
    client->freed = true;
    connections_free(client->calls);
    connections_free(client->streams);
    uv_close((uv_handle_t *)&client->look, on_look_closed);
}
