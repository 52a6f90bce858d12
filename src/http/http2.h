/*
 * HTTP/2 over nghttp2: bytes in, events out, bytes out; no sockets. One session is one connection,
 * server or client side. Known floods have limits: rapid reset (CVE-2023-44487), settings, ping,
 * empty frames, CONTINUATION and header list size, too many streams. Extended CONNECT (RFC 8441) is
 * offered on the server side.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "http/message.h"

struct http2_session; /* opaque */

struct http2_events {
    /*
     * A message head is complete (server: request; client: the final or an interim response). All
     * slices are in ARENA, which is the stream's and lives until on_close. END: no body follows.
     */
    void (*on_request)(void *ctx, int32_t stream, struct arena *arena,
                       const struct http_request *request, bool end);
    void (*on_response)(void *ctx, int32_t stream, struct arena *arena,
                        const struct http_response *response, bool end);
    /* Server, may be NULL: a head was answered with STATUS here, and the user hears no more of it.
     */
    void (*on_refused)(void *ctx, int32_t stream, int status);
    /* Content. The stream's window opens only with http2_consume(): that is the back pressure. */
    void (*on_data)(void *ctx, int32_t stream, struct slice data);
    /* The other side has finished; trailers may be empty. Not called if the head said END. */
    void (*on_end)(void *ctx, int32_t stream, const struct http_headers *trailers);
    /*
     * After http2_data() has said false: less than 16 KiB is left to be handed to the output, the
     * sender may go on. Comes out of http2_output().
     */
    void (*on_writable)(void *ctx, int32_t stream);
    /* The stream is gone, finished or reset (error is the HTTP/2 error code, 0 for none). Always
     * last. */
    void (*on_close)(void *ctx, int32_t stream, uint32_t error);
};

struct http2_limits {
    uint32_t streams_max;  /* concurrent, default 100 */
    size_t head_max;       /* header list size, default 64 KiB */
    uint32_t window;       /* per stream, default 256 KiB */
    uint32_t resets_per_s; /* client resets allowed, default 200 */
};

/* SCHEME is what requests on this connection have to say ("https" or "http"); server only. */
struct http2_session *http2_server_new(const struct http2_limits *limits, struct slice scheme,
                                       const struct http2_events *events, void *ctx);
struct http2_session *http2_client_new(const struct http2_limits *limits,
                                       const struct http2_events *events, void *ctx);
/* Frees all streams without a callback. Not from inside of one. */
void http2_free(struct http2_session *session);

/*
 * Tells the time (monotonic). The floods that are limited per second are counted against it, so it
 * is to be called before http2_input() and http2_output(); a session that is never told has only
 * what it was born with.
 */
void http2_tick(struct http2_session *session, int64_t now_ms);
/* When it wants to be told the time at the latest, as something is to be sent then; 0: never. */
int64_t http2_due(const struct http2_session *session);

/* Feeds received bytes. False: the connection must be closed after what http2_output() still has.
 */
bool http2_input(struct http2_session *session, struct slice bytes);

/* Moves what is to be sent into OUT, up to its maximum. True if something was moved. */
bool http2_output(struct http2_session *session, struct buffer *out);

/* True once both sides are done with the connection (GOAWAY and no streams): close it. */
bool http2_finished(const struct http2_session *session);

/* Client: opens a stream. Negative if the peer allows no more streams now. */
int32_t http2_request(struct http2_session *session, const struct http_request *request, bool end);

/*
 * Server: interim (1xx) or final head. Content-Length is made from framing and length; what belongs
 * to one HTTP/1.1 hop is left out. False if it cannot be sent: the stream is gone, or a field is
 * not clean. Once the answer is complete, on_close comes, and a request that still comes has a
 * second to end before it is cut with NO_ERROR.
 */
bool http2_respond(struct http2_session *session, int32_t stream,
                   const struct http_response *response, bool end);

/* Queues content (copied). False if more than 64 KiB now wait: stop until on_writable. */
bool http2_data(struct http2_session *session, int32_t stream, struct slice data);
void http2_end(struct http2_session *session, int32_t stream, const struct http_headers *trailers);

/* Content of this many bytes has been taken care of: the peer may send as many again. */
void http2_consume(struct http2_session *session, int32_t stream, size_t bytes);

/* RST_STREAM with an HTTP/2 error code (0: NO_ERROR, 8: CANCEL). */
void http2_reset(struct http2_session *session, int32_t stream, uint32_t error);

/* Sends GOAWAY: streams that are open go on, new ones are refused. */
void http2_drain(struct http2_session *session);

/* Streams open now. */
unsigned http2_streams(const struct http2_session *session);
