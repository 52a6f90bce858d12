/*
 * For this room alone: a listener, its connections, and the exchange that both versions of HTTP
 * fill.
 */
#pragma once

#include "http/http1.h"
#include "http/http2.h"
#include "net/transport.h"

struct server_conn;

/* How an exchange reaches its connection: one table of functions for each version. */
struct exchange_driver {
    void (*resume)(struct exchange *exchange);
    void (*pause)(struct exchange *exchange);
    void (*inform)(struct exchange *exchange, const struct http_response *head);
    void (*respond)(struct exchange *exchange, const struct http_response *head);
    bool (*write)(struct exchange *exchange, struct slice data);
    void (*end)(struct exchange *exchange, const struct http_headers *trailers);
    void (*abort)(struct exchange *exchange, uint32_t h2_error);
    bool (*start_tls)(struct exchange *exchange, struct net_tls *tls);
};

struct exchange {
    const struct exchange_driver *driver;
    struct server_conn *conn;
    struct arena *arena;
    struct http_request request;
    void *user;
    int32_t stream;
    enum http_framing framing; /* of the answer */
    uint64_t left;             /* of an answer of known length */
    bool head_sent;
    bool continued; /* 100 was sent */
    bool ended;
    bool broken;  /* the answer cannot be completed */
    bool aborted; /* on_close is still to come */
    bool paused;
    bool body_over; /* on_body_end has been called, or never will */
    bool tunnel;
    bool no_body;         /* of the answer: HEAD, 204, 304 */
    uint64_t body_due_ms; /* when the request's content has to be whole; UINT64_MAX: never */
    /* HTTP/2 alone. */
    struct link link;
    struct buffer held; /* content that came while it was paused */
    bool held_end;
    struct link queue;   /* something is to be done at the end of the turn */
    uint64_t reading_ms; /* since when it waits for the client's content; 0: it does not */
    uint64_t blocked_ms; /* since when the client has left content of ours untaken */
    struct http_headers trailers;
    struct exchange *chain; /* of its bucket */
};

enum h1_state {
    H1_HEAD,
    H1_BODY,   /* of the request */
    H1_WAIT,   /* for the rest of the answer */
    H1_TUNNEL, /* raw bytes */
    H1_DRAIN,  /* the rest of a body, if small, which is read and discarded */
};

struct h1_server {
    enum h1_state state;
    bool active; /* the exchange is alive */
    bool close_after;
    struct net_tls *next_tls; /* a CONNECT was granted: the bytes after its answer are TLS */
    size_t scanned;
    uint64_t head_due_ms; /* 0: no byte of a head is here */
    unsigned served;
    struct arena arena;
    struct http1_body body;
    struct exchange exchange;
};

enum { STREAM_BUCKETS = 32 };

struct h2_server {
    struct http2_session *session;
    struct exchange *buckets[STREAM_BUCKETS];
    struct link exchanges;
    struct link queue; /* exchanges with something to do at the end of the turn */
    unsigned count;
    uint64_t output_ms; /* when the session last had something to send */
    bool failed;        /* to be closed after what the session still says */
    bool inside;        /* within a call of the session */
    bool draining;      /* GOAWAY is said */
};

struct server_conn {
    struct transport t; /* first: freed with it */
    struct net_listener *listener;
    struct link link; /* in the listener's idle or busy list */
    bool idle;
    enum { SPEAKS_UNKNOWN, SPEAKS_H1, SPEAKS_H2 } speaks;
    struct sockaddr_storage peer;
    union {
        struct h1_server h1;
        struct h2_server h2;
    };
};

struct net_listener {
    uv_poll_t poll;
    uv_timer_t pause; /* after the process ran out of file descriptors */
    struct net *net;
    struct net_tls *tls;
    struct net_limits limits;
    struct exchange_events events;
    void *ctx;
    struct link idle; /* oldest first */
    struct link busy;
    int fd;
    unsigned connections;
    unsigned handles_open;
    bool draining;
    bool freed;
};

void server_conn_set_idle(struct server_conn *conn, bool idle);
/* When the content of a request whose head has come now has to be whole (body_whole_ms). */
uint64_t server_conn_body_due(const struct server_conn *conn);
/* The server has answered a head itself: calls on_fault, if it is set. */
void server_conn_fault(struct server_conn *conn, int status, const char *why);

void h1_server_start(struct server_conn *conn);
size_t h1_server_bytes(struct server_conn *conn, char *bytes, size_t count);
void h1_server_eof(struct server_conn *conn);
void h1_server_flush(struct server_conn *conn);
void h1_server_drained(struct server_conn *conn);
void h1_server_due(struct server_conn *conn);
bool h1_server_drain(struct server_conn *conn); /* false: its first request has not begun */
void h1_server_closed(struct server_conn *conn);

void h2_server_start(struct server_conn *conn);
size_t h2_server_bytes(struct server_conn *conn, char *bytes, size_t count);
void h2_server_eof(struct server_conn *conn);
void h2_server_flush(struct server_conn *conn);
void h2_server_due(struct server_conn *conn);
void h2_server_drain(struct server_conn *conn);
void h2_server_closed(struct server_conn *conn);

/* TLS, for one accepted connection; NULL if memory is short. */
SSL *net_tls_accept(struct net_tls *tls, int fd);
/* True if the handshake chose HTTP/2. */
bool net_tls_chose_h2(SSL *ssl);
