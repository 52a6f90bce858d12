/*
 * HTTP/2 sessions. nghttp2 does the framing, HPACK and the state of streams; this room adds the
 * limits, the checks of a gateway, and buffers with back pressure. See http2_receive.c for what
 * comes in, http2_head.c for what a head has to be, http2_send.c for what goes out.
 */
#include "http/http2_inside.h"

#include <stdlib.h>

#include "base/memory.h"

enum {
    STREAMS_MAX = 100,
    HEAD_MAX = 64 * 1024,
    WINDOW = 256 * 1024,
    CONNECTION_WINDOW = 16 << 20,
    RESETS_PER_S = 200,
    IDLE_FRAMES_PER_S = 1000,
    IDLE_FRAMES_BURST = 2000,
    ACKS_WAITING_MAX = 200, /* answers to PING and SETTINGS that the peer does not read */
};

static void limits_fill(struct http2_session *session, const struct http2_limits *limits)
{
    session->limits = limits == NULL ? (struct http2_limits){0} : *limits;
    struct http2_limits *have = &session->limits;
    have->streams_max = have->streams_max == 0 ? STREAMS_MAX : have->streams_max;
    have->head_max = have->head_max == 0 ? HEAD_MAX : have->head_max;
    have->window = have->window == 0 ? WINDOW : have->window;
    have->resets_per_s = have->resets_per_s == 0 ? RESETS_PER_S : have->resets_per_s;
    session->resets = (struct http2_bucket){
        .per_s = have->resets_per_s,
        .burst = have->resets_per_s,
        .milli = have->resets_per_s * INT64_C(1000),
    };
    session->idle_frames = (struct http2_bucket){
        .per_s = IDLE_FRAMES_PER_S,
        .burst = IDLE_FRAMES_BURST,
        .milli = IDLE_FRAMES_BURST * INT64_C(1000),
    };
}

static nghttp2_option *options_new(const struct http2_session *session)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0) {
        abort();
    }
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, ACKS_WAITING_MAX);
    nghttp2_option_set_max_reserved_remote_streams(option, 0);
    /* Heads that are a little too large are read to their end, so that they can be answered. */
    nghttp2_option_set_max_continuations(option, session->limits.head_max / HTTP2_FRAME_MAX + 5);
    /* Ours is told the time, and counts the resets that a peer provokes as well. */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
    return option;
}

static void settings_submit(struct http2_session *session)
{
    nghttp2_settings_entry entries[6];
    size_t count = 0;
    uint32_t head_max =
        session->limits.head_max > UINT32_MAX ? UINT32_MAX : (uint32_t)session->limits.head_max;
    entries[count++] =
        (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, session->limits.window};
    entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head_max};
    if (session->server) {
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                                    session->limits.streams_max};
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
    } else {
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    }
    if (nghttp2_submit_settings(session->ng, 0, entries, count) != 0 ||
        nghttp2_session_set_local_window_size(session->ng, 0, 0, CONNECTION_WINDOW) != 0) {
        abort();
    }
}

static struct http2_session *session_new(const struct http2_limits *limits,
                                         const struct http2_events *events, void *ctx, bool server)
{
    struct http2_session *session = mem_new(struct http2_session);
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        abort();
    }
    session->events = *events;
    session->ctx = ctx;
    session->server = server;
    limits_fill(session, limits);
    http2_feed_init(session);
    http2_receive_callbacks(callbacks);
    http2_send_callbacks(callbacks);
    nghttp2_option *option = options_new(session);
    int fault = server ? nghttp2_session_server_new2(&session->ng, callbacks, session, option)
                       : nghttp2_session_client_new2(&session->ng, callbacks, session, option);
    if (fault != 0) {
        abort(); /* out of memory: it can fail for nothing else */
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    settings_submit(session);
    return session;
}

struct http2_session *http2_server_new(const struct http2_limits *limits, struct slice scheme,
                                       const struct http2_events *events, void *ctx)
{
    struct http2_session *session = session_new(limits, events, ctx, true);
    session->scheme = slice_is(scheme, "https") ? SLICE("https") : SLICE("http");
    return session;
}

struct http2_session *http2_client_new(const struct http2_limits *limits,
                                       const struct http2_events *events, void *ctx)
{
    return session_new(limits, events, ctx, false);
}

void http2_free(struct http2_session *session)
{
    if (session == NULL) {
        return;
    }
    nghttp2_session_del(session->ng);
    while (session->streams != NULL) {
        http2_stream_free(session->streams);
    }
    free(session);
}

void http2_tick(struct http2_session *session, int64_t now_ms)
{
    if (session->now_ms != 0 && now_ms > session->now_ms) {
        int64_t passed = now_ms - session->now_ms;
        passed = passed > 60000 ? 60000 : passed; /* every bucket is full by then */
        http2_bucket_fill(&session->resets, passed * session->resets.per_s);
        http2_bucket_fill(&session->idle_frames, passed * session->idle_frames.per_s);
    }
    session->now_ms = now_ms;
    if (session->winding_count > 0) {
        http2_wind_up(session);
    }
}

int64_t http2_due(const struct http2_session *session)
{
    int64_t due = 0;
    for (const struct http2_stream *stream = session->streams;
         stream != NULL && session->winding_count > 0; stream = stream->next) {
        if (stream->wound_up_ms != 0 && (due == 0 || stream->wound_up_ms < due)) {
            due = stream->wound_up_ms;
        }
    }
    return due;
}

bool http2_input(struct http2_session *session, struct slice bytes)
{
    if (session->broken) {
        return false;
    }
    ssize_t fault = http2_feed(session, bytes);
    if (fault < 0 && !session->broken) {
        session->broken = true;
        uint32_t code =
            fault == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
        nghttp2_session_terminate_session(session->ng, code);
    }
    if (!session->broken && nghttp2_session_want_read(session->ng) == 0) {
        session->broken = true; /* nghttp2 has found a connection error, and queued its GOAWAY */
    }
    return !session->broken;
}

bool http2_finished(const struct http2_session *session)
{
    return session->pending.len == 0 && nghttp2_session_want_write(session->ng) == 0 &&
           (session->broken || nghttp2_session_want_read(session->ng) == 0);
}

void http2_consume(struct http2_session *session, int32_t id, size_t bytes)
{
    if (http2_stream_find(session, id) != NULL) {
        nghttp2_session_consume_stream(session->ng, id, bytes);
    }
}

void http2_reset(struct http2_session *session, int32_t id, uint32_t error)
{
    struct http2_stream *stream = http2_stream_find(session, id);
    if (stream != NULL && !stream->reset_by_us) {
        stream->quiet = true;
        stream->reset_by_us = true;
        nghttp2_submit_rst_stream(session->ng, 0, id, error);
    }
}

void http2_drain(struct http2_session *session)
{
    nghttp2_submit_goaway(session->ng, 0, nghttp2_session_get_last_proc_stream_id(session->ng),
                          NGHTTP2_NO_ERROR, NULL, 0);
}

unsigned http2_streams(const struct http2_session *session)
{
    return session->stream_count;
}
