/*
 * Listening sockets and the connections that they bring. A socket may be shared by several
 * processes: each takes a bounded number at a time. Idle connections stand in a list, oldest first,
 * so that one of them makes room when the limit is reached.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/server.h"

enum {
    ACCEPTS_PER_TURN = 16,
    PAUSE_MS = 100,
    NEWCOMER_MS = 2000,
    HEAD_MAX = 512 * 1024, /* what a connection's buffer has room for, and more */
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

void net_limits_default(struct net_limits *limits)
{
    *limits = (struct net_limits){
        .target_max = 16 * 1024,
        .head_max = 64 * 1024,
        .connections_max = 20000,
        .head_timeout_ms = 15000,
        .idle_timeout_ms = 120000,
        .body_timeout_ms = 60000,
        .streams_max = 100,
    };
}

void server_conn_set_idle(struct server_conn *conn, bool idle)
{
    if (conn->idle != idle) {
        conn->idle = idle;
        link_remove(&conn->link);
        link_add(idle ? &conn->listener->idle : &conn->listener->busy, &conn->link);
    }
}

uint64_t server_conn_body_due(const struct server_conn *conn)
{
    unsigned whole_ms = conn->listener->limits.body_whole_ms;
    return whole_ms == 0 ? UINT64_MAX : net_now(conn->t.net) + whole_ms;
}

void server_conn_fault(struct server_conn *conn, int status, const char *why)
{
    const struct net_listener *listener = conn->listener;
    struct net_fault fault = {
        .peer = &conn->peer,
        .version = conn->speaks == SPEAKS_H2 ? HTTP_2 : HTTP_1_1,
        .status = status,
        .why = why,
    };
    if (listener->events.on_fault != NULL) {
        listener->events.on_fault(listener->ctx, &fault);
    }
}

/* ---- what a connection does, by the version that it speaks ---- */

/* Nothing has come yet: neither version is known. */
static void unknown_close(struct server_conn *conn)
{
    transport_close(&conn->t, false);
}

static void nothing(struct server_conn *conn)
{
    (void)conn;
}

/*
 * Who has connected and not yet been served once gets the answer they came for: their request may
 * be on its way, and a client does not try again when its very first one is lost.
 */
static void drain_newcomer(struct server_conn *conn)
{
    deadline_set(conn->listener->net, &conn->t.deadline,
                 net_now(conn->listener->net) + NEWCOMER_MS);
}

static void h1_drain(struct server_conn *conn)
{
    if (!h1_server_drain(conn)) {
        drain_newcomer(conn);
    }
}

static void h2_drained(struct server_conn *conn)
{
    transport_touch(&conn->t);
}

static const struct {
    size_t (*on_bytes)(struct server_conn *conn, char *bytes, size_t count);
    void (*on_eof)(struct server_conn *conn);
    void (*on_flush)(struct server_conn *conn);
    void (*on_drained)(struct server_conn *conn);
    void (*on_due)(struct server_conn *conn);
    void (*on_closed)(struct server_conn *conn);
    void (*drain)(struct server_conn *conn);
} versions[] = {
    /* Whose bytes come, speaks one of the two. */
    [SPEAKS_UNKNOWN] = {NULL, unknown_close, nothing, nothing, unknown_close, nothing,
                        drain_newcomer},
    [SPEAKS_H1] = {h1_server_bytes, h1_server_eof, h1_server_flush, h1_server_drained,
                   h1_server_due, h1_server_closed, h1_drain},
    [SPEAKS_H2] = {h2_server_bytes, h2_server_eof, h2_server_flush, h2_drained, h2_server_due,
                   h2_server_closed, h2_server_drain},
};

/* ---- events of a connection, passed on ---- */

static struct server_conn *conn_of(struct transport *t)
{
    return link_owner(t, struct server_conn, t);
}

/* Cleartext: HTTP/2 begins with its preface (RFC 9113 section 3.3). False if that cannot be told
 * yet. */
static bool choose_version(struct server_conn *conn, const char *bytes, size_t count)
{
    size_t length = count < sizeof(preface) - 1 ? count : sizeof(preface) - 1;
    if (memcmp(bytes, preface, length) != 0) {
        h1_server_start(conn);
    } else if (length == sizeof(preface) - 1) {
        h2_server_start(conn);
    }
    return conn->speaks != SPEAKS_UNKNOWN;
}

static size_t on_bytes(struct transport *t, char *bytes, size_t count)
{
    struct server_conn *conn = conn_of(t);
    if (conn->speaks == SPEAKS_UNKNOWN && !choose_version(conn, bytes, count)) {
        return 0;
    }
    return versions[conn->speaks].on_bytes(conn, bytes, count);
}

static void on_eof(struct transport *t)
{
    struct server_conn *conn = conn_of(t);
    versions[conn->speaks].on_eof(conn);
}

static void on_flush(struct transport *t)
{
    struct server_conn *conn = conn_of(t);
    versions[conn->speaks].on_flush(conn);
}

static void on_drained(struct transport *t)
{
    struct server_conn *conn = conn_of(t);
    versions[conn->speaks].on_drained(conn);
}

static void on_due(struct transport *t)
{
    struct server_conn *conn = conn_of(t);
    versions[conn->speaks].on_due(conn);
}

static void on_ready(struct transport *t)
{
    struct server_conn *conn = conn_of(t);
    if (net_tls_chose_h2(t->ssl)) {
        h2_server_start(conn);
    } else {
        h1_server_start(conn);
    }
}

static void listener_release(struct net_listener *listener);

static void on_closed(struct transport *t, bool lost)
{
    struct server_conn *conn = conn_of(t);
    (void)lost;
    versions[conn->speaks].on_closed(conn);
    link_remove(&conn->link);
    conn->listener->connections--;
}

static const struct transport_events conn_events = {
    .on_bytes = on_bytes,
    .on_eof = on_eof,
    .on_flush = on_flush,
    .on_drained = on_drained,
    .on_due = on_due,
    .on_ready = on_ready,
    .on_closed = on_closed,
};

/* ---- accepting ---- */

static bool make_room(struct net_listener *listener)
{
    if (listener->connections < listener->limits.connections_max) {
        return true;
    }
    if (link_alone(&listener->idle)) {
        return false;
    }
    transport_close(&link_owner(listener->idle.next, struct server_conn, link)->t, false);
    return true;
}

static void take_connection(struct net_listener *listener, int fd,
                            const struct sockaddr_storage *peer)
{
    struct server_conn *conn = make_room(listener) ? calloc(1, sizeof(*conn)) : NULL;
    SSL *ssl = NULL;
    if (conn == NULL ||
        (listener->tls != NULL && (ssl = net_tls_accept(listener->tls, fd)) == NULL)) {
        free(conn);
        close(fd);
        return;
    }
    if (!transport_init(&conn->t, listener->net, fd, ssl, &conn_events)) {
        free(conn);
        return;
    }
    conn->listener = listener;
    conn->peer = *peer;
    conn->idle = true;
    /* A whole head has to fit, or it would never be seen to be too large. */
    if (conn->t.in_high < listener->limits.head_max) {
        conn->t.in_high = listener->limits.head_max;
    }
    conn->t.write_timeout_ms = listener->limits.body_timeout_ms;
    link_add(&listener->idle, &conn->link);
    listener->connections++;
    deadline_set(listener->net, &conn->t.deadline,
                 net_now(listener->net) + listener->limits.head_timeout_ms);
}

void net_listener_take(struct net_listener *listener, int fd)
{
    const struct sockaddr_storage nobody = {.ss_family = AF_UNIX};
    if (listener->draining) {
        close(fd);
        return;
    }
    take_connection(listener, fd, &nobody);
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct net_listener *listener = timer->data;
    if (!listener->draining) {
        uv_poll_start(&listener->poll, UV_READABLE, on_connection);
    }
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct net_listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t length = sizeof(peer);
        int fd =
            accept4(listener->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(listener, fd, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            /* The queue holds them until something has been closed; to ask at once would only spin.
             */
            uv_poll_stop(&listener->poll);
            uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
            return;
        }
        if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* ---- life ---- */

struct net_listener *net_listen(struct net *net, int fd, struct net_tls *tls,
                                const struct net_limits *limits,
                                const struct exchange_events *events, void *ctx, struct error *err)
{
    struct net_listener *listener = mem_new(struct net_listener);
    int failure = fd < 0 ? 0 : uv_poll_init(net->loop, &listener->poll, fd);
    if (failure != 0) {
        error_set(err, STATUS_INTERNAL, "watch a listening socket: %s", uv_strerror(failure));
        free(listener);
        return NULL;
    }
    /* Sockets inherit it when they are accepted. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    uv_timer_init(net->loop, &listener->pause);
    listener->poll.data = listener->pause.data = listener;
    listener->handles_open = fd < 0 ? 1 : 2;
    listener->net = net;
    listener->fd = fd;
    listener->tls = tls;
    listener->limits = *limits;
    if (listener->limits.head_max > HEAD_MAX) {
        listener->limits.head_max = HEAD_MAX;
    }
    listener->events = *events;
    listener->ctx = ctx;
    link_init(&listener->idle);
    link_init(&listener->busy);
    if (fd >= 0) {
        uv_poll_start(&listener->poll, UV_READABLE, on_connection);
    }
    return listener;
}

static void drain_conn(struct server_conn *conn)
{
    versions[conn->speaks].drain(conn);
}

static void for_each(struct link *list, void (*deed)(struct server_conn *conn))
{
    struct link *next;
    for (struct link *item = list->next; item != list; item = next) {
        next = item->next;
        deed(link_owner(item, struct server_conn, link));
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    listener_release(handle->data);
}

/* The descriptor is the caller's to close behind it. */
static void leave_socket(struct net_listener *listener)
{
    if (listener->fd >= 0) {
        uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
        listener->fd = -1;
    }
}

void net_listener_drain(struct net_listener *listener)
{
    listener->draining = true;
    leave_socket(listener);
    uv_timer_stop(&listener->pause);
    for_each(&listener->idle, drain_conn);
    for_each(&listener->busy, drain_conn);
}

unsigned net_listener_connections(const struct net_listener *listener)
{
    return listener->connections;
}

static void listener_release(struct net_listener *listener)
{
    if (--listener->handles_open == 0) {
        free(listener);
    }
}

void net_listener_free(struct net_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    listener->draining = true;
    while (!link_alone(&listener->idle)) {
        transport_close(&link_owner(listener->idle.next, struct server_conn, link)->t, false);
    }
    while (!link_alone(&listener->busy)) {
        transport_close(&link_owner(listener->busy.next, struct server_conn, link)->t, true);
    }
    leave_socket(listener);
    uv_close((uv_handle_t *)&listener->pause, on_handle_closed);
}
