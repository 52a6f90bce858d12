/*
 * HTTP/1.1 on the server's side. A connection has one exchange, in its own memory, and serves one
 * request after another: a head is not even read before the last answer is complete. A head is
 * parsed where it was received and then moved, with its slices, into the exchange's arena.
 */
#include <stdio.h>

#include "net/server.h"

enum {
    /* A body of which no more than this is left is read and dropped, so that the connection can
       stay. */
    DRAIN_MAX = 64 * 1024,
};

static const struct exchange_driver h1_driver;

/* ---- deadlines ---- */

/* What the connection waits for now decides how long. Called when that may have changed. */
static void set_deadline(struct server_conn *conn)
{
    const struct net_limits *limits = &conn->listener->limits;
    struct h1_server *h1 = &conn->h1;
    uint64_t now = net_now(conn->t.net);
    if (conn->t.closed || conn->t.finishing || conn->t.stuck || conn->speaks != SPEAKS_H1) {
        return; /* the transport has its own, or TLS has begun */
    }
    bool unasked = h1->active && h1->exchange.request.expect_continue && !h1->exchange.continued;
    if (h1->state == H1_HEAD && h1->head_due_ms != 0) {
        deadline_set(conn->t.net, &conn->t.deadline, h1->head_due_ms);
    } else if (h1->state == H1_HEAD) {
        deadline_set(conn->t.net, &conn->t.deadline, now + limits->idle_timeout_ms);
    } else if (h1->state == H1_DRAIN ||
               (h1->state == H1_BODY && !h1->exchange.paused && !unasked)) {
        uint64_t due_ms = now + limits->body_timeout_ms;
        uint64_t whole_ms = h1->active ? h1->exchange.body_due_ms : UINT64_MAX;
        deadline_set(conn->t.net, &conn->t.deadline, due_ms < whole_ms ? due_ms : whole_ms);
    } else {
        deadline_clear(&conn->t.deadline);
    }
}

/* ---- answers of our own ---- */

static void refuse(struct server_conn *conn, int status, const char *why)
{
    char text[160];
    snprintf(text, sizeof(text), "%s\n", why);
    struct http_header fields[] = {
        {SLICE("content-type"), SLICE("text/plain; charset=utf-8")},
        {SLICE("date"), net_date(conn->t.net)},
    };
    struct http_response head = {
        .status = status,
        .framing = HTTP_LENGTH,
        .length = strlen(text),
        .headers = {.items = fields, .count = 2},
    };
    struct buffer *out = transport_out(&conn->t);
    http1_write_response(out, &head, SLICE("GET"), SLICE_NONE);
    buffer_add(out, slice_of(text));
    transport_finish(&conn->t, true);
}

/* The same, of a head that never became an exchange. */
static void refuse_head(struct server_conn *conn, int status, const char *why)
{
    server_conn_fault(conn, status, why);
    refuse(conn, status, why);
}

/* ---- the end of an exchange ---- */

static void close_exchange(struct server_conn *conn, bool aborted)
{
    struct h1_server *h1 = &conn->h1;
    h1->active = false;
    conn->listener->events.on_close(&h1->exchange, aborted);
    net_arena_give(conn->t.net, &h1->arena);
}

static void cut(struct server_conn *conn, bool reset)
{
    if (conn->h1.active) {
        close_exchange(conn, true);
    }
    transport_close(&conn->t, reset);
}

/* The connection begins anew, inside TLS. */
static void go_into_tls(struct server_conn *conn)
{
    SSL *ssl = net_tls_accept(conn->h1.next_tls, conn->t.fd);
    http1_body_done(&conn->h1.body);
    conn->speaks = SPEAKS_UNKNOWN;
    if (ssl == NULL) {
        transport_close(&conn->t, true);
        return;
    }
    transport_start_tls(&conn->t, ssl, conn->listener->limits.head_timeout_ms);
    server_conn_set_idle(conn, true);
}

static bool body_is_over(const struct h1_server *h1)
{
    return h1->state == H1_WAIT || h1->body.framing == HTTP_NO_BODY ||
           (h1->body.framing == HTTP_LENGTH && h1->body.left == 0);
}

/* An answer is complete: what becomes of the connection? */
static void next_request(struct server_conn *conn)
{
    struct h1_server *h1 = &conn->h1;
    bool body_over = body_is_over(h1);
    bool unasked = h1->exchange.request.expect_continue && !h1->exchange.continued;
    bool small = h1->body.framing == HTTP_LENGTH && h1->body.left <= DRAIN_MAX && !unasked;
    bool tunnel = h1->state == H1_TUNNEL;
    close_exchange(conn, false);
    if (conn->t.closed) {
        return;
    }
    if (h1->next_tls != NULL) {
        go_into_tls(conn);
        return;
    }
    if (tunnel || h1->close_after || (!body_over && !small)) {
        transport_finish(&conn->t, tunnel || !body_over || buffer_len(&conn->t.in) > 0);
        return;
    }
    h1->served++;
    h1->scanned = 0;
    h1->head_due_ms = 0;
    h1->state = body_over ? H1_HEAD : H1_DRAIN;
    if (body_over) {
        http1_body_done(&h1->body);
    }
    server_conn_set_idle(conn, true);
}

/*
 * After every call into the handler, and at the end of a turn: has it finished? True if the
 * connection may go on with what it was doing.
 */
static bool settle(struct server_conn *conn)
{
    struct h1_server *h1 = &conn->h1;
    if (conn->t.closed || conn->t.finishing) {
        return false;
    }
    if (!h1->active) {
        return true;
    }
    if (h1->exchange.aborted) {
        cut(conn, h1->exchange.head_sent);
        return false;
    }
    if (!h1->exchange.ended) {
        return true;
    }
    if (buffer_len(&conn->t.out) > NET_OUT_LOW) {
        conn->t.full = true; /* h1_server_drained() comes back here */
        return false;
    }
    next_request(conn);
    return !conn->t.closed && !conn->t.finishing && conn->speaks == SPEAKS_H1;
}

/* ---- requests ---- */

static void relocate(struct slice *slice, const char *from, size_t count, const char *to)
{
    size_t offset = (size_t)(slice->data - from);
    if (slice->data >= from && offset <= count) {
        slice->data = to + offset;
    }
}

/* Moves a head that was parsed at FROM into the arena. */
static void keep_head(struct http_request *request, struct arena *arena, const char *from,
                      size_t count)
{
    const char *to = arena_string(arena, (struct slice){from, count});
    relocate(&request->method, from, count, to);
    relocate(&request->authority, from, count, to);
    relocate(&request->path, from, count, to);
    relocate(&request->upgrade, from, count, to);
    for (size_t i = 0; i < request->headers.count; i++) {
        relocate(&request->headers.items[i].name, from, count, to);
        relocate(&request->headers.items[i].value, from, count, to);
    }
}

static void open_exchange(struct server_conn *conn, const struct http_request *request)
{
    struct h1_server *h1 = &conn->h1;
    h1->exchange = (struct exchange){
        .driver = &h1_driver,
        .conn = conn,
        .arena = &h1->arena,
        .request = *request,
        .body_due_ms = server_conn_body_due(conn),
    };
    if (request->scheme.len == 0) {
        h1->exchange.request.scheme = conn->t.ssl != NULL ? SLICE("https") : SLICE("http");
    }
    http1_body_init(&h1->body, request->framing, request->length);
    h1->state = H1_BODY;
    h1->active = true;
    h1->scanned = 0;
    h1->head_due_ms = 0;
    /* What follows a CONNECT may be meant for a tunnel: it is never read as a request. */
    h1->close_after = !request->keep_alive || conn->listener->draining ||
                      slice_is(request->method, "CONNECT") ||
                      (conn->listener->limits.requests_max != 0 &&
                       h1->served + 1 >= conn->listener->limits.requests_max);
    server_conn_set_idle(conn, false);
    conn->listener->events.on_request(&h1->exchange, conn->listener->ctx);
}

/* One step of reading; false if it cannot go on yet. */
static bool read_head(struct server_conn *conn, char *bytes, size_t count, size_t *used)
{
    struct h1_server *h1 = &conn->h1;
    const struct net_limits *limits = &conn->listener->limits;
    struct http1_limits bounds = {limits->target_max, limits->head_max};
    struct http1_fault fault;
    struct http_request request;
    if (count == 0) {
        return false;
    }
    h1->arena = net_arena_take(conn->t.net);
    switch (http1_read_request(bytes, count, &h1->scanned, &bounds, &h1->arena, &request, used,
                               &fault)) {
    case HTTP1_MORE:
        *used = 0;
        net_arena_give(conn->t.net, &h1->arena);
        if (h1->head_due_ms == 0) {
            h1->head_due_ms = net_now(conn->t.net) + limits->head_timeout_ms;
        }
        return false;
    case HTTP1_BAD:
        *used = count;
        refuse_head(conn, fault.status, fault.why);
        return false;
    case HTTP1_DONE:
        break;
    }
    keep_head(&request, &h1->arena, bytes, *used);
    open_exchange(conn, &request);
    return settle(conn);
}

static bool read_body(struct server_conn *conn, char *bytes, size_t count, size_t *used)
{
    struct h1_server *h1 = &conn->h1;
    struct exchange *exchange = &h1->exchange;
    struct slice data;
    struct http1_fault fault;
    if (h1->active && (exchange->paused || exchange->ended)) {
        return false;
    }
    enum http1_outcome got =
        http1_body_feed(&h1->body, (struct slice){bytes, count}, &h1->arena, used, &data, &fault);
    if (got == HTTP1_BAD) {
        *used = count;
        bool answer = h1->active && !exchange->head_sent && buffer_len(&conn->t.out) == 0;
        if (h1->active) {
            close_exchange(conn, true);
        }
        if (answer && !conn->t.closed) {
            refuse(conn, fault.status, fault.why);
        } else {
            transport_close(&conn->t, true);
        }
        return false;
    }
    if (data.len > 0 && h1->active) {
        conn->listener->events.on_body(exchange, data);
        if (conn->t.closed || conn->t.finishing) {
            return false;
        }
    }
    if (got == HTTP1_DONE) {
        h1->state = !h1->active ? H1_HEAD : exchange->tunnel ? H1_TUNNEL : H1_WAIT;
        if (h1->active && !exchange->ended && !exchange->aborted) {
            exchange->body_over = !exchange->tunnel;
            conn->listener->events.on_body_end(exchange, &h1->body.trailers);
        }
        if (!conn->t.closed) {
            http1_body_done(&h1->body);
        }
    }
    return settle(conn) && (*used > 0 || got == HTTP1_DONE);
}

static bool read_tunnel(struct server_conn *conn, char *bytes, size_t count, size_t *used)
{
    struct exchange *exchange = &conn->h1.exchange;
    if (count == 0 || exchange->paused || exchange->ended) {
        return false;
    }
    conn->listener->events.on_body(exchange, (struct slice){bytes, count});
    *used = count;
    return settle(conn);
}

static bool read_step(struct server_conn *conn, char *bytes, size_t count, size_t *used)
{
    switch (conn->h1.state) {
    case H1_HEAD:
        return read_head(conn, bytes, count, used);
    case H1_BODY:
    case H1_DRAIN:
        return read_body(conn, bytes, count, used);
    case H1_TUNNEL:
        return read_tunnel(conn, bytes, count, used);
    case H1_WAIT:
        break;
    }
    return false;
}

size_t h1_server_bytes(struct server_conn *conn, char *bytes, size_t count)
{
    size_t done = 0;
    bool more = true;
    while (more && !conn->t.closed && !conn->t.finishing) {
        size_t used = 0;
        more = read_step(conn, bytes + done, count - done, &used);
        done += used;
    }
    if (!conn->t.closed) {
        set_deadline(conn);
    }
    return done;
}

/* ---- events of the transport ---- */

void h1_server_start(struct server_conn *conn)
{
    conn->speaks = SPEAKS_H1;
    conn->h1 = (struct h1_server){
        .state = H1_HEAD,
        .head_due_ms = net_now(conn->t.net) + conn->listener->limits.head_timeout_ms,
        .close_after = conn->listener->draining,
    };
    set_deadline(conn);
}

void h1_server_eof(struct server_conn *conn)
{
    struct h1_server *h1 = &conn->h1;
    if (h1->active && h1->state == H1_TUNNEL) {
        if (!h1->exchange.body_over) {
            h1->exchange.body_over = true;
            conn->listener->events.on_body_end(&h1->exchange, &(struct http_headers){0});
            settle(conn);
        }
        return;
    }
    if (h1->active && h1->exchange.ended) {
        /* The answer is still on its way to a client that has closed its side: let it have it. */
        h1->close_after = true;
        return;
    }
    if (!h1->active && buffer_len(&conn->t.out) > 0) {
        transport_finish(&conn->t, false);
        return;
    }
    cut(conn, false);
}

void h1_server_flush(struct server_conn *conn)
{
    bool was_active = conn->h1.active;
    if (settle(conn) && was_active && !conn->h1.active && buffer_len(&conn->t.in) > 0) {
        transport_wake(&conn->t); /* the next request waits already */
    }
    set_deadline(conn);
}

void h1_server_drained(struct server_conn *conn)
{
    struct h1_server *h1 = &conn->h1;
    if (h1->active && !h1->exchange.ended && !h1->exchange.aborted) {
        if (conn->listener->events.on_writable != NULL) {
            conn->listener->events.on_writable(&h1->exchange);
        }
    }
    if (!conn->t.closed) {
        transport_touch(&conn->t);
    }
}

void h1_server_due(struct server_conn *conn)
{
    struct h1_server *h1 = &conn->h1;
    if (h1->state == H1_HEAD && buffer_len(&conn->t.in) > 0) {
        refuse_head(conn, 408, "The head of the request took too long.");
        return;
    }
    bool answer = h1->active && h1->state == H1_BODY && !h1->exchange.head_sent;
    if (h1->active) {
        close_exchange(conn, true);
    }
    if (answer && !conn->t.closed) {
        refuse(conn, 408, "The body of the request took too long.");
        return;
    }
    transport_close(&conn->t, false);
}

bool h1_server_drain(struct server_conn *conn)
{
    conn->h1.close_after = true;
    if (conn->h1.state == H1_HEAD && buffer_len(&conn->t.in) == 0) {
        if (conn->h1.served == 0) {
            return false;
        }
        transport_finish(&conn->t, false);
    }
    return true;
}

void h1_server_closed(struct server_conn *conn)
{
    if (conn->h1.active) {
        conn->h1.active = false;
        conn->listener->events.on_close(&conn->h1.exchange, true);
    }
    http1_body_done(&conn->h1.body);
    net_arena_give(conn->t.net, &conn->h1.arena);
}

/* ---- what an exchange asks for ---- */

/*
 * The socket stays watched: what comes meanwhile waits in the connection's buffer, which has its
 * limit, and a client that leaves is noticed. A pause that is short costs nothing.
 */
static void h1_pause(struct exchange *exchange)
{
    transport_touch(&exchange->conn->t);
}

static void h1_resume(struct exchange *exchange)
{
    transport_wake(&exchange->conn->t);
}

static void h1_inform(struct exchange *exchange, const struct http_response *head)
{
    if (exchange->request.version != HTTP_1_0) {
        struct buffer *out = transport_out(&exchange->conn->t);
        http1_write_response(out, head, exchange->request.method, SLICE_NONE);
    }
}

static enum http_framing choose_framing(const struct exchange *exchange,
                                        const struct http_response *head)
{
    switch (head->framing) {
    case HTTP_NO_BODY:
    case HTTP_LENGTH:
        return head->framing;
    case HTTP_CHUNKED:
    case HTTP_UNTIL_CLOSE:
    case HTTP_STREAM:
        break;
    }
    return exchange->request.version == HTTP_1_0 ? HTTP_UNTIL_CLOSE : HTTP_CHUNKED;
}

/* An answer that comes before the request's body was read: can the connection stay? */
static bool must_close(const struct h1_server *h1)
{
    if (h1->state != H1_BODY || h1->body.framing == HTTP_NO_BODY) {
        return false;
    }
    bool unasked = h1->exchange.request.expect_continue && !h1->exchange.continued;
    return unasked || h1->body.framing != HTTP_LENGTH || h1->body.left > DRAIN_MAX;
}

/* Puts a Date behind the fields of the head that was just written, in front of its empty line. */
static void add_date(struct server_conn *conn, struct buffer *out, const struct http_headers *has)
{
    if (http_headers_find(has, SLICE("date")) == NULL) {
        out->tail -= 2;
        buffer_add(out, SLICE("Date: "));
        buffer_add(out, net_date(conn->t.net));
        buffer_add(out, SLICE("\r\n\r\n"));
    }
}

static void h1_respond(struct exchange *exchange, const struct http_response *head)
{
    struct server_conn *conn = exchange->conn;
    struct h1_server *h1 = &conn->h1;
    struct http_response own = *head;
    bool tunnel = head->status == 101;
    own.framing = choose_framing(exchange, head);
    own.version = exchange->request.version;
    h1->close_after |= must_close(h1) || conn->listener->draining ||
                       (own.framing == HTTP_UNTIL_CLOSE && !exchange->no_body);
    own.keep_alive = !h1->close_after;
    exchange->framing = tunnel ? HTTP_STREAM : own.framing;
    exchange->left = head->length;
    struct buffer *out = transport_out(&conn->t);
    if ((tunnel && exchange->request.upgrade.len == 0) || head->status < 101 ||
        !http1_write_response(out, &own, exchange->request.method, exchange->request.upgrade)) {
        exchange->head_sent = false;
        exchange_abort(exchange, 2);
        return;
    }
    add_date(conn, out, &head->headers);
    exchange->no_body |= own.framing == HTTP_NO_BODY && !tunnel;
    if (tunnel) {
        /* The end of the request itself comes first: read_body() goes on from there. */
        exchange->tunnel = true;
        exchange->body_over = false;
        h1->state = h1->state == H1_WAIT ? H1_TUNNEL : h1->state;
        transport_wake(&conn->t);
    }
}

static bool h1_write(struct exchange *exchange, struct slice data)
{
    struct transport *t = &exchange->conn->t;
    struct buffer *out = transport_out(t);
    bool fits =
        exchange->framing == HTTP_CHUNKED ? http1_write_chunk(out, data) : buffer_add(out, data);
    if (!fits) {
        exchange_abort(exchange, 2);
        return false;
    }
    return transport_has_room(t);
}

static void h1_end(struct exchange *exchange, const struct http_headers *trailers)
{
    struct transport *t = &exchange->conn->t;
    if (exchange->framing == HTTP_CHUNKED && !exchange->no_body) {
        http1_write_last_chunk(transport_out(t), trailers);
    }
    transport_touch(t);
}

static void h1_abort(struct exchange *exchange, uint32_t h2_error)
{
    (void)h2_error;
    transport_touch(&exchange->conn->t);
}

static bool h1_start_tls(struct exchange *exchange, struct net_tls *tls)
{
    struct server_conn *conn = exchange->conn;
    struct h1_server *h1 = &conn->h1;
    if (!slice_is(exchange->request.method, "CONNECT") || conn->t.ssl != NULL ||
        h1->body.framing != HTTP_NO_BODY || conn->listener->draining) {
        return false;
    }
    h1->next_tls = tls;
    buffer_add(transport_out(&conn->t), SLICE("HTTP/1.1 200 Connection established\r\n\r\n"));
    return true;
}

static const struct exchange_driver h1_driver = {
    .resume = h1_resume,
    .pause = h1_pause,
    .inform = h1_inform,
    .respond = h1_respond,
    .write = h1_write,
    .end = h1_end,
    .abort = h1_abort,
    .start_tls = h1_start_tls,
};
