#include "http/http2_inside.h"

#include <stdlib.h>

#include "base/memory.h"

/* A stream's output buffer holds what one http2_data() brings on top of the 64 KiB mark. */
enum {
    OUT_MAX = 64 << 20,
    SPARE_BYTES = 8192, /* arenas that grew beyond this are not kept */
};

struct http2_stream *http2_stream_new(struct http2_session *session, int32_t id)
{
    struct http2_stream *stream = mem_bytes(sizeof(*stream)); /* which is quicker than mem_new() */
    *stream = (struct http2_stream){.session = session, .id = id};
    if (session->spare_count > 0) {
        stream->arena = session->spares[--session->spare_count];
    }
    stream->out = BUFFER_INIT(OUT_MAX);
    stream->next = session->streams;
    if (session->streams != NULL) {
        session->streams->previous = stream;
    }
    session->streams = stream;
    session->stream_count++;
    return stream;
}

/*
 * Keeps the memory of a stream for the next one: under load they come and go by the thousand. A
 * connection without streams keeps nothing.
 */
static void arena_give(struct http2_session *session, struct arena *arena)
{
    arena_reset(arena);
    if (session->stream_count > 0 && session->spare_count < SPARES_MAX && arena->blocks != NULL &&
        arena->left <= SPARE_BYTES) {
        session->spares[session->spare_count++] = *arena;
    } else {
        arena_done(arena);
    }
    while (session->stream_count == 0 && session->spare_count > 0) {
        arena_done(&session->spares[--session->spare_count]);
    }
}

void http2_stream_free(struct http2_stream *stream)
{
    struct http2_session *session = stream->session;
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        session->streams = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    session->stream_count--;
    session->blocked_count -= stream->blocked;
    session->winding_count -= stream->wound_up_ms != 0;
    if (session->recent == stream) {
        session->recent = NULL;
    }
    buffer_done(&stream->out);
    arena_give(session, &stream->arena);
    free(stream);
}

struct http2_stream *http2_stream_find(struct http2_session *session, int32_t id)
{
    struct http2_stream *stream = session->recent;
    if (stream != NULL && stream->id == id) {
        return stream; /* each field and each frame of it asks */
    }
    stream = nghttp2_session_get_stream_user_data(session->ng, id);
    if (stream != NULL) {
        session->recent = stream;
    }
    if (stream != NULL || session->server) {
        return stream;
    }
    /* A request that is still queued is not known to nghttp2 by its number. */
    for (stream = session->streams; stream != NULL && stream->id != id;) {
        stream = stream->next;
    }
    return stream;
}

bool http2_bucket_take(struct http2_bucket *bucket)
{
    if (bucket->milli < 1000) {
        return false;
    }
    bucket->milli -= 1000;
    return true;
}

void http2_bucket_fill(struct http2_bucket *bucket, int64_t milli)
{
    int64_t room = bucket->burst * 1000 - bucket->milli;
    bucket->milli += milli < room ? milli : room;
}
