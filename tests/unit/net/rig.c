#include "rig.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum { PATIENCE_S = 20 };

/* ---- the server's behaviours ---- */

static void send_large(struct exchange *exchange)
{
    static char block[16 * 1024];
    size_t *sent = exchange_user(exchange);
    memset(block, 'x', sizeof(block));
    while (*sent < RIG_LARGE) {
        *sent += sizeof(block);
        if (!exchange_write(exchange, (struct slice){block, sizeof(block)})) {
            return;
        }
    }
    exchange_end(exchange, NULL);
}

static void do_hello(struct exchange *exchange)
{
    exchange_reply(exchange, 200, "text/plain", SLICE("hello"), NULL);
}

static void do_early(struct exchange *exchange)
{
    exchange_reply(exchange, 403, "text/plain", SLICE("no"), NULL);
}

static void do_echo(struct exchange *exchange)
{
    exchange_continue(exchange);
    exchange_respond(exchange, &(struct http_response){.status = 200, .framing = HTTP_CHUNKED});
}

static void do_large(struct exchange *exchange)
{
    exchange_set_user(exchange, arena_new(exchange_arena(exchange), size_t));
    exchange_respond(exchange, &(struct http_response){.status = 200, .framing = HTTP_CHUNKED});
    send_large(exchange);
}

static void do_upgrade(struct exchange *exchange)
{
    exchange_respond(exchange, &(struct http_response){.status = 101});
}

static void do_inform(struct exchange *exchange)
{
    exchange_inform(exchange, &(struct http_response){.status = 103});
    do_hello(exchange);
}

static void do_short(struct exchange *exchange)
{
    exchange_respond(exchange,
                     &(struct http_response){.status = 200, .framing = HTTP_LENGTH, .length = 10});
    exchange_write(exchange, SLICE("short"));
    exchange_end(exchange, NULL);
}

static void do_hold(struct exchange *exchange)
{
    exchange_pause(exchange);
}

static void do_nothing(struct exchange *exchange)
{
    (void)exchange;
}

static const struct {
    const char *path;
    void (*deed)(struct exchange *exchange);
} behaviours[] = {
    {"/hello", do_hello}, {"/early", do_early},     {"/echo", do_echo},
    {"/large", do_large}, {"/upgrade", do_upgrade}, {"/inform", do_inform},
    {"/short", do_short}, {"/hold", do_hold},       {"/hang", do_nothing},
};

static struct rig *serving;

static void on_request(struct exchange *exchange, void *ctx)
{
    struct rig *rig = ctx;
    const struct http_request *request = exchange_request(exchange);
    serving = rig;
    rig->requests++;
    rig->hanging = exchange;
    snprintf(rig->seen, sizeof(rig->seen), "%.*s %.*s %d %.*s %.*s", SLICE_ARG(request->method),
             SLICE_ARG(request->path), (int)request->version, SLICE_ARG(request->authority),
             SLICE_ARG(request->scheme));
    for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
        if (slice_is(request->path, behaviours[i].path)) {
            behaviours[i].deed(exchange);
            return;
        }
    }
    exchange_reply(exchange, 404, "text/plain", SLICE("nothing here"), NULL);
}

static void on_fault(void *ctx, const struct net_fault *fault)
{
    struct rig *rig = ctx;
    rig->faults++;
    rig->fault_status = fault->status;
}

static bool is_echo(const struct exchange *exchange)
{
    struct slice path = exchange_request(exchange)->path;
    return slice_is(path, "/echo") || slice_is(path, "/upgrade");
}

static void on_body(struct exchange *exchange, struct slice data)
{
    serving->body_bytes += data.len;
    if (is_echo(exchange) && !exchange_write(exchange, data)) {
        exchange_pause(exchange);
    }
}

static void on_body_end(struct exchange *exchange, const struct http_headers *trailers)
{
    bool upgrade = slice_is(exchange_request(exchange)->path, "/upgrade");
    /* Of a tunnel: the first end is that of the request. */
    if (is_echo(exchange) && (!upgrade || serving->body_ended)) {
        exchange_end(exchange, trailers);
    }
    serving->body_ended = true;
}

static void on_writable(struct exchange *exchange)
{
    serving->writable++;
    if (is_echo(exchange)) {
        exchange_resume(exchange);
    } else if (exchange_user(exchange) != NULL) {
        send_large(exchange);
    }
}

static void on_close(struct exchange *exchange, bool aborted)
{
    serving->closed++;
    serving->aborted += aborted;
    if (serving->hanging == exchange) {
        serving->hanging = NULL;
    }
}

static const struct exchange_events server_events = {
    .on_request = on_request,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_writable = on_writable,
    .on_close = on_close,
    .on_fault = on_fault,
};

/* ---- the rig ---- */

static void start(struct rig *rig, const struct net_limits *limits, struct net_tls *tls)
{
    struct error err;
    struct sockaddr_storage addr;
    socklen_t length;
    *rig = (struct rig){.limits = *limits, .tls = tls};
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    rig->net = net_new(&rig->loop);
    assert_true(net_parse_address("127.0.0.1:0", &addr, &length, &err));
    rig->fd = net_bind((struct sockaddr *)&addr, length, &err);
    assert_true(rig->fd >= 0);
    rig->port = net_bound_port(rig->fd);
    rig->listener = net_listen(rig->net, rig->fd, tls, &rig->limits, &server_events, rig, &err);
    assert_non_null(rig->listener);
    serving = rig;
}

void rig_start(struct rig *rig, struct net_tls *tls)
{
    struct net_limits limits;
    net_limits_default(&limits);
    start(rig, &limits, tls);
}

void rig_start_limited(struct rig *rig, const struct net_limits *limits)
{
    start(rig, limits, NULL);
}

void rig_stop(struct rig *rig)
{
    net_listener_free(rig->listener);
    net_free(rig->net);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    close(rig->fd);
    assert_int_equal(rig->requests, rig->closed);
}

void rig_turn(struct rig *rig, int times)
{
    for (int i = 0; i < times; i++) {
        uv_run(&rig->loop, UV_RUN_NOWAIT);
    }
}

void rig_until(struct rig *rig, const bool *flag)
{
    int64_t end = clock_mono_us() + PATIENCE_S * 1000000LL;
    while (!*flag) {
        uv_run(&rig->loop, UV_RUN_NOWAIT);
        if (!*flag) {
            usleep(200);
        }
        assert_true(clock_mono_us() < end);
    }
}

/* ---- the client ---- */

static void on_response(struct call *call, const struct http_response *response)
{
    struct outcome *out = call_user(call);
    if (response->status >= 200 || response->status == 101) {
        out->status = response->status;
    } else {
        out->interim++;
    }
}

static void on_call_body(struct call *call, struct slice data)
{
    struct outcome *out = call_user(call);
    buffer_add(&out->body, data);
    if (out->cancel_on_body) {
        out->closed = true;
        out->call = NULL;
        call_cancel(call);
    }
}

static void on_call_body_end(struct call *call, const struct http_headers *trailers)
{
    struct outcome *out = call_user(call);
    out->body_ended = true;
    if (trailers->count > 0) {
        snprintf(out->trailer, sizeof(out->trailer), "%.*s=%.*s",
                 SLICE_ARG(trailers->items[0].name), SLICE_ARG(trailers->items[0].value));
    }
    if (out->end_on_body_end) {
        call_end(call, NULL);
    }
}

static void on_call_writable(struct call *call)
{
    struct outcome *out = call_user(call);
    out->writable++;
}

static void on_call_close(struct call *call, const char *failure, enum call_loss loss)
{
    struct outcome *out = call_user(call);
    out->closed = true;
    out->call = NULL;
    out->loss = loss;
    snprintf(out->failure, sizeof(out->failure), "%s", failure == NULL ? "" : failure);
}

static const struct call_events call_events = {
    .on_response = on_response,
    .on_body = on_call_body,
    .on_body_end = on_call_body_end,
    .on_writable = on_call_writable,
    .on_close = on_call_close,
};

struct net_pool *rig_pool(struct rig *rig, bool http2)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(rig->port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return net_pool_new(rig->net, (struct sockaddr *)&addr, sizeof(addr), http2, 60000);
}

struct call *rig_call(struct rig *rig, struct net_pool *pool, const char *method, const char *path,
                      enum http_framing framing, uint64_t length, struct outcome *out)
{
    struct http_header expect = {SLICE("expect"), SLICE("100-continue")};
    struct http_request request = {
        .method = slice_of(method),
        .scheme = SLICE("http"),
        .authority = SLICE("a.example"),
        .path = slice_of(path),
        .framing = framing,
        .length = length,
        .upgrade = strcmp(path, "/upgrade") == 0 ? SLICE("test") : SLICE_NONE,
    };
    if (framing == HTTP_CHUNKED) {
        request.headers = (struct http_headers){.items = &expect, .count = 1};
    }
    buffer_done(&out->body);
    *out = (struct outcome){.rig = rig, .body = BUFFER_INIT(64 * 1024 * 1024)};
    out->call = call_new(pool, &request, &call_events, out);
    return out->call;
}

void outcome_done(struct outcome *out)
{
    buffer_done(&out->body);
}

/* ---- raw bytes ---- */

void raw_open(struct raw *raw, struct rig *rig)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(rig->port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *raw = (struct raw){.rig = rig, .in = BUFFER_INIT(64 * 1024 * 1024)};
    raw->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(raw->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    setsockopt(raw->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

void raw_send(struct raw *raw, const char *bytes)
{
    size_t length = strlen(bytes);
    while (length > 0) {
        ssize_t sent = send(raw->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return;
        }
        rig_turn(raw->rig, 1);
    }
}

static bool has(struct raw *raw, const char *text)
{
    return text == NULL ? raw->eof : strstr(buffer_text(&raw->in), text) != NULL;
}

void raw_until(struct raw *raw, const char *text)
{
    int64_t end = clock_mono_us() + PATIENCE_S * 1000000LL;
    while (!has(raw, text)) {
        rig_turn(raw->rig, 2);
        char *room = buffer_reserve(&raw->in, 65536);
        ssize_t got = recv(raw->fd, room, 65536, MSG_DONTWAIT);
        if (got > 0) {
            buffer_commit(&raw->in, (size_t)got);
        } else if (got == 0 || errno != EAGAIN) {
            raw->eof = true;
        } else {
            usleep(200);
        }
        if (raw->eof && !has(raw, text)) {
            fail_msg("the connection ended before \"%s\": \"%s\"", text, buffer_text(&raw->in));
        }
        if (clock_mono_us() > end) {
            fail_msg("\"%s\" never came: \"%.500s\"", text == NULL ? "the end" : text,
                     buffer_text(&raw->in));
        }
    }
}

void raw_close(struct raw *raw)
{
    close(raw->fd);
    buffer_done(&raw->in);
}
