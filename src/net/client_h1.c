/*
 * HTTP/1.1 on the client's side: one call at a time on a connection, which goes back to the pool
 * when both request and response were complete. After every callback the call may be gone: the
 * connection says so.
 */
#include "net/client.h"

#include <netinet/tcp.h>

static const struct http1_limits response_limits = {
    .target_max = 0, .head_max = NET_OUT_HIGH, /* not more than may wait in a transport */
};

static struct client_conn *conn_of(struct transport *t)
{
    return link_owner(t, struct client_conn, t);
}

/* True while CALL is still what the connection works for. */
static bool serves(const struct client_conn *conn, const struct call *call)
{
    return !conn->t.closed && conn->call == call;
}

/* The call has failed: its connection is of no more use. */
static void fail(struct client_conn *conn, const char *failure)
{
    conn->failure = failure;
    transport_close(&conn->t, true);
}

/* The response is complete. */
static void complete(struct client_conn *conn, bool clean)
{
    struct call *call = conn->call;
    bool stays = clean && conn->keep_alive && call->ended && !conn->pool->freed && !conn->t.eof &&
                 buffer_len(&conn->t.out) == 0;
    conn->call = NULL;
    http1_body_done(&conn->body);
    if (stays) {
        conn->state = CALL_HEAD;
        conn->scanned = 0;
        conn->answered = false;
        client_conn_set_idle(conn, true);
    } else {
        transport_close(&conn->t, false);
    }
    call_finish(call, NULL, CALL_ANSWERED);
}

/* ---- the response ---- */

static void relocate(struct slice *slice, const char *from, const char *to)
{
    slice->data = to + (slice->data - from);
}

static void keep_head(struct http_response *response, struct arena *arena, const char *from,
                      size_t count)
{
    const char *to = arena_string(arena, (struct slice){from, count});
    for (size_t i = 0; i < response->headers.count; i++) {
        relocate(&response->headers.items[i].name, from, to);
        relocate(&response->headers.items[i].value, from, to);
    }
}

/*
 * A container that writes head and body apart waits for our acknowledgement of the first (Nagle),
 * which the kernel holds back for 40 ms in the hope of something to send: there is nothing, so it
 * goes now.
 */
static void acknowledge_head(const struct client_conn *conn, const struct http_response *response,
                             bool body_is_here)
{
    bool empty = response->framing == HTTP_NO_BODY ||
                 (response->framing == HTTP_LENGTH && response->length == 0);
    if (!body_is_here && !empty) {
        setsockopt(conn->t.fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
    }
}

/* One step of reading; false if it cannot go on now. */
static bool read_head(struct client_conn *conn, char *bytes, size_t count, size_t *used)
{
    struct call *call = conn->call;
    struct http_response response;
    struct http1_fault fault;
    if (count == 0) {
        return false;
    }
    conn->answered = true;
    switch (http1_read_response(bytes, count, &conn->scanned, &response_limits, call->method,
                                &call->arena, &response, used, &fault)) {
    case HTTP1_MORE:
        *used = 0;
        return false;
    case HTTP1_BAD:
        fail(conn, fault.why);
        return false;
    case HTTP1_DONE:
        break;
    }
    conn->scanned = 0;
    keep_head(&response, &call->arena, bytes, *used);
    if (response.status == 101) {
        if (!call->upgrade) {
            fail(conn, "The protocol was switched without being asked.");
            return false;
        }
        call->tunnel = true;
        conn->state = CALL_TUNNEL;
    } else if (response.status >= 200) {
        http1_body_init(&conn->body, response.framing, response.length);
        conn->keep_alive = response.keep_alive;
        conn->state = CALL_BODY;
        acknowledge_head(conn, &response, *used < count);
        /* What follows the request was meant for a tunnel, and there is none. */
        call->ended |= call->upgrade;
    }
    call->events.on_response(call, &response);
    return serves(conn, call);
}

static bool end_body(struct client_conn *conn, bool clean)
{
    struct call *call = conn->call;
    call->events.on_body_end(call, &conn->body.trailers);
    if (serves(conn, call)) {
        complete(conn, clean);
    }
    return false;
}

static bool read_body(struct client_conn *conn, char *bytes, size_t count, size_t *used)
{
    struct call *call = conn->call;
    struct http1_fault fault;
    struct slice data;
    if (call->paused) {
        return false;
    }
    enum http1_outcome got = http1_body_feed(&conn->body, (struct slice){bytes, count},
                                             &call->arena, used, &data, &fault);
    if (got == HTTP1_BAD) {
        fail(conn, fault.why);
        return false;
    }
    if (data.len > 0) {
        call->events.on_body(call, data);
        if (!serves(conn, call)) {
            return false;
        }
    }
    if (got == HTTP1_DONE) {
        /* Bytes behind a response that nobody asked for: the connection cannot be trusted. */
        return end_body(conn, *used == count);
    }
    return *used > 0;
}

static bool read_tunnel(struct client_conn *conn, char *bytes, size_t count, size_t *used)
{
    struct call *call = conn->call;
    if (count == 0 || call->paused) {
        return false;
    }
    *used = count;
    call->events.on_body(call, (struct slice){bytes, count});
    return false;
}

static bool read_step(struct client_conn *conn, char *bytes, size_t count, size_t *used)
{
    switch (conn->state) {
    case CALL_HEAD:
        return read_head(conn, bytes, count, used);
    case CALL_BODY:
        return read_body(conn, bytes, count, used);
    case CALL_TUNNEL:
        break;
    }
    return read_tunnel(conn, bytes, count, used);
}

static void end_of_peer(struct client_conn *conn)
{
    struct call *call = conn->call;
    if (call == NULL) {
        transport_close(&conn->t, false);
    } else if (conn->state == CALL_BODY && conn->body.framing == HTTP_UNTIL_CLOSE) {
        end_body(conn, false);
    } else if (conn->state == CALL_TUNNEL) {
        if (!call->body_over) {
            call->body_over = true;
            call->events.on_body_end(call, &(struct http_headers){0});
        }
        if (serves(conn, call) && call->ended) {
            complete(conn, false);
        }
    } else {
        fail(conn, conn->answered ? "the server closed the connection in its response"
                                  : "the server closed the connection before its response");
    }
}

static size_t on_bytes(struct transport *t, char *bytes, size_t count)
{
    struct client_conn *conn = conn_of(t);
    struct call *call = conn->call;
    size_t done = 0;
    bool more = true;
    if (call == NULL) {
        if (count > 0) {
            transport_close(t, false); /* a response to nothing */
        }
        return count;
    }
    while (more && serves(conn, call)) {
        size_t used = 0;
        more = read_step(conn, bytes + done, count - done, &used);
        done += used;
    }
    if (serves(conn, call) && t->eof && done == count && !call->paused) {
        end_of_peer(conn);
    }
    return t->closed ? count : done;
}

static void on_eof(struct transport *t)
{
    struct client_conn *conn = conn_of(t);
    /* What a paused call has not taken yet comes first; then on_bytes() finds the end. */
    if (conn->call == NULL || !conn->call->paused) {
        end_of_peer(conn);
    }
}

static void on_flush(struct transport *t)
{
    struct client_conn *conn = conn_of(t);
    if (conn->call != NULL && conn->call->failure != NULL) {
        fail(conn, conn->call->failure);
    }
}

static void on_drained(struct transport *t)
{
    struct call *call = conn_of(t)->call;
    if (call != NULL && !call->ended && call->events.on_writable != NULL) {
        call->events.on_writable(call);
    }
}

static void on_due(struct transport *t)
{
    transport_close(t, false);
}

static void on_closed(struct transport *t, bool lost)
{
    struct client_conn *conn = conn_of(t);
    struct call *call = conn->call;
    const char *failure = client_conn_failure(conn);
    enum call_loss loss = call == NULL ? CALL_ANSWERED : client_conn_loss(conn, call);
    (void)lost;
    conn->call = NULL;
    http1_body_done(&conn->body);
    client_conn_gone(conn);
    if (call != NULL) {
        call_finish(call, failure, loss);
    }
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

static struct client_conn *take_conn(struct net_pool *pool, const char **why)
{
    if (link_alone(&pool->idle)) {
        return client_conn_new(pool, &conn_events, why);
    }
    struct client_conn *conn = link_owner(pool->idle.prev, struct client_conn, link);
    client_conn_set_idle(conn, false);
    return conn;
}

void h1_call_start(struct call *call, const struct http_request *request)
{
    const char *why = NULL;
    struct http_request own = *request;
    struct client_conn *conn = take_conn(call->pool, &why);
    if (conn == NULL) {
        call_fail_later(call, why, CALL_UNSENT);
        return;
    }
    own.keep_alive = true;
    conn->call = call;
    call->conn = conn;
    if (!http1_write_request(transport_out(&conn->t), &own)) {
        call_fail_later(call, "the request cannot be written in HTTP/1.1", CALL_ANSWERED);
    }
}

bool h1_call_write(struct call *call, struct slice data)
{
    struct transport *t = &call->conn->t;
    struct buffer *out = transport_out(t);
    bool chunked = call->framing != HTTP_LENGTH && !call->tunnel && !call->upgrade;
    if (!(chunked ? http1_write_chunk(out, data) : buffer_add(out, data))) {
        call_fail_later(call, "more waits to be sent than may", CALL_ANSWERED);
        return false;
    }
    return transport_has_room(t);
}

void h1_call_end(struct call *call, const struct http_headers *trailers)
{
    struct transport *t = &call->conn->t;
    if (call->tunnel) {
        t->half_close = true;
        /* Where the peer has ended its side, nothing is left to wait for. */
        if (t->eof && call->body_over) {
            transport_wake(t);
        }
    } else if (call->framing != HTTP_LENGTH && !call->upgrade) {
        http1_write_last_chunk(transport_out(t), trailers);
    }
    transport_touch(t);
}

void h1_call_resume(struct call *call)
{
    transport_wake(&call->conn->t);
}

void h1_call_cancel(struct call *call)
{
    struct client_conn *conn = call->conn;
    conn->call = NULL;
    transport_close(&conn->t, true);
}
