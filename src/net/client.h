/*
 * For this room alone: a pool, its connections, and the call that both versions of HTTP serve.
 */
#pragma once

#include "http/http1.h"
#include "http/http2.h"
#include "net/transport.h"

struct client_conn;

struct call {
    struct net_pool *pool;
    struct client_conn *conn; /* NULL: it never got one, or has lost it */
    struct arena arena;
    struct call_events events;
    void *user;
    struct slice method;
    enum http_framing framing; /* of the request */
    uint64_t left;
    const char *failure; /* to be reported at the end of the turn */
    enum call_loss loss;
    bool upgrade;
    bool tunnel;
    bool ended; /* the request is complete */
    bool paused;
    struct link link; /* failed calls of the net; calls of an HTTP/2 connection */
    /* HTTP/2 alone. */
    int32_t stream;
    bool responded;
    bool body_over;
    bool held_end;
    bool stream_gone;
    struct link queue;
    struct buffer held;
    struct http_headers trailers;
};

enum h1_client_state { CALL_HEAD, CALL_BODY, CALL_TUNNEL };

struct client_conn {
    struct transport t; /* first: freed with it */
    struct net_pool *pool;
    struct link link; /* in the pool's idle or busy list */
    bool idle;
    bool reused; /* has served a call before */
    const char *failure;
    /* HTTP/1.1 */
    struct call *call;
    enum h1_client_state state;
    size_t scanned;
    bool answered; /* a byte of the response has come */
    bool keep_alive;
    struct http1_body body;
    /* HTTP/2 */
    struct http2_session *session;
    struct link calls;
    struct link queue;
    unsigned call_count;
    bool inside;
    bool failed;
};

struct net_pool {
    struct net *net;
    struct sockaddr_storage addr;
    socklen_t addr_len;
    int (*source)(void *ctx); /* of sockets; NULL: made here */
    void *source_ctx;
    bool http2;
    bool freed;
    unsigned idle_ms;
    unsigned idle_count;
    unsigned users;   /* calls and connections */
    struct link idle; /* the one used last stands last, and is taken first */
    struct link busy;
};

/* A new connection, or NULL with the reason. */
struct client_conn *client_conn_new(struct net_pool *pool, const struct transport_events *events,
                                    const char **why);
void client_conn_set_idle(struct client_conn *conn, bool idle);
/* For on_closed: out of the pool. */
void client_conn_gone(struct client_conn *conn);
/* Why it was closed, for a person. */
const char *client_conn_failure(const struct client_conn *conn);
/* What its peer has seen of CALL, which fails now. */
enum call_loss client_conn_loss(const struct client_conn *conn, const struct call *call);

void net_pool_release(struct net_pool *pool);

/* The last of a call: on_close, and its memory. */
void call_finish(struct call *call, const char *failure, enum call_loss loss);
/* Fails CALL at the end of this turn, as no callback may come from within the caller's call. LOSS
 * is CALL_UNSENT where it got no connection, else CALL_ANSWERED: trying again would not help. */
void call_fail_later(struct call *call, const char *failure, enum call_loss loss);

void h1_call_start(struct call *call, const struct http_request *request);
bool h1_call_write(struct call *call, struct slice data);
void h1_call_end(struct call *call, const struct http_headers *trailers);
void h1_call_resume(struct call *call);
void h1_call_cancel(struct call *call);

void h2_call_start(struct call *call, const struct http_request *request);
bool h2_call_write(struct call *call, struct slice data);
void h2_call_end(struct call *call, const struct http_headers *trailers);
void h2_call_resume(struct call *call);
void h2_call_cancel(struct call *call);
