/* The public face of a call: what does not depend on the version, and the way to what does. */
#include <stdlib.h>

#include "base/memory.h"
#include "net/client.h"

struct call *call_new(struct net_pool *pool, const struct http_request *request,
                      const struct call_events *events, void *user)
{
    struct call *call = mem_bytes(sizeof(*call)); /* which is quicker than mem_new() */
    *call = (struct call){.pool = pool};
    call->arena = net_arena_take(pool->net);
    call->events = *events;
    call->user = user;
    call->framing = request->framing;
    call->left = request->length;
    call->upgrade = request->upgrade.len > 0;
    call->ended = request->framing == HTTP_NO_BODY && !call->upgrade;
    call->method = slice_is(request->method, "HEAD") ? SLICE("HEAD") : SLICE("GET");
    link_init(&call->link);
    link_init(&call->queue);
    pool->users++;
    if (pool->http2) {
        h2_call_start(call, request);
    } else {
        h1_call_start(call, request);
    }
    return call;
}

void *call_user(const struct call *call)
{
    return call->user;
}

struct arena *call_arena(struct call *call)
{
    return &call->arena;
}

static bool is_over(const struct call *call)
{
    return call->ended || call->failure != NULL || call->conn == NULL;
}

bool call_write(struct call *call, struct slice data)
{
    if (is_over(call) || data.len == 0 || (call->framing == HTTP_NO_BODY && !call->upgrade)) {
        return true;
    }
    if (call->framing == HTTP_LENGTH && !call->tunnel) {
        if (data.len > call->left) {
            call_fail_later(call, "more was written than the length of the request", CALL_ANSWERED);
            return false;
        }
        call->left -= data.len;
    }
    return call->pool->http2 ? h2_call_write(call, data) : h1_call_write(call, data);
}

void call_end(struct call *call, const struct http_headers *trailers)
{
    if (is_over(call)) {
        return;
    }
    if (call->framing == HTTP_LENGTH && call->left > 0 && !call->tunnel) {
        call_fail_later(call, "less was written than the length of the request", CALL_ANSWERED);
        return;
    }
    call->ended = true;
    if (call->pool->http2) {
        h2_call_end(call, trailers);
    } else {
        h1_call_end(call, trailers);
    }
}

void call_pause(struct call *call)
{
    call->paused = true;
}

void call_resume(struct call *call)
{
    if (!call->paused) {
        return;
    }
    call->paused = false;
    if (call->pool->http2) {
        h2_call_resume(call);
    } else if (call->conn != NULL) {
        h1_call_resume(call);
    }
}

/* The memory alone. */
static void call_release(struct call *call)
{
    struct net_pool *pool = call->pool;
    link_remove(&call->link);
    link_remove(&call->queue);
    buffer_done(&call->held);
    net_arena_give(pool->net, &call->arena);
    free(call);
    pool->users--;
    net_pool_release(pool);
}

void call_cancel(struct call *call)
{
    if (call->pool->http2) {
        h2_call_cancel(call);
    } else if (call->conn != NULL) {
        h1_call_cancel(call);
    }
    call_release(call);
}

void call_finish(struct call *call, const char *failure, enum call_loss loss)
{
    call->conn = NULL;
    call->events.on_close(call, failure, loss);
    call_release(call);
}

void call_fail_later(struct call *call, const char *failure, enum call_loss loss)
{
    call->failure = failure;
    call->loss = loss;
    if (call->conn == NULL) {
        link_remove(&call->link);
        link_add(&call->pool->net->failed, &call->link);
    } else {
        transport_touch(&call->conn->t);
    }
}

void net_report_failed(struct net *net)
{
    struct link now;
    link_init(&now);
    while (!link_alone(&net->failed)) {
        struct link *item = net->failed.next;
        link_remove(item);
        link_add(&now, item);
    }
    while (!link_alone(&now)) {
        struct call *call = link_owner(now.next, struct call, link);
        link_remove(&call->link);
        call_finish(call, call->failure, call->loss);
    }
}
