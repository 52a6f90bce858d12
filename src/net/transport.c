/*
 * Raw non-blocking sockets under uv_poll: one recv and one send per request where TLS is not in the
 * way, and the same with it, as OpenSSL reads ahead and a turn's output leaves in one record. One
 * read buffer serves the whole process; only what a parser could not take yet is copied into the
 * connection's own.
 */
#include "net/transport.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LINGER_MS = 2000,
    LINGER_BYTES = 16 * 1024 * 1024, /* well over what our own limits refuse */
    IN_MAX = 1024 * 1024,
    OUT_MAX = 64 * 1024 * 1024,
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* Tells the loop what to watch for, if that has changed. */
static void watch(struct transport *t)
{
    bool read = !t->eof && t->next_ssl == NULL &&
                (t->finishing ? t->linger : buffer_len(&t->in) < t->in_high);
    int wanted = (read || t->shaking ? UV_READABLE : 0) |
                 (t->stuck || t->read_wants_write ? UV_WRITABLE : 0);
    if (wanted == t->watched || t->closed) {
        return;
    }
    t->watched = wanted;
    if (wanted == 0) {
        uv_poll_stop(&t->poll);
    } else {
        uv_poll_start(&t->poll, wanted, on_poll);
    }
}

static void lost(struct transport *t, int error)
{
    t->error = error;
    if (!t->closed) {
        t->linger = false;
        transport_close(t, false);
    }
}

static void on_due(struct deadline *deadline)
{
    struct transport *t = link_owner(deadline, struct transport, deadline);
    if (t->finishing || t->stuck) {
        t->error = ETIMEDOUT;
        transport_close(t, true);
    } else {
        t->events->on_due(t);
    }
}

bool transport_init(struct transport *t, struct net *net, int fd, SSL *ssl,
                    const struct transport_events *events)
{
    t->net = net;
    t->fd = fd;
    t->ssl = ssl;
    t->shaking = ssl != NULL;
    t->events = events;
    t->in = BUFFER_INIT(IN_MAX);
    t->out = BUFFER_INIT(OUT_MAX);
    t->write_timeout_ms = 60000;
    t->in_high = NET_OUT_HIGH;
    link_init(&t->dirty);
    deadline_init(&t->deadline, on_due);
    if (uv_poll_init(net->loop, &t->poll, fd) != 0) {
        SSL_free(ssl);
        close(fd);
        return false;
    }
    watch(t);
    return true;
}

void transport_touch(struct transport *t)
{
    if (link_alone(&t->dirty) && !t->closed) {
        link_add(&t->net->dirty, &t->dirty);
    }
}

void transport_wake(struct transport *t)
{
    t->wake = true;
    transport_touch(t);
}

void transport_start_tls(struct transport *t, SSL *ssl, uint64_t shake_ms)
{
    t->next_ssl = ssl;
    t->shake_ms = shake_ms;
    transport_touch(t);
}

struct buffer *transport_out(struct transport *t)
{
    net_block_lend(t->net, &t->out);
    transport_touch(t);
    return &t->out;
}

bool transport_has_room(struct transport *t)
{
    if (buffer_len(&t->out) <= NET_OUT_HIGH) {
        return true;
    }
    t->full = true;
    return false;
}

/* ---- closing ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    free(link_owner(handle, struct transport, poll));
}

void transport_close(struct transport *t, bool reset)
{
    if (t->closed) {
        return;
    }
    t->closed = true;
    link_remove(&t->dirty);
    deadline_done(t->net, &t->deadline);
    uv_close((uv_handle_t *)&t->poll, on_handle_closed);
    if (t->ssl != NULL || t->next_ssl != NULL) {
        SSL_free(t->ssl);
        SSL_free(t->next_ssl);
        t->ssl = t->next_ssl = NULL;
        ERR_clear_error();
    }
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    close(t->fd);
    t->fd = -1;
    buffer_clear(&t->in);
    buffer_clear(&t->out);
    net_block_return(t->net, &t->in);
    net_block_return(t->net, &t->out);
    t->events->on_closed(t, t->error != 0 || t->eof);
}

void transport_finish(struct transport *t, bool linger)
{
    if (t->closed || t->finishing) {
        return;
    }
    t->finishing = true;
    t->linger = linger;
    t->lingered = 0;
    deadline_set(t->net, &t->deadline, net_now(t->net) + t->write_timeout_ms);
    transport_touch(t);
}

/* The output is written: says goodbye, and closes now or when the peer has read all of it. */
static void part(struct transport *t)
{
    if (t->ssl != NULL && !t->shaking && t->lingered == 0) {
        SSL_shutdown(t->ssl);
        ERR_clear_error();
    }
    if (!t->linger || t->eof) {
        transport_close(t, false);
        return;
    }
    if (t->lingered == 0) {
        shutdown(t->fd, SHUT_WR);
        t->lingered = 1;
        buffer_clear(&t->in);
        net_block_return(t->net, &t->in);
        deadline_set(t->net, &t->deadline, net_now(t->net) + LINGER_MS);
    }
    watch(t);
}

/* Reads and forgets: TLS or not does not matter any more. */
static void read_on(struct transport *t)
{
    ssize_t got = recv(t->fd, t->net->read, NET_READ_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    t->lingered += got > 0 ? (size_t)got : 0;
    if (got <= 0 || t->lingered > LINGER_BYTES) {
        /* Before the output is written, an end of the peer's side is no reason to stop. */
        t->eof = true;
        if (got < 0 || buffer_len(&t->out) == 0) {
            transport_close(t, false);
        } else {
            watch(t);
        }
    }
}

/* ---- writing to the socket ---- */

/* Bytes written, 0 if the socket takes none now, -1 if it is lost. */
static ssize_t write_some(struct transport *t, const char *bytes, size_t count)
{
    if (t->ssl == NULL) {
        ssize_t sent = send(t->fd, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) {
            return 0;
        }
        return sent;
    }
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
    size_t sent = 0;
    if (SSL_write_ex(t->ssl, bytes, count, &sent) == 1) {
        return (ssize_t)sent;
    }
    int why = SSL_get_error(t->ssl, 0);
    if (why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ) {
        return 0;
    }
    errno = why == SSL_ERROR_SYSCALL && errno != 0 ? errno : EPROTO;
    ERR_clear_error();
    return -1;
}

/* ---- reading ---- */

static void give(struct transport *t, char *bytes, size_t count)
{
    size_t taken = t->events->on_bytes(t, bytes, count);
    if (!t->closed && taken < count && !t->finishing) {
        net_block_lend(t->net, &t->in);
        if (!buffer_add(&t->in, (struct slice){bytes + taken, count - taken})) {
            lost(t, EMSGSIZE);
        }
    }
}

/* Gives what waits in the connection's own buffer. */
static void give_again(struct transport *t)
{
    char none;
    size_t waiting = buffer_len(&t->in);
    size_t taken = t->events->on_bytes(t, waiting == 0 ? &none : t->in.data + t->in.head, waiting);
    if (!t->closed) {
        buffer_drop(&t->in, taken);
        if (buffer_len(&t->in) == 0 || t->finishing) {
            buffer_clear(&t->in);
            net_block_return(t->net, &t->in);
        }
    }
}

/* SSL_read failed after TOTAL bytes: what read_some() is to say. */
static ssize_t read_failed(struct transport *t, size_t total)
{
    int saved = errno;
    int why = SSL_get_error(t->ssl, 0);
    t->read_wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return total > 0 ? (ssize_t)total : -1;
    }
    ERR_clear_error();
    if (total > 0) {
        t->more = true; /* the end, or the fault, is found again by the next read */
        return (ssize_t)total;
    }
    if (why == SSL_ERROR_ZERO_RETURN || (why == SSL_ERROR_SYSCALL && saved == 0)) {
        return 0;
    }
    errno = saved != 0 ? saved : EPROTO;
    return -1;
}

/* Bytes read, 0 at the end, -1 with EAGAIN or what broke it. */
static ssize_t read_some(struct transport *t, char *into, size_t room)
{
    if (t->ssl == NULL) {
        return recv(t->fd, into, room, 0);
    }
    size_t total = 0;
    t->read_wants_write = false;
    t->more = false;
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
    while (total < room) {
        size_t got = 0;
        errno = 0;
        if (SSL_read_ex(t->ssl, into + total, room - total, &got) != 1) {
            return read_failed(t, total);
        }
        total += got;
        if (SSL_has_pending(t->ssl) == 0) {
            return (ssize_t)total;
        }
    }
    t->more = true;
    return (ssize_t)total;
}

/* What OpenSSL has read ahead is not seen by the loop. */
static bool read_ahead_waits(const struct transport *t)
{
    return t->more && !t->closed && !t->shaking && !t->eof && !t->finishing &&
           buffer_len(&t->in) < t->in_high;
}

/* One read. False if there was nothing. */
static bool read_once(struct transport *t)
{
    if (t->next_ssl != NULL) {
        return false; /* what comes now is for TLS, or for nobody */
    }
    char *into = t->net->read;
    size_t room = NET_READ_BYTES;
    size_t before = buffer_len(&t->in);
    if (before > 0) {
        room = NET_BLOCK_BYTES;
        into = buffer_reserve(&t->in, room);
        if (into == NULL) {
            lost(t, EMSGSIZE);
            return false;
        }
    }
    ssize_t got = read_some(t, into, room);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            lost(t, errno);
        }
        return false;
    }
    if (got == 0) {
        t->eof = true;
        t->events->on_eof(t);
        return false;
    }
    if (before > 0) {
        buffer_commit(&t->in, (size_t)got);
        give_again(t);
    } else {
        give(t, into, (size_t)got);
    }
    return true;
}

/* ---- writing what waits ---- */

/*
 * The peer takes nothing more. It may have answered before it broke off: a server that refuses an
 * upload does. What it has said is heard before it is lost.
 */
static void broken(struct transport *t, int error)
{
    buffer_clear(&t->out);
    bool heard = !t->may_have_answered || t->connecting;
    while (!heard && !t->closed && !t->finishing && !t->eof) {
        heard = !read_once(t);
    }
    if (!t->closed) {
        lost(t, error);
    }
}

static void send_out(struct transport *t)
{
    bool moved = false;
    bool stuck = false;
    while (buffer_len(&t->out) > 0) {
        struct slice left = buffer_slice(&t->out);
        ssize_t sent = write_some(t, left.data, left.len);
        if (sent < 0) {
            broken(t, errno);
            return;
        }
        buffer_drop(&t->out, (size_t)sent);
        moved |= sent > 0;
        /* A socket that took a part is full; OpenSSL takes one record at a time. */
        if (sent == 0 || (t->ssl == NULL && (size_t)sent < left.len)) {
            stuck = true;
            break;
        }
    }
    if (moved && t->connecting) {
        t->connecting = false;
        deadline_clear(&t->deadline);
    }
    if (!stuck) {
        net_block_return(t->net, &t->out);
    } else if ((moved || !t->stuck) && !t->connecting) {
        deadline_set(t->net, &t->deadline, net_now(t->net) + t->write_timeout_ms);
    }
    if (t->stuck != stuck) {
        t->stuck = stuck;
        if (!stuck) {
            deadline_clear(&t->deadline);
            transport_touch(t); /* the owner's own deadline comes back */
        }
    }
}

static void shake(struct transport *t)
{
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
    int done = SSL_do_handshake(t->ssl);
    if (done == 1) {
        t->shaking = false;
        t->read_wants_write = false;
        t->more = SSL_has_pending(t->ssl) == 1;
        if (t->events->on_ready != NULL) {
            t->events->on_ready(t);
        }
        return;
    }
    int why = SSL_get_error(t->ssl, done);
    t->read_wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        ERR_clear_error();
        lost(t, EPROTO);
    }
}

static void read_ready(struct transport *t)
{
    if (t->finishing) {
        if (t->linger) {
            read_on(t);
        }
        return;
    }
    if (t->shaking) {
        shake(t);
        if (t->closed || t->shaking || !read_ahead_waits(t)) {
            return;
        }
    }
    read_once(t);
    if (read_ahead_waits(t)) {
        transport_wake(t);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct transport *t = link_owner(poll, struct transport, poll);
    if (status < 0) {
        /* An error waits on the socket, and perhaps content before it; the loop has let go of it.
         */
        t->watched = 0;
        while (!t->closed && !t->finishing && !t->eof && !t->shaking && read_once(t)) {
        }
        if (!t->closed) {
            int error = 0;
            socklen_t length = sizeof(error);
            getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &length);
            lost(t, error != 0 ? error : ECONNRESET);
        }
        return;
    }
    if ((events & UV_READABLE) != 0 || t->read_wants_write) {
        read_ready(t);
    }
    if (!t->closed && (events & UV_WRITABLE) != 0) {
        transport_touch(t);
    }
    if (!t->closed) {
        watch(t);
    }
}

/* What was to be said in the clear is said. */
static void change_to_tls(struct transport *t)
{
    if (buffer_len(&t->in) > 0) {
        transport_close(t, true); /* said before it could know that TLS begins */
        return;
    }
    t->ssl = t->next_ssl;
    t->next_ssl = NULL;
    t->shaking = true;
    deadline_set(t->net, &t->deadline, net_now(t->net) + t->shake_ms);
    watch(t);
}

/* ---- the end of a turn ---- */

void transport_flush(struct transport *t)
{
    link_remove(&t->dirty);
    if (t->wake && !t->finishing) {
        t->wake = false;
        give_again(t);
        if (read_ahead_waits(t)) {
            read_once(t);
        }
        if (read_ahead_waits(t)) {
            transport_wake(t);
        }
    }
    if (!t->closed && !t->finishing) {
        t->events->on_flush(t);
    }
    if (t->closed || t->shaking) {
        if (t->shaking && t->finishing && !t->closed) {
            transport_close(t, false);
        }
        return;
    }
    send_out(t);
    if (t->closed) {
        return;
    }
    if (t->finishing) {
        if (buffer_len(&t->out) == 0) {
            part(t);
        } else {
            watch(t);
        }
        return;
    }
    if (t->next_ssl != NULL && buffer_len(&t->out) == 0) {
        change_to_tls(t);
        return;
    }
    if (t->half_close && buffer_len(&t->out) == 0) {
        t->half_close = false;
        shutdown(t->fd, SHUT_WR);
    }
    if (t->full && buffer_len(&t->out) <= NET_OUT_LOW) {
        t->full = false;
        t->events->on_drained(t);
    }
    if (!t->closed) {
        watch(t);
    }
}
