/* For the HTTP/2 files of this room alone: what a session and a stream are made of. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/http2.h"

enum {
    SPARES_MAX = 8,
    HTTP2_FRAME_HEAD = 9,        /* bytes */
    HTTP2_FRAME_MAX = 16 * 1024, /* SETTINGS_MAX_FRAME_SIZE, its default */
};

/* A token bucket: its size, and tokens added each second. It bounds frames that cost us work and
 * the peer nothing. */
struct http2_bucket {
    int64_t milli; /* thousandths of a token */
    int64_t per_s;
    int64_t burst;
};

/* How far the frame has come that is being received; the preface counts as one. */
struct http2_feed {
    size_t left;                    /* bytes until the next frame begins */
    uint8_t head[HTTP2_FRAME_HEAD]; /* of that one, if it came in pieces */
    unsigned head_bytes;
};

struct http2_stream {
    struct http2_session *session;
    struct http2_stream *next, *previous;
    struct arena arena;
    int32_t id;

    /* coming in */
    struct slice method, scheme, authority, path, protocol, status;
    struct http_headers headers, trailers;
    struct http_headers crumbs; /* of the cookie, to be joined */
    size_t
        head_bytes; /* of the block that is being read, as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    int refuse_status; /* what is wrong with the head, as an HTTP status; 0 if nothing */
    bool head_read;    /* the final one: header blocks from here on are trailers */
    bool announced;    /* the user knows this stream, and is told of its end */
    bool quiet;        /* the user has done with it: no events any more but on_close */
    bool tunnel;       /* CONNECT: the sides end on their own */

    /* going out */
    struct buffer out;
    struct http_headers out_trailers;
    bool head_sent;
    bool out_end;
    bool deferred;       /* the data source has said that it has nothing now */
    bool blocked;        /* http2_data() has said false: on_writable is owed */
    bool reset_by_us;    /* on the user's behalf, so that the peer does not pay for it */
    int64_t wound_up_ms; /* answered before the request was complete: the time of its reset; or 0 */
};

struct http2_session {
    nghttp2_session *ng;
    struct http2_events events;
    void *ctx;
    struct http2_limits limits;
    struct slice scheme;
    bool server;
    bool broken; /* nothing more is read */
    struct http2_stream *streams;
    struct http2_stream *recent; /* the one looked for last; NULL if it has gone */
    unsigned stream_count;
    struct arena spares[SPARES_MAX]; /* of streams that have gone, while others are here */
    unsigned spare_count;
    unsigned blocked_count;
    unsigned winding_count; /* streams with wound_up_ms */
    struct http2_feed feed;
    struct slice pending; /* what nghttp2 gave and did not fit: valid until it is asked again */
    int64_t now_ms;       /* 0 until the first tick */
    struct http2_bucket resets;
    struct http2_bucket idle_frames;
};

/* http2_stream.c */
struct http2_stream *http2_stream_new(struct http2_session *session, int32_t id);
void http2_stream_free(struct http2_stream *stream);
struct http2_stream *http2_stream_find(struct http2_session *session, int32_t id);

/* False when the bucket is empty. */
bool http2_bucket_take(struct http2_bucket *bucket);
void http2_bucket_fill(struct http2_bucket *bucket, int64_t milli);

/* http2_feed.c: as nghttp2_session_mem_recv(), but that a negative result is all that it tells. */
void http2_feed_init(struct http2_session *session);
ssize_t http2_feed(struct http2_session *session, struct slice bytes);

/* http2_receive.c: what nghttp2 calls on input */
void http2_receive_callbacks(nghttp2_session_callbacks *callbacks);

/* http2_head.c: makes a message of the collected fields. Sets refuse_status on false. */
bool http2_head_request(struct http2_stream *stream, bool end, struct http_request *out);
bool http2_head_response(struct http2_stream *stream, bool end, struct http_response *out);

/* http2_send.c */
void http2_send_callbacks(nghttp2_session_callbacks *callbacks);
/* Answers with a bare status and is done with the stream. */
void http2_refuse(struct http2_stream *stream, int status);
/* Resets the streams whose time for the rest of their question is over. */
void http2_wind_up(struct http2_session *session);
