/*
 * What processes do with sockets: HTTP servers and clients on one libuv loop, single-threaded.
 *
 * Both sides speak in exchanges: one request and its answer, whatever the version below (HTTP/1.1,
 * HTTP/2, TLS or not). Callbacks come from the loop; calls made inside them only queue, and
 * everything queued is written once, just before the loop waits again (so head, body and end leave
 * in one write).
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/error.h"
#include "http/message.h"

struct net; /* one per process: loop, queue of connections to flush, timers */
struct net_listener;
struct net_tls;
struct exchange; /* server side */
struct call;     /* client side */

/* Owned by the caller. LOOP outlives it. */
struct net *net_new(uv_loop_t *loop);
void net_free(struct net *net);
uv_loop_t *net_loop(struct net *net);

/* ---- server ---- */

struct net_limits {
    size_t target_max;        /* default 16 KiB */
    size_t head_max;          /* default 64 KiB */
    unsigned connections_max; /* default 20000; over it the oldest idle one is closed, else the new
                                 one */
    unsigned head_timeout_ms; /* from the first byte of a head to its end (or from accept): default
                                 15000, then 408 */
    unsigned idle_timeout_ms; /* between requests: default 120000 */
    unsigned body_timeout_ms; /* without a byte of a body that is being read, or taken by a peer
                                 that is being written to: default 60000 */
    unsigned body_whole_ms;   /* from a head to the end of its body, however steadily it comes:
                                 default 0, no limit; then 408 or RST_STREAM */
    unsigned requests_max;    /* on one HTTP/1.1 connection: 0 = no limit */
    uint32_t streams_max;     /* HTTP/2, default 100 */
};

void net_limits_default(struct net_limits *limits);

/*
 * What happens with an exchange. on_request comes once, when the head is complete. Then content, in
 * pieces, each only while reading is not paused; on_body_end once. on_close is always the last:
 * EXCHANGE is freed when it returns, also after it has been answered in full. ABORTED: the client
 * left, or broke the protocol, before the answer was sent in full. A head that breaks the protocol,
 * or takes too long, is answered by the server itself: there is no exchange for it, only a call of
 * on_fault (may be NULL), with the status and a reason for a person (never text of the client).
 * CONNECT is a request like any other, with its target as authority and "" as path; its connection
 * closes behind the answer, but for exchange_start_tls().
 */
struct net_fault {
    const struct sockaddr_storage *peer;
    enum http_version version;
    int status;
    const char *why;
};

struct exchange_events {
    void (*on_request)(struct exchange *exchange, void *ctx);
    void (*on_body)(struct exchange *exchange, struct slice data);
    void (*on_body_end)(struct exchange *exchange, const struct http_headers *trailers);
    void (*on_writable)(struct exchange *exchange);
    void (*on_close)(struct exchange *exchange, bool aborted);
    void (*on_fault)(void *ctx, const struct net_fault *fault);
};

/*
 * Serves on FD, a listening socket (it is not closed by us). TLS may be NULL: cleartext, HTTP/1.1
 * and HTTP/2 with prior knowledge. CTX is given to on_request.
 */
struct net_listener *net_listen(struct net *net, int fd, struct net_tls *tls,
                                const struct net_limits *limits,
                                const struct exchange_events *events, void *ctx, struct error *err);
/* Serves a connection that did not come through the listening socket: FD, taken, is its end of a
 * pair. FD of net_listen() may be -1: then there are only such. */
void net_listener_take(struct net_listener *listener, int fd);
/* Stops accepting, and has no more to do with its socket, which may be closed; idle connections are
 * closed, busy ones say "Connection: close" or GOAWAY and end. */
void net_listener_drain(struct net_listener *listener);
/* Connections that are still open. */
unsigned net_listener_connections(const struct net_listener *listener);
void net_listener_free(struct net_listener *listener); /* cuts what is left */

const struct http_request *exchange_request(const struct exchange *exchange);
struct arena *exchange_arena(struct exchange *exchange); /* lives as long as the exchange */
const struct sockaddr_storage *exchange_peer(const struct exchange *exchange);
/* Our own end of its connection; false if the kernel does not say. */
bool exchange_own_end(const struct exchange *exchange, struct sockaddr_storage *out);
bool exchange_is_tls(const struct exchange *exchange);
void exchange_set_user(struct exchange *exchange, void *user);
void *exchange_user(const struct exchange *exchange);

/* Reading of the body: paused when on_request returns? No: flowing. Pause in on_request to hold it
 * back. */
void exchange_pause(struct exchange *exchange);
void exchange_resume(struct exchange *exchange);

/*
 * "100 Continue", if the client waits for it and nothing was answered: the server never sends it by
 * itself. */
void exchange_continue(struct exchange *exchange);

/*
 * Sends the head. framing HTTP_LENGTH needs length; HTTP_CHUNKED and HTTP_UNTIL_CLOSE mean "not
 * known": the server picks what the client's version can read. Status 101 makes the exchange a
 * tunnel: on_body and exchange_write() then carry raw bytes (HTTP/2 extended CONNECT: answer 200,
 * the same). Copies what it needs. on_body_end, which an HTTP/1.1 upgrade has had for its request,
 * comes again when the client ends its side.
 */
void exchange_respond(struct exchange *exchange, const struct http_response *head);
/* An interim response (103 and the like) that comes before the final one. */
void exchange_inform(struct exchange *exchange, const struct http_response *head);
/* Content. False: more than the high-water mark (64 KiB) waits; stop until on_writable. Copies. */
bool exchange_write(struct exchange *exchange, struct slice data);
/* The answer is complete. TRAILERS may be NULL. If the request's body was not read in full,
 * HTTP/1.1 closes. */
void exchange_end(struct exchange *exchange, const struct http_headers *trailers);
/* Cuts it: RST_STREAM (with code; 0 = NO_ERROR) or a closed connection. on_close follows, later. */
void exchange_abort(struct exchange *exchange, uint32_t h2_error);

/*
 * Grants a CONNECT (RFC 9110 section 9.3.6) by being its far end: answers 200, and what follows on
 * the connection is TLS, with new exchanges of the same listener inside. False, and nothing is
 * answered, for any other request, for one that comes in TLS already, by HTTP/2, or with content.
 * TLS outlives the listener. The exchange has ended.
 */
bool exchange_start_tls(struct exchange *exchange, struct net_tls *tls);

/* A whole answer in one call: type "text/html; charset=UTF-8" and so on; HEAD gets no body. EXTRA
 * may be NULL. */
void exchange_reply(struct exchange *exchange, int status, const char *content_type,
                    struct slice body, const struct http_headers *extra);

/* ---- client ---- */

/* Keep-alive connections to one peer (address and protocol); idle ones are kept at most IDLE ms, at
 * most 64. */
struct net_pool;

/* What the peer of a call that failed has seen of it. It decides whether the caller may try again.
 */
enum call_loss {
    CALL_ANSWERED,   /* a byte of the response has come; or it failed for a reason of its own */
    CALL_UNANSWERED, /* it may have been worked on, but nothing of a response has come */
    CALL_STALE,  /* like the one above, by a connection that had served before: the peer may just
                    have closed it */
    CALL_UNSENT, /* there was no connection: nothing */
};

struct call_events {
    /* Interim responses (1xx but 101) come too, before the final one. */
    void (*on_response)(struct call *call, const struct http_response *response);
    void (*on_body)(struct call *call, struct slice data);
    void (*on_body_end)(struct call *call, const struct http_headers *trailers);
    void (*on_writable)(struct call *call);
    /* Always last; CALL is freed when it returns. FAILURE is NULL when the exchange was complete.
     */
    void (*on_close)(struct call *call, const char *failure, enum call_loss loss);
};

struct net_pool *net_pool_new(struct net *net, const struct sockaddr *addr, socklen_t addr_len,
                              bool http2, unsigned idle_ms);
/*
 * Where new sockets come from, if not from this network namespace: OPEN returns a socket of the
 * pool's family that is not connected, does not block and is closed on exec; -1 and errno if it has
 * none now. A pool of the family AF_UNIX always has a source: it gives one end of a pair.
 */
void net_pool_set_source(struct net_pool *pool, int (*open)(void *ctx), void *ctx);
/* Whether a call that began now would need a new socket. */
bool net_pool_needs_socket(const struct net_pool *pool);
/* Closes the idle connections: one was found to be closed by the peer, so others probably are as
 * well. */
void net_pool_drop_idle(struct net_pool *pool);
/* Calls under way go on; idle connections are closed; the pool goes when the last call has ended.
 */
void net_pool_free(struct net_pool *pool);

/*
 * Starts a call: connects if no idle connection is there. Copies what it needs of REQUEST. framing
 * HTTP_NO_BODY: nothing follows; else call_write() and call_end(). A request with upgrade set
 * becomes a tunnel once on_response says 101 (or 200 on HTTP/2 extended CONNECT).
 */
struct call *call_new(struct net_pool *pool, const struct http_request *request,
                      const struct call_events *events, void *user);
void *call_user(const struct call *call);
struct arena *call_arena(struct call *call);
bool call_write(struct call *call, struct slice data); /* as exchange_write */
void call_end(struct call *call, const struct http_headers *trailers);
void call_pause(struct call *call);
void call_resume(struct call *call);
/* Ends it: the connection is closed (HTTP/2: stream reset). No callback comes after this one
 * returns; CALL is gone. */
void call_cancel(struct call *call);

/* ---- TLS ---- */

struct net_certificate {
    const char *chain_file; /* PEM: leaf first */
    const char *key_file;   /* PEM */
};

/*
 * TLS 1.2 and 1.3, ALPN h2 and http/1.1 (h2 only if HTTP2). Certificates are chosen by SNI among
 * COUNT; the first is the fallback. Files are read now. Session tickets are keyed from TICKET_KEY
 * (80 bytes shared by the workers; NULL: random).
 */
struct net_tls *net_tls_new(const struct net_certificate *certificates, size_t count, bool http2,
                            const unsigned char ticket_key[80], struct error *err);
void net_tls_free(struct net_tls *tls);
/*
 * Replaces the first certificate by a new one for the same names, for handshakes from now on. Open
 * connections are not affected, and tickets from before are still accepted. On failure the old one
 * stays.
 */
bool net_tls_renew(struct net_tls *tls, struct slice chain_pem, struct slice key_pem,
                   struct error *err);

/* The name by which OpenSSL finds the certificate PEM in a folder: "1a2b3c4d", of its subject.
 * False if it is none. */
enum { NET_CERTIFICATE_NAME_BYTES = 9 };
bool net_certificate_name(struct slice pem, char out[NET_CERTIFICATE_NAME_BYTES]);

/* ---- sockets ---- */

/* "127.0.0.1:8080", "[::1]:0", "localhost:80". Port 0 = any. */
bool net_parse_address(const char *text, struct sockaddr_storage *out, socklen_t *out_len,
                       struct error *err);
/* Binds and listens (backlog 4096, SO_REUSEADDR), non-blocking, close-on-exec. -1 and *err on
 * failure. */
int net_bind(const struct sockaddr *addr, socklen_t addr_len, struct error *err);
/* "127.0.0.1:8080" of a bound socket, or of an address. */
void net_address_text(const struct sockaddr *addr, char out[64], bool with_port);
uint16_t net_bound_port(int fd);
/*
 * In the network namespace that the caller is in, and for its life: nothing connects to where
 * clouds have their metadata servers, but at addresses of that network itself. False and errno if
 * the kernel does not do so.
 */
bool net_close_metadata(void);
