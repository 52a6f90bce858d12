/*
 * What comes in. nghttp2 calls us for each field and each frame; fields are copied into the
 * stream's arena up to the limits, and a head that breaks a rule is answered here, without the
 * user's knowing.
 *
 * Floods: a peer pays with tokens for whatever costs us work and leads to nothing. Resets (its own,
 * and those it makes us send) come out of one bucket; pings, settings, priorities, window updates
 * and empty DATA out of another, into which each DATA frame that we send puts some back.
 */
#include "http/http2_inside.h"

static int flooded(struct http2_session *session)
{
    session->broken = true;
    nghttp2_session_terminate_session(session->ng, NGHTTP2_ENHANCE_YOUR_CALM);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- fields ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct http2_session *session = user;
    struct http2_stream *stream = http2_stream_find(session, frame->hd.stream_id);
    if (stream == NULL) {
        if (!session->server || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
            return 0;
        }
        stream = http2_stream_new(session, frame->hd.stream_id);
        nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, stream);
    }
    stream->head_bytes = 0;
    if (!stream->head_read) {
        stream->headers = (struct http_headers){0}; /* after an interim response */
        stream->status = SLICE_NONE;
    }
    return 0;
}

static struct slice bytes_of(nghttp2_rcbuf *rcbuf)
{
    nghttp2_vec vec = nghttp2_rcbuf_get_buf(rcbuf);
    return (struct slice){(const char *)vec.base, vec.len};
}

/* TEXT of RCBUF for as long as the stream lives. What is in HPACK's static table lives for ever. */
static struct slice keep(struct http2_stream *stream, nghttp2_rcbuf *rcbuf, struct slice text)
{
    return nghttp2_rcbuf_is_static(rcbuf) ? text : arena_slice(&stream->arena, text);
}

/* Where a pseudo-header is kept; NULL for any other name. */
static struct slice *pseudo_place(struct http2_stream *stream, struct slice name)
{
    switch (name.len) {
    case 5:
        return slice_is(name, ":path") ? &stream->path : NULL;
    case 7:
        return slice_is(name, ":method")   ? &stream->method
               : slice_is(name, ":scheme") ? &stream->scheme
               : slice_is(name, ":status") ? &stream->status
                                           : NULL;
    case 9:
        return slice_is(name, ":protocol") ? &stream->protocol : NULL;
    case 10:
        return slice_is(name, ":authority") ? &stream->authority : NULL;
    default:
        return NULL;
    }
}

/*
 * Where a regular field is put. HTTP/2 may send a cookie in crumbs (RFC 9113 section 8.2.3); to
 * everybody else it is one field, so they are kept apart until they are joined.
 */
static struct http_headers *field_place(struct http2_stream *stream, struct slice name)
{
    if (stream->head_read) {
        return &stream->trailers;
    }
    bool crumb = stream->session->server && slice_is(name, "cookie");
    return crumb ? &stream->crumbs : &stream->headers;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name_buf,
                     nghttp2_rcbuf *value_buf, uint8_t flags, void *user)
{
    (void)ng;
    (void)flags;
    struct http2_session *session = user;
    struct http2_stream *stream = http2_stream_find(session, frame->hd.stream_id);
    struct slice name = bytes_of(name_buf), value = bytes_of(value_buf);
    if (stream == NULL || stream->refuse_status != 0) {
        return 0;
    }
    enum { FIELD_COST = 32 }; /* RFC 9113 section 10.5.1 */
    stream->head_bytes += name.len + value.len + FIELD_COST;
    if (stream->head_bytes > session->limits.head_max) {
        stream->refuse_status = 431;
        return 0;
    }
    struct slice *pseudo = name.len > 0 && name.data[0] == ':' ? pseudo_place(stream, name) : NULL;
    if (pseudo != NULL) {
        *pseudo = keep(stream, value_buf, value);
        return 0;
    }
    if (!http_headers_add(field_place(stream, name), &stream->arena, keep(stream, name_buf, name),
                          keep(stream, value_buf, value))) {
        stream->refuse_status = 431;
    }
    return 0;
}

/* nghttp2 would drop the field and go on; a head with a broken field is broken as a whole. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    (void)ng;
    (void)name;
    (void)value;
    (void)flags;
    struct http2_stream *stream = http2_stream_find(user, frame->hd.stream_id);
    if (stream != NULL && stream->refuse_status == 0) {
        stream->refuse_status = 400;
    }
    return 0;
}

/* ---- frames ---- */

/* Priorities are ignored, so that nghttp2 calls nobody else for them. */
static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *head, void *user)
{
    (void)ng;
    struct http2_session *session = user;
    bool counted = head->type == NGHTTP2_PRIORITY;
    return !counted || http2_bucket_take(&session->idle_frames) ? 0 : flooded(session);
}

static void peer_ended(struct http2_stream *stream)
{
    struct http2_session *session = stream->session;
    if (stream->announced && !stream->quiet) {
        session->events.on_end(session->ctx, stream->id, &stream->trailers);
    }
}

static void request_read(struct http2_stream *stream, bool end)
{
    struct http2_session *session = stream->session;
    struct http_request *request = arena_new(&stream->arena, struct http_request);
    stream->head_read = true;
    if (!http2_head_request(stream, end, request)) {
        if (session->events.on_refused != NULL) {
            session->events.on_refused(session->ctx, stream->id, stream->refuse_status);
        }
        http2_refuse(stream, stream->refuse_status);
        return;
    }
    stream->announced = true;
    session->events.on_request(session->ctx, stream->id, &stream->arena, request, end);
}

static void response_read(struct http2_stream *stream, bool end)
{
    struct http2_session *session = stream->session;
    struct http_response *response = arena_new(&stream->arena, struct http_response);
    if (!http2_head_response(stream, end, response)) {
        stream->quiet = true;
        nghttp2_submit_rst_stream(session->ng, 0, stream->id, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    stream->head_read = response->status >= 200;
    if (!stream->quiet) {
        session->events.on_response(session->ctx, stream->id, &stream->arena, response, end);
    }
}

static void headers_read(struct http2_stream *stream, bool end)
{
    if (!stream->head_read) {
        if (stream->session->server) {
            request_read(stream, end);
        } else {
            response_read(stream, end);
        }
    } else if (stream->refuse_status != 0) { /* trailers that are too large, or broken */
        stream->quiet = true;
        nghttp2_submit_rst_stream(stream->session->ng, 0, stream->id, NGHTTP2_PROTOCOL_ERROR);
    } else if (end) {
        peer_ended(stream);
    }
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    (void)ng;
    struct http2_session *session = user;
    struct http2_stream *stream = http2_stream_find(session, frame->hd.stream_id);
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (stream != NULL) {
            headers_read(stream, end);
        }
        return 0;
    case NGHTTP2_DATA:
        if (end) {
            if (stream != NULL) {
                peer_ended(stream);
            }
            return 0;
        }
        if (frame->hd.length > frame->data.padlen) {
            return 0;
        }
        break;
    case NGHTTP2_PRIORITY:
        return 0; /* counted when it began */
    case NGHTTP2_RST_STREAM:
        if (!session->server || (stream != NULL && stream->wound_up_ms != 0)) {
            return 0; /* of a request that had its whole answer: that is no waste */
        }
        return http2_bucket_take(&session->resets) ? 0 : flooded(session);
    default:
        break;
    }
    return http2_bucket_take(&session->idle_frames) ? 0 : flooded(session);
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *user)
{
    (void)flags;
    struct http2_session *session = user;
    struct http2_stream *stream = http2_stream_find(session, id);
    /*
     * The connection's window opens at once and only the stream's waits for the user: one slow
     * stream must not hold up the others. What is held is limited by streams times window.
     */
    nghttp2_session_consume_connection(ng, len);
    if (stream == NULL || !stream->announced || stream->quiet) {
        return 0;
    }
    session->events.on_data(session->ctx, id, (struct slice){(const char *)data, len});
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error, void *user)
{
    struct http2_session *session = user;
    struct http2_stream *stream = http2_stream_find(session, id);
    if (stream == NULL) {
        return 0;
    }
    nghttp2_session_set_stream_user_data(ng, id, NULL);
    if (stream->announced) {
        session->events.on_close(session->ctx, id, error);
    }
    http2_stream_free(stream);
    return 0;
}

void http2_receive_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
