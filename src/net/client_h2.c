/*
 * HTTP/2 on the client's side: many calls on one connection, a second one only when the first takes
 * no more. What comes for a paused call is kept, at most one window of it.
 */
#include "net/client.h"

enum {
    HELD_MAX = 1024 * 1024,
    REFUSED_STREAM = 7,
    CANCEL = 8,
};

static const struct http2_limits session_limits = {
    .streams_max = 100,
    .head_max = 128 * 1024,
    .window = 256 * 1024,
    .resets_per_s = 10000,
};

static struct client_conn *conn_of(struct transport *t)
{
    return link_owner(t, struct client_conn, t);
}

static struct call *find(struct client_conn *conn, int32_t stream)
{
    if (conn->t.closed) {
        return NULL;
    }
    for (struct link *item = conn->calls.next; item != &conn->calls; item = item->next) {
        struct call *call = link_owner(item, struct call, link);
        if (call->stream == stream && !call->stream_gone) {
            return call;
        }
    }
    return NULL;
}

/* Takes CALL off its connection. */
static void detach(struct call *call)
{
    struct client_conn *conn = call->conn;
    link_remove(&call->link);
    link_remove(&call->queue);
    call->conn = NULL;
    if (--conn->call_count == 0 && !conn->t.closed) {
        client_conn_set_idle(conn, true);
    }
}

static void finish(struct call *call, const char *failure, enum call_loss loss)
{
    detach(call);
    call_finish(call, failure, loss);
}

/* ---- events of the session ---- */

static void on_data(void *ctx, int32_t stream, struct slice data)
{
    struct client_conn *conn = ctx;
    struct call *call = find(conn, stream);
    if (call == NULL) {
        if (!conn->t.closed) {
            http2_consume(conn->session, stream, data.len);
        }
        return;
    }
    if (call->paused) {
        if (!buffer_add(&call->held, data)) {
            call_fail_later(call, "the server sent more than it may", CALL_ANSWERED);
        }
        return;
    }
    call->events.on_body(call, data);
    if (!conn->t.closed) {
        http2_consume(conn->session, stream, data.len);
        transport_touch(&conn->t);
    }
}

static void body_end(struct call *call)
{
    call->held_end = false;
    call->body_over = true;
    call->events.on_body_end(call, &call->trailers);
}

/* The stream's arena may go before a paused call takes the trailers. */
static void keep_trailers(struct call *call, const struct http_headers *trailers)
{
    for (size_t i = 0; trailers != NULL && i < trailers->count; i++) {
        http_headers_add(&call->trailers, &call->arena,
                         arena_slice(&call->arena, trailers->items[i].name),
                         arena_slice(&call->arena, trailers->items[i].value));
    }
}

static void on_end(void *ctx, int32_t stream, const struct http_headers *trailers)
{
    struct call *call = find(ctx, stream);
    if (call == NULL || call->body_over || call->held_end) {
        return;
    }
    keep_trailers(call, trailers);
    if (call->paused || buffer_len(&call->held) > 0) {
        call->held_end = true;
    } else {
        body_end(call);
    }
}

static void on_response(void *ctx, int32_t stream, struct arena *arena,
                        const struct http_response *response, bool end)
{
    struct call *call = find(ctx, stream);
    (void)arena;
    if (call != NULL) {
        call->responded |= response->status >= 200;
        call->tunnel |= call->upgrade && response->status >= 200 && response->status < 300;
        call->events.on_response(call, response);
        /* The callback may have cancelled the call. */
        if (end && find(ctx, stream) == call) {
            on_end(ctx, stream, NULL);
        }
    }
}

static void on_writable(void *ctx, int32_t stream)
{
    struct call *call = find(ctx, stream);
    if (call != NULL && !call->ended && call->events.on_writable != NULL) {
        call->events.on_writable(call);
    }
}

static void on_stream_close(void *ctx, int32_t stream, uint32_t error)
{
    struct call *call = find(ctx, stream);
    if (call == NULL) {
        return;
    }
    if (call->held_end) {
        call->stream_gone = true; /* complete, but for what the caller has still to take */
    } else if (call->body_over) {
        finish(call, NULL, CALL_ANSWERED);
    } else {
        finish(call,
               error == 0 ? "the stream ended before the response did" : "the stream was reset",
               error == REFUSED_STREAM ? CALL_STALE : CALL_ANSWERED);
    }
}

static const struct http2_events session_events = {
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_close = on_stream_close,
};

/* ---- events of the transport ---- */

/* The session must outlive the call into it in which the connection was closed. */
static void leave(struct client_conn *conn)
{
    conn->inside = false;
    if (conn->t.closed) {
        http2_free(conn->session);
        conn->session = NULL;
    }
}

static size_t on_bytes(struct transport *t, char *bytes, size_t count)
{
    struct client_conn *conn = conn_of(t);
    if (count == 0 || conn->failed) {
        return count;
    }
    conn->answered = true;
    conn->inside = true;
    http2_tick(conn->session, (int64_t)net_now(t->net));
    bool good = http2_input(conn->session, (struct slice){bytes, count});
    leave(conn);
    if (!t->closed) {
        conn->failed = !good;
        transport_touch(t);
    }
    return count;
}

static void on_eof(struct transport *t)
{
    transport_close(t, false);
}

/* Passes on what a call held back. */
static void catch_up(struct client_conn *conn, struct call *call)
{
    if (call->failure != NULL) {
        http2_reset(conn->session, call->stream, CANCEL);
        finish(call, call->failure, call->loss);
        return;
    }
    size_t bytes = buffer_len(&call->held);
    if (call->paused) {
        return;
    }
    if (bytes > 0) {
        struct buffer held = call->held;
        bool gone = call->stream_gone;
        int32_t stream = call->stream;
        struct link here;
        /* A mark in the call's place: if the call goes meanwhile, the mark stands alone. */
        link_init(&here);
        call->held = BUFFER_INIT(HELD_MAX);
        link_add(&call->queue, &here);
        call->events.on_body(call, buffer_slice(&held));
        bool alive = !link_alone(&here);
        link_remove(&here);
        buffer_done(&held);
        if (!conn->t.closed && !gone) {
            http2_consume(conn->session, stream, bytes);
        }
        if (!alive || conn->t.closed || call->paused) {
            return;
        }
    }
    if (call->held_end) {
        struct link here;
        bool gone = call->stream_gone;
        link_init(&here);
        link_add(&call->queue, &here);
        body_end(call);
        bool alive = !link_alone(&here);
        link_remove(&here);
        if (alive && gone) {
            finish(call, NULL, CALL_ANSWERED);
        }
    }
}

static void look_after_calls(struct client_conn *conn)
{
    while (!conn->t.closed && !link_alone(&conn->queue)) {
        struct call *call = link_owner(conn->queue.next, struct call, queue);
        link_remove(&call->queue);
        catch_up(conn, call);
    }
}

static void on_flush(struct transport *t)
{
    struct client_conn *conn = conn_of(t);
    look_after_calls(conn);
    if (t->closed) {
        return;
    }
    net_block_lend(t->net, &t->out);
    conn->inside = true;
    while (!t->closed && buffer_len(&t->out) < NET_OUT_HIGH &&
           http2_output(conn->session, &t->out)) {
    }
    leave(conn);
    if (t->closed) {
        return;
    }
    if (buffer_len(&t->out) >= NET_OUT_HIGH) {
        t->full = true;
    } else if (conn->failed || http2_finished(conn->session)) {
        conn->failure = conn->failed ? "the server broke the rules of HTTP/2" : NULL;
        transport_close(t, false);
    }
}

static void on_drained(struct transport *t)
{
    transport_touch(t);
}

static void on_due(struct transport *t)
{
    transport_close(t, false);
}

static void on_closed(struct transport *t, bool lost)
{
    struct client_conn *conn = conn_of(t);
    const char *failure = client_conn_failure(conn);
    (void)lost;
    while (!link_alone(&conn->calls)) {
        struct call *call = link_owner(conn->calls.next, struct call, link);
        bool whole = call->stream_gone && buffer_len(&call->held) == 0;
        finish(call, whole ? NULL : failure, client_conn_loss(conn, call));
    }
    if (!conn->inside) {
        http2_free(conn->session);
        conn->session = NULL;
    }
    client_conn_gone(conn);
}

static const struct transport_events conn_events = {
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_flush = on_flush,
    .on_drained = on_drained,
    .on_due = on_due,
    .on_closed = on_closed,
};

/* ---- what a call asks for ---- */

static bool start_on(struct client_conn *conn, struct call *call,
                     const struct http_request *request)
{
    bool end = request->framing == HTTP_NO_BODY && !call->upgrade;
    if (conn->t.closed || conn->failed) {
        return false;
    }
    int32_t stream = http2_request(conn->session, request, end);
    if (stream < 0) {
        return false;
    }
    call->stream = stream;
    call->conn = conn;
    link_add(&conn->calls, &call->link);
    conn->call_count++;
    client_conn_set_idle(conn, false);
    transport_touch(&conn->t);
    return true;
}

static bool start_on_any(struct link *list, struct call *call, const struct http_request *request)
{
    for (struct link *item = list->prev; item != list; item = item->prev) {
        if (start_on(link_owner(item, struct client_conn, link), call, request)) {
            return true;
        }
    }
    return false;
}

void h2_call_start(struct call *call, const struct http_request *request)
{
    struct net_pool *pool = call->pool;
    const char *why = "the request cannot be sent by HTTP/2";
    struct http_request own = *request;
    own.scheme = SLICE("http"); /* of this connection, whatever the request came over */
    call->held = BUFFER_INIT(HELD_MAX);
    if (start_on_any(&pool->busy, call, &own) || start_on_any(&pool->idle, call, &own)) {
        return;
    }
    struct client_conn *conn = client_conn_new(pool, &conn_events, &why);
    if (conn != NULL) {
        conn->t.out.max = 2 * NET_OUT_HIGH;
        conn->session = http2_client_new(&session_limits, &session_events, conn);
        if (start_on(conn, call, &own)) {
            return;
        }
        transport_close(&conn->t, false);
    }
    call_fail_later(call, why, conn == NULL ? CALL_UNSENT : CALL_ANSWERED);
}

static void queue(struct call *call)
{
    if (link_alone(&call->queue)) {
        link_add(&call->conn->queue, &call->queue);
    }
    transport_touch(&call->conn->t);
}

bool h2_call_write(struct call *call, struct slice data)
{
    bool room = http2_data(call->conn->session, call->stream, data);
    transport_touch(&call->conn->t);
    return room;
}

void h2_call_end(struct call *call, const struct http_headers *trailers)
{
    http2_end(call->conn->session, call->stream, trailers);
    transport_touch(&call->conn->t);
}

void h2_call_resume(struct call *call)
{
    if (call->conn != NULL) {
        queue(call);
    }
}

void h2_call_cancel(struct call *call)
{
    struct client_conn *conn = call->conn;
    if (conn != NULL) {
        if (!call->stream_gone && !conn->t.closed) {
            http2_reset(conn->session, call->stream, CANCEL);
            transport_touch(&conn->t);
        }
        detach(call);
    }
}
