/*
 * Connections to one peer. The connection that was used last is taken first, so that the others may
 * age and go; to connect and to send the request is one turn of the loop when the peer is near.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/client.h"

enum {
    IDLE_MAX = 64,
    CONNECT_TIMEOUT_MS = 10000,
};

struct net_pool *net_pool_new(struct net *net, const struct sockaddr *addr, socklen_t addr_len,
                              bool http2, unsigned idle_ms)
{
    struct net_pool *pool = mem_new(struct net_pool);
    assert(addr_len <= sizeof(pool->addr));
    pool->net = net;
    memcpy(&pool->addr, addr, addr_len);
    pool->addr_len = addr_len;
    pool->http2 = http2;
    pool->idle_ms = idle_ms;
    pool->users = 1; /* the caller */
    link_init(&pool->idle);
    link_init(&pool->busy);
    return pool;
}

void net_pool_set_source(struct net_pool *pool, int (*open)(void *ctx), void *ctx)
{
    pool->source = open;
    pool->source_ctx = ctx;
}

bool net_pool_needs_socket(const struct net_pool *pool)
{
    return link_alone(&pool->idle) && (!pool->http2 || link_alone(&pool->busy));
}

void net_pool_release(struct net_pool *pool)
{
    if (pool->users == 0) {
        free(pool);
    }
}

void net_pool_drop_idle(struct net_pool *pool)
{
    while (!link_alone(&pool->idle)) {
        transport_close(&link_owner(pool->idle.next, struct client_conn, link)->t, false);
    }
}

void net_pool_free(struct net_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pool->freed = true;
    net_pool_drop_idle(pool);
    pool->users--;
    net_pool_release(pool);
}

static bool is_loopback(const struct net_pool *pool)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&pool->addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&pool->addr;
    return (pool->addr.ss_family == AF_INET && ntohl(v4->sin_addr.s_addr) >> 24 == 127) ||
           (pool->addr.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr));
}

/*
 * Within one machine there is no path to be probed: where the machine's way of congestion control
 * paces and measures (BBR does), the plainest saves a twentieth of a request. Refused: as it was.
 */
static void set_options(const struct net_pool *pool, int fd)
{
    static const char plainest[] = "reno";
    if (pool->addr.ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    }
    if (is_loopback(pool)) {
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, plainest, sizeof(plainest) - 1);
    }
}

static int open_socket(const struct net_pool *pool)
{
    int fd = pool->source != NULL
                 ? pool->source(pool->source_ctx)
                 : socket(pool->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    set_options(pool, fd);
    if (pool->addr.ss_family == AF_UNIX) {
        return fd; /* one end of a pair */
    }
    if (connect(fd, (const struct sockaddr *)&pool->addr, pool->addr_len) != 0 &&
        errno != EINPROGRESS) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

struct client_conn *client_conn_new(struct net_pool *pool, const struct transport_events *events,
                                    const char **why)
{
    int fd = open_socket(pool);
    if (fd < 0) {
        *why = strerror(errno);
        return NULL;
    }
    struct client_conn *conn = mem_new(struct client_conn);
    if (!transport_init(&conn->t, pool->net, fd, NULL, events)) {
        *why = "the loop cannot watch one more socket";
        free(conn);
        return NULL;
    }
    conn->pool = pool;
    conn->t.connecting = true;
    conn->t.may_have_answered = true;
    link_init(&conn->calls);
    link_init(&conn->queue);
    link_add(&pool->busy, &conn->link);
    pool->users++;
    deadline_set(pool->net, &conn->t.deadline, net_now(pool->net) + CONNECT_TIMEOUT_MS);
    return conn;
}

void client_conn_set_idle(struct client_conn *conn, bool idle)
{
    struct net_pool *pool = conn->pool;
    if (conn->idle == idle) {
        return;
    }
    conn->idle = idle;
    link_remove(&conn->link);
    link_add(idle ? &pool->idle : &pool->busy, &conn->link);
    if (idle) {
        conn->reused = true;
        deadline_set(pool->net, &conn->t.deadline, net_now(pool->net) + pool->idle_ms);
        if (++pool->idle_count > IDLE_MAX) {
            transport_close(&link_owner(pool->idle.next, struct client_conn, link)->t, false);
        }
    } else {
        deadline_clear(&conn->t.deadline);
        pool->idle_count--;
    }
}

void client_conn_gone(struct client_conn *conn)
{
    struct net_pool *pool = conn->pool;
    link_remove(&conn->link);
    if (conn->idle) {
        pool->idle_count--;
    }
    pool->users--;
    net_pool_release(pool);
}

const char *client_conn_failure(const struct client_conn *conn)
{
    if (conn->failure != NULL) {
        return conn->failure;
    }
    if (conn->t.connecting && conn->t.error == 0) {
        return "the connection could not be made in time";
    }
    return conn->t.error != 0 ? strerror(conn->t.error) : "the server closed the connection";
}

enum call_loss client_conn_loss(const struct client_conn *conn, const struct call *call)
{
    if (call->failure != NULL) {
        return call->loss;
    }
    if (conn->answered || call->responded) {
        return CALL_ANSWERED;
    }
    if (conn->t.connecting) {
        return CALL_UNSENT;
    }
    return conn->reused ? CALL_STALE : CALL_UNANSWERED;
}
