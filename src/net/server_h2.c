/*
 * HTTP/2 on the server's side: a session of http/http2.h over a transport, and an exchange for each
 * stream. Content that comes while an exchange is paused is kept here, at most one window of it,
 * and only what has been passed on is given back to the peer's window.
 */
#include <stdlib.h>

#include "net/server.h"

enum {
    /* More than the window of a stream, so that a peer that keeps to it never reaches this. */
    HELD_MAX = 1024 * 1024,
    ERROR_INTERNAL = 2,
    ERROR_CANCEL = 8,
};

static const struct exchange_driver h2_driver;

static struct exchange **bucket(struct h2_server *h2, int32_t stream)
{
    return &h2->buckets[((uint32_t)stream >> 1) % STREAM_BUCKETS];
}

static struct exchange *find(struct server_conn *conn, int32_t stream)
{
    struct exchange *exchange = *bucket(&conn->h2, stream);
    while (exchange != NULL && exchange->stream != stream) {
        exchange = exchange->chain;
    }
    return exchange;
}

/* With streams open, they are looked at from time to time: see h2_server_due(). */
static void rearm(struct server_conn *conn)
{
    const struct net_limits *limits = &conn->listener->limits;
    unsigned body_ms = limits->body_timeout_ms;
    if (limits->body_whole_ms != 0 && limits->body_whole_ms < body_ms) {
        body_ms = limits->body_whole_ms;
    }
    uint64_t wait_ms = conn->h2.count > 0 ? body_ms / 2 + 1 : limits->idle_timeout_ms;
    uint64_t at_ms = net_now(conn->t.net) + wait_ms;
    uint64_t due_ms = (uint64_t)http2_due(conn->h2.session);
    deadline_set(conn->t.net, &conn->t.deadline, due_ms != 0 && due_ms < at_ms ? due_ms : at_ms);
}

/* The last call into the handler, and the end of the memory. */
static void close_exchange(struct exchange *exchange, bool aborted)
{
    struct server_conn *conn = exchange->conn;
    struct exchange **at = bucket(&conn->h2, exchange->stream);
    while (*at != exchange) {
        at = &(*at)->chain;
    }
    *at = exchange->chain;
    link_remove(&exchange->link);
    link_remove(&exchange->queue);
    conn->h2.count--;
    exchange->aborted |= aborted;
    conn->listener->events.on_close(exchange, aborted);
    buffer_done(&exchange->held);
    free(exchange);
    if (conn->h2.count == 0 && !conn->t.closed) {
        server_conn_set_idle(conn, true);
        rearm(conn);
    }
}

static void queue(struct exchange *exchange)
{
    if (link_alone(&exchange->queue)) {
        link_add(&exchange->conn->h2.queue, &exchange->queue);
    }
    transport_touch(&exchange->conn->t);
}

static bool wants_body(const struct exchange *exchange)
{
    return !exchange->ended && !exchange->aborted;
}

/* Does it wait for the client's content from now on? */
static void set_reading(struct exchange *exchange)
{
    bool unasked = exchange->request.expect_continue && !exchange->continued;
    bool reads = !exchange->body_over && !exchange->paused && !unasked && wants_body(exchange);
    exchange->reading_ms = reads ? net_now(exchange->conn->t.net) : 0;
}

static void body_end(struct exchange *exchange)
{
    exchange->held_end = false;
    exchange->reading_ms = 0;
    exchange->body_over = true;
    if (wants_body(exchange)) {
        exchange->conn->listener->events.on_body_end(exchange, &exchange->trailers);
    }
}

/* ---- events of the session ---- */

static void on_request(void *ctx, int32_t stream, struct arena *arena,
                       const struct http_request *request, bool end)
{
    struct server_conn *conn = ctx;
    if (conn->t.closed) {
        return;
    }
    struct exchange *exchange = malloc(sizeof(*exchange));
    if (exchange == NULL) {
        http2_reset(conn->h2.session, stream, ERROR_INTERNAL);
        return;
    }
    *exchange = (struct exchange){
        .driver = &h2_driver,
        .conn = conn,
        .arena = arena,
        .request = *request,
        .stream = stream,
        .held = BUFFER_INIT(HELD_MAX),
        .body_due_ms = server_conn_body_due(conn),
        .chain = *bucket(&conn->h2, stream),
    };
    *bucket(&conn->h2, stream) = exchange;
    link_init(&exchange->queue);
    link_add(&conn->h2.exchanges, &exchange->link);
    conn->h2.count++;
    server_conn_set_idle(conn, false);
    if (conn->h2.count == 1) {
        rearm(conn);
    }
    conn->listener->events.on_request(exchange, conn->listener->ctx);
    if (conn->t.closed) {
        return;
    }
    if (!end) {
        set_reading(exchange);
    } else if (exchange->paused) {
        exchange->held_end = true;
    } else {
        body_end(exchange);
    }
}

static void on_data(void *ctx, int32_t stream, struct slice data)
{
    struct server_conn *conn = ctx;
    struct exchange *exchange = conn->t.closed ? NULL : find(conn, stream);
    if (exchange == NULL) {
        return;
    }
    if (exchange->paused && wants_body(exchange)) {
        if (!buffer_add(&exchange->held, data)) {
            exchange_abort(exchange, 3); /* FLOW_CONTROL_ERROR */
        }
        return;
    }
    if (wants_body(exchange)) {
        conn->listener->events.on_body(exchange, data);
    }
    if (!conn->t.closed) {
        set_reading(exchange);
        http2_consume(conn->h2.session, stream, data.len);
        transport_touch(&conn->t);
    }
}

static void on_end(void *ctx, int32_t stream, const struct http_headers *trailers)
{
    struct server_conn *conn = ctx;
    struct exchange *exchange = conn->t.closed ? NULL : find(conn, stream);
    if (exchange == NULL || exchange->body_over) {
        return;
    }
    exchange->trailers = trailers == NULL ? (struct http_headers){0} : *trailers;
    exchange->held_end = true;
    if (!exchange->paused && buffer_len(&exchange->held) == 0) {
        body_end(exchange);
    }
}

static void on_writable(void *ctx, int32_t stream)
{
    struct server_conn *conn = ctx;
    struct exchange *exchange = conn->t.closed ? NULL : find(conn, stream);
    if (exchange != NULL) {
        exchange->blocked_ms = 0;
    }
    if (exchange != NULL && wants_body(exchange) && conn->listener->events.on_writable != NULL) {
        conn->listener->events.on_writable(exchange);
    }
}

static void on_close(void *ctx, int32_t stream, uint32_t error)
{
    struct server_conn *conn = ctx;
    struct exchange *exchange = conn->t.closed ? NULL : find(conn, stream);
    if (exchange != NULL) {
        close_exchange(exchange, error != 0 || exchange->aborted || !exchange->ended);
    }
}

static void on_refused(void *ctx, int32_t stream, int status)
{
    struct server_conn *conn = ctx;
    (void)stream;
    if (!conn->t.closed) {
        server_conn_fault(conn, status,
                          status == 431   ? "The head is too large."
                          : status == 501 ? "This server is no proxy: CONNECT is not served."
                                          : "The head of the request breaks a rule.");
    }
}

static const struct http2_events session_events = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_data = on_data,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_close = on_close,
};

/* ---- events of the transport ---- */

void h2_server_start(struct server_conn *conn)
{
    const struct net_limits *limits = &conn->listener->limits;
    struct http2_limits bounds = {
        .streams_max = limits->streams_max != 0 ? limits->streams_max : 100,
        .head_max = limits->head_max,
        .window = 256 * 1024,
        .resets_per_s = 200,
    };
    conn->speaks = SPEAKS_H2;
    conn->h2 = (struct h2_server){0};
    link_init(&conn->h2.exchanges);
    link_init(&conn->h2.queue);
    conn->t.out.max = 2 * NET_OUT_HIGH;
    conn->h2.session = http2_server_new(
        &bounds, conn->t.ssl != NULL ? SLICE("https") : SLICE("http"), &session_events, conn);
    deadline_set(conn->t.net, &conn->t.deadline, net_now(conn->t.net) + limits->idle_timeout_ms);
    transport_touch(&conn->t);
}

/* The session may call back into a handler that closes the connection: its memory outlives that. */
static void leave(struct server_conn *conn)
{
    conn->h2.inside = false;
    if (conn->t.closed) {
        http2_free(conn->h2.session);
        conn->h2.session = NULL;
    }
}

size_t h2_server_bytes(struct server_conn *conn, char *bytes, size_t count)
{
    if (count == 0 || conn->h2.failed) {
        return count;
    }
    conn->h2.inside = true;
    http2_tick(conn->h2.session, (int64_t)net_now(conn->t.net));
    bool good = http2_input(conn->h2.session, (struct slice){bytes, count});
    leave(conn);
    if (!conn->t.closed) {
        conn->h2.failed = !good;
        transport_touch(&conn->t);
    }
    return count;
}

void h2_server_eof(struct server_conn *conn)
{
    transport_close(&conn->t, false);
}

/* Passes on what an exchange held back, and what its end left to do. */
static void catch_up(struct exchange *exchange)
{
    struct server_conn *conn = exchange->conn;
    size_t bytes = buffer_len(&exchange->held);
    if (exchange->paused && wants_body(exchange)) {
        return;
    }
    if (bytes > 0) {
        /* It may be paused again from within: then what is left waits as before. */
        struct slice data = buffer_slice(&exchange->held);
        if (wants_body(exchange)) {
            conn->listener->events.on_body(exchange, data);
        }
        if (conn->t.closed) {
            return;
        }
        buffer_done(&exchange->held);
        http2_consume(conn->h2.session, exchange->stream, bytes);
    }
    if (exchange->held_end && (!exchange->paused || !wants_body(exchange))) {
        body_end(exchange);
    }
}

void h2_server_flush(struct server_conn *conn)
{
    struct h2_server *h2 = &conn->h2;
    while (!conn->t.closed && !link_alone(&h2->queue)) {
        struct exchange *exchange = link_owner(h2->queue.next, struct exchange, queue);
        link_remove(&exchange->queue);
        catch_up(exchange);
    }
    if (conn->t.closed) {
        return;
    }
    net_block_lend(conn->t.net, &conn->t.out);
    h2->inside = true;
    http2_tick(h2->session, (int64_t)net_now(conn->t.net));
    while (!conn->t.closed && buffer_len(&conn->t.out) < NET_OUT_HIGH &&
           http2_output(h2->session, &conn->t.out)) {
        h2->output_ms = net_now(conn->t.net);
    }
    leave(conn);
    if (conn->t.closed) {
        return;
    }
    if (!conn->t.stuck && (conn->t.deadline.at_ms == 0 || http2_due(h2->session) != 0)) {
        rearm(conn); /* the transport had the deadline while it was stuck, or the session has one */
    }
    if (buffer_len(&conn->t.out) >= NET_OUT_HIGH) {
        conn->t.full = true; /* more may be left: flushed again when this is gone */
    } else if (h2->failed || http2_finished(h2->session)) {
        transport_finish(&conn->t, h2->failed);
    }
}

static bool is_overdue(const struct server_conn *conn, const struct exchange *exchange)
{
    uint64_t now = net_now(conn->t.net);
    uint64_t limit = conn->listener->limits.body_timeout_ms;
    return (exchange->reading_ms != 0 &&
            (now - exchange->reading_ms >= limit || now >= exchange->body_due_ms)) ||
           (exchange->blocked_ms != 0 && now - exchange->blocked_ms >= limit &&
            now - conn->h2.output_ms >= limit);
}

/* Cuts the streams whose client neither sends nor takes anything. */
static void cut_overdue(struct server_conn *conn)
{
    struct link *next;
    for (struct link *item = conn->h2.exchanges.next; item != &conn->h2.exchanges; item = next) {
        struct exchange *exchange = link_owner(item, struct exchange, link);
        next = item->next;
        if (is_overdue(conn, exchange)) {
            exchange->aborted = true;
            http2_reset(conn->h2.session, exchange->stream, ERROR_CANCEL);
        }
    }
    transport_touch(&conn->t);
    rearm(conn);
}

void h2_server_due(struct server_conn *conn)
{
    bool due = http2_due(conn->h2.session) != 0;
    http2_tick(conn->h2.session, (int64_t)net_now(conn->t.net));
    if (conn->h2.count > 0) {
        cut_overdue(conn);
    } else if (due) {
        transport_touch(&conn->t);
        rearm(conn);
    } else if (conn->h2.draining) {
        transport_close(&conn->t, false);
    } else {
        h2_server_drain(conn);
        deadline_set(conn->t.net, &conn->t.deadline, net_now(conn->t.net) + 1000);
    }
}

void h2_server_drain(struct server_conn *conn)
{
    if (!conn->h2.draining) {
        conn->h2.draining = true;
        http2_drain(conn->h2.session);
        transport_touch(&conn->t);
    }
}

void h2_server_closed(struct server_conn *conn)
{
    while (!link_alone(&conn->h2.exchanges)) {
        close_exchange(link_owner(conn->h2.exchanges.next, struct exchange, link), true);
    }
    if (!conn->h2.inside) {
        http2_free(conn->h2.session);
        conn->h2.session = NULL;
    }
}

/* ---- what an exchange asks for ---- */

static void h2_pause(struct exchange *exchange)
{
    exchange->reading_ms = 0;
}

static void h2_resume(struct exchange *exchange)
{
    set_reading(exchange);
    queue(exchange);
}

static void h2_inform(struct exchange *exchange, const struct http_response *head)
{
    struct server_conn *conn = exchange->conn;
    http2_respond(conn->h2.session, exchange->stream, head, false);
    if (exchange->continued && exchange->reading_ms == 0) {
        set_reading(exchange);
    }
    transport_touch(&conn->t);
}

static void h2_respond(struct exchange *exchange, const struct http_response *head)
{
    struct server_conn *conn = exchange->conn;
    struct http_header fields[HTTP_HEADERS_MAX + 1];
    struct http_response own = *head;
    if (http_headers_find(&head->headers, SLICE("date")) == NULL) {
        if (head->headers.count > 0) {
            memcpy(fields, head->headers.items, head->headers.count * sizeof(fields[0]));
        }
        own.headers.items = fields;
        fields[own.headers.count++] = (struct http_header){SLICE("date"), net_date(conn->t.net)};
    }
    exchange->no_body |= head->framing == HTTP_NO_BODY && exchange->request.upgrade.len == 0;
    exchange->framing = head->framing == HTTP_LENGTH ? HTTP_LENGTH : HTTP_STREAM;
    exchange->left = head->length;
    if (head->status < 200 ||
        !http2_respond(conn->h2.session, exchange->stream, &own, exchange->no_body)) {
        exchange->head_sent = false;
        exchange_abort(exchange, ERROR_INTERNAL);
    }
    transport_touch(&conn->t);
}

static bool h2_write(struct exchange *exchange, struct slice data)
{
    struct server_conn *conn = exchange->conn;
    bool room = http2_data(conn->h2.session, exchange->stream, data);
    if (!room && exchange->blocked_ms == 0) {
        exchange->blocked_ms = net_now(conn->t.net);
    }
    transport_touch(&conn->t);
    return room;
}

static void h2_end(struct exchange *exchange, const struct http_headers *trailers)
{
    struct server_conn *conn = exchange->conn;
    exchange->reading_ms = 0;
    exchange->blocked_ms = net_now(conn->t.net);
    if (!exchange->no_body) {
        http2_end(conn->h2.session, exchange->stream, trailers);
    }
    queue(exchange); /* content that nobody wants any more goes back to the window */
}

static void h2_abort(struct exchange *exchange, uint32_t h2_error)
{
    struct server_conn *conn = exchange->conn;
    http2_reset(conn->h2.session, exchange->stream, h2_error);
    transport_touch(&conn->t);
}

static const struct exchange_driver h2_driver = {
    .resume = h2_resume,
    .pause = h2_pause,
    .inform = h2_inform,
    .respond = h2_respond,
    .write = h2_write,
    .end = h2_end,
    .abort = h2_abort,
};
