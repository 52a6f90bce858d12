/*
 * Not a test: the smallest server and relay that net/ can make, to be measured against others.
 *   relay PORT fixed | relay PORT to UPSTREAM_PORT [CERTIFICATE KEY]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/net.h"

static struct net *net;
static struct net_pool *pool;

struct pair {
    struct exchange *exchange;
    struct call *call;
};

static void on_response(struct call *call, const struct http_response *response)
{
    struct pair *pair = call_user(call);
    if (response->status >= 200) {
        exchange_respond(pair->exchange, response);
    }
}

static void on_call_body(struct call *call, struct slice data)
{
    struct pair *pair = call_user(call);
    if (!exchange_write(pair->exchange, data)) {
        call_pause(call);
    }
}

static void on_call_end(struct call *call, const struct http_headers *trailers)
{
    struct pair *pair = call_user(call);
    exchange_end(pair->exchange, trailers);
}

static void on_call_writable(struct call *call)
{
    struct pair *pair = call_user(call);
    exchange_resume(pair->exchange);
}

static void on_call_close(struct call *call, const char *failure, enum call_loss loss)
{
    struct pair *pair = call_user(call);
    (void)loss;
    pair->call = NULL;
    if (failure != NULL) {
        exchange_reply(pair->exchange, 502, "text/plain", slice_of(failure), NULL);
        exchange_abort(pair->exchange, 2);
    }
}

static const struct call_events call_events = {
    .on_response = on_response,
    .on_body = on_call_body,
    .on_body_end = on_call_end,
    .on_writable = on_call_writable,
    .on_close = on_call_close,
};

static void on_request(struct exchange *exchange, void *ctx)
{
    (void)ctx;
    if (pool == NULL) {
        exchange_reply(exchange, 200, "text/plain", SLICE("Hello, world\n"), NULL);
        return;
    }
    struct pair *pair = arena_new(exchange_arena(exchange), struct pair);
    struct http_request request = *exchange_request(exchange);
    struct http_headers *headers = &request.headers;
    struct arena *arena = exchange_arena(exchange);
    char address[64];
    net_address_text((const struct sockaddr *)exchange_peer(exchange), address, false);
    http_headers_add(headers, arena, SLICE("x-forwarded-for"),
                     arena_slice(arena, slice_of(address)));
    http_headers_add(headers, arena, SLICE("x-forwarded-proto"), request.scheme);
    exchange_set_user(exchange, pair);
    pair->exchange = exchange;
    pair->call = call_new(pool, &request, &call_events, pair);
}

static void on_body(struct exchange *exchange, struct slice data)
{
    struct pair *pair = exchange_user(exchange);
    if (pair != NULL && pair->call != NULL && !call_write(pair->call, data)) {
        exchange_pause(exchange);
    }
}

static void on_body_end(struct exchange *exchange, const struct http_headers *trailers)
{
    struct pair *pair = exchange_user(exchange);
    if (pair != NULL && pair->call != NULL) {
        call_end(pair->call, trailers);
    }
}

static void on_writable(struct exchange *exchange)
{
    struct pair *pair = exchange_user(exchange);
    if (pair != NULL && pair->call != NULL) {
        call_resume(pair->call);
    }
}

static void on_close(struct exchange *exchange, bool aborted)
{
    struct pair *pair = exchange_user(exchange);
    (void)aborted;
    if (pair != NULL && pair->call != NULL) {
        call_cancel(pair->call);
    }
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

int main(int argc, char **argv)
{
    static const struct exchange_events events = {
        .on_request = on_request,
        .on_body = on_body,
        .on_body_end = on_body_end,
        .on_writable = on_writable,
        .on_close = on_close,
    };
    struct error err;
    struct net_limits limits;
    struct net_tls *tls = NULL;
    struct sockaddr_storage addr;
    socklen_t length;
    char text[32];
    if (argc < 3) {
        return 2;
    }
    uv_loop_t *loop = uv_default_loop();
    net = net_new(loop);
    net_limits_default(&limits);
    snprintf(text, sizeof(text), "127.0.0.1:%s", argv[1]);
    if (!net_parse_address(text, &addr, &length, &err)) {
        return 1;
    }
    int fd = net_bind((struct sockaddr *)&addr, length, &err);
    if (argc >= 4) {
        snprintf(text, sizeof(text), "127.0.0.1:%s", argv[3]);
        net_parse_address(text, &addr, &length, &err);
        pool =
            net_pool_new(net, (struct sockaddr *)&addr, length, strcmp(argv[2], "h2c") == 0, 60000);
    }
    if (argc >= 6) {
        struct net_certificate certificate = {argv[4], argv[5]};
        tls = net_tls_new(&certificate, 1, true, NULL, &err);
    }
    if (fd < 0 || (argc >= 6 && tls == NULL) ||
        net_listen(net, fd, tls, &limits, &events, NULL, &err) == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    uv_signal_t stop;
    uv_signal_init(loop, &stop);
    uv_signal_start(&stop, on_signal, SIGTERM);
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}
