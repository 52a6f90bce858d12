/*
 * What goes out. Heads are checked once more before nghttp2 takes them; content waits in the
 * stream's buffer, out of which nghttp2 takes as much as the peer's windows let it.
 */
#include "http/http1_scan.h"
#include "http/http2_inside.h"

enum {
    HIGH_WATER = 64 * 1024, /* more than this waits: stop */
    LOW_WATER = 16 * 1024,  /* less than this waits: go on */
    PSEUDO_MAX = 8,
    WINDING_MS = 1000, /* for a client to see the answer before its question is cut */
};

/*
 * A head as nghttp2 wants it: it copies what it is given, so these only point. The fields are
 * written before they are read, and not set to anything first.
 */
struct head {
    size_t count;
    bool bad;
    char status[8];
    char length[24];
    nghttp2_nv fields[HTTP_HEADERS_MAX + PSEUDO_MAX];
};

static void head_init(struct head *head)
{
    head->count = 0;
    head->bad = false;
}

/* Values that no two messages share: to put them into the peer's table only drives others out. */
static bool is_new_each_time(struct slice name)
{
    return slice_equal(name, SLICE("x-cloud-trace-context")) ||
           slice_equal(name, SLICE("traceparent"));
}

static void put(struct head *head, struct slice name, struct slice value)
{
    head->fields[head->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.data,
        .value = (uint8_t *)(uintptr_t)(value.len > 0 ? value.data : ""),
        .namelen = name.len,
        .valuelen = value.len,
        .flags = is_new_each_time(name) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
    };
}

/* What HTTP/2 says in other ways, or not at all (RFC 9113 section 8.2.2). */
static bool is_left_out(const struct http_headers *headers, struct slice name)
{
    return slice_is(name, "content-length") || http_header_is_hop_by_hop(headers, name);
}

static bool is_lower(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] >= 'A' && name.data[i] <= 'Z') {
            return false;
        }
    }
    return true;
}

static void put_fields(struct head *head, const struct http_headers *headers, bool without_host)
{
    for (unsigned i = 0; i < headers->count; i++) {
        struct slice name = headers->items[i].name, value = headers->items[i].value;
        if (is_left_out(headers, name) || (without_host && slice_is(name, "host"))) {
            continue;
        }
        if (!http1_is_token(name) || !is_lower(name) || !http1_value_is_clean(value)) {
            head->bad = true;
            return;
        }
        put(head, name, slice_trim(value));
    }
}

static void put_length(struct head *head, enum http_framing framing, uint64_t length)
{
    if (framing == HTTP_LENGTH) {
        char *at = head->length + sizeof(head->length);
        do {
            *--at = (char)('0' + length % 10);
            length /= 10;
        } while (length > 0);
        put(head, SLICE("content-length"),
            (struct slice){at, (size_t)(head->length + sizeof(head->length) - at)});
    }
}

/* ---- content ---- */

static void trailers_submit(struct http2_stream *stream)
{
    struct head head;
    head_init(&head);
    put_fields(&head, &stream->out_trailers, false);
    if (nghttp2_submit_trailer(stream->session->ng, stream->id, head.fields, head.count) != 0) {
        nghttp2_submit_rst_stream(stream->session->ng, 0, stream->id, NGHTTP2_INTERNAL_ERROR);
    }
}

/* nghttp2 asks for at most MAX bytes of content. */
static ssize_t source_read(nghttp2_session *ng, int32_t id, uint8_t *out, size_t max,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)ng;
    (void)id;
    (void)user;
    struct http2_stream *stream = source->ptr;
    struct slice waiting = buffer_slice(&stream->out);
    size_t count = waiting.len < max ? waiting.len : max;
    if (count == 0 && !stream->out_end) {
        stream->deferred = true;
        buffer_shrink(&stream->out); /* an idle stream costs nothing */
        return NGHTTP2_ERR_DEFERRED;
    }
    if (count > 0) {
        memcpy(out, waiting.data, count);
        buffer_drop(&stream->out, count);
    }
    if (stream->out_end && buffer_len(&stream->out) == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->out_trailers.count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            trailers_submit(stream);
        }
    }
    return (ssize_t)count;
}

static void source_resume(struct http2_stream *stream)
{
    if (stream->deferred) {
        stream->deferred = false;
        nghttp2_session_resume_data(stream->session->ng, stream->id);
    }
}

bool http2_data(struct http2_session *session, int32_t id, struct slice data)
{
    struct http2_stream *stream = http2_stream_find(session, id);
    if (stream == NULL || !stream->head_sent || stream->out_end) {
        return true; /* it goes nowhere: nothing waits */
    }
    if (data.len > 0 && !buffer_add(&stream->out, data)) {
        http2_reset(session, id, NGHTTP2_INTERNAL_ERROR);
        return true;
    }
    if (data.len > 0) {
        source_resume(stream);
    }
    if (buffer_len(&stream->out) <= HIGH_WATER) {
        return true;
    }
    session->blocked_count += !stream->blocked;
    stream->blocked = true;
    return false;
}

void http2_end(struct http2_session *session, int32_t id, const struct http_headers *trailers)
{
    struct http2_stream *stream = http2_stream_find(session, id);
    if (stream == NULL || !stream->head_sent || stream->out_end) {
        return;
    }
    for (unsigned i = 0; trailers != NULL && i < trailers->count; i++) {
        const struct http_header *field = &trailers->items[i];
        if (!is_left_out(trailers, field->name) && http1_is_token(field->name)) {
            http_headers_add(&stream->out_trailers, &stream->arena,
                             arena_slice(&stream->arena, field->name),
                             arena_slice(&stream->arena, field->value));
        }
    }
    stream->out_end = true;
    source_resume(stream);
}

/* ---- heads ---- */

static bool submit_final(struct http2_stream *stream, const struct head *head, bool end)
{
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = source_read};
    if (nghttp2_submit_response(stream->session->ng, stream->id, head->fields, head->count,
                                end ? NULL : &provider) != 0) {
        return false;
    }
    stream->head_sent = true;
    stream->out_end = end;
    return true;
}

bool http2_respond(struct http2_session *session, int32_t id, const struct http_response *response,
                   bool end)
{
    struct http2_stream *stream = http2_stream_find(session, id);
    if (stream == NULL || stream->head_sent || response->status < 100 || response->status > 999 ||
        response->status == 101) {
        return false;
    }
    struct head head;
    head_init(&head);
    head.status[0] = (char)('0' + response->status / 100);
    head.status[1] = (char)('0' + response->status / 10 % 10);
    head.status[2] = (char)('0' + response->status % 10);
    put(&head, SLICE(":status"), (struct slice){head.status, 3});
    put_fields(&head, &response->headers, false);
    bool good = !head.bad;
    if (good && response->status < 200) {
        good = nghttp2_submit_headers(session->ng, 0, id, NULL, head.fields, head.count, NULL) == 0;
    } else if (good) {
        put_length(&head, response->framing, response->length);
        good = submit_final(stream, &head, end);
    }
    return good;
}

void http2_refuse(struct http2_stream *stream, int status)
{
    stream->quiet = true;
    struct http_response response = {.status = status};
    if (!http2_respond(stream->session, stream->id, &response, true)) {
        nghttp2_submit_rst_stream(stream->session->ng, 0, stream->id, NGHTTP2_PROTOCOL_ERROR);
    }
}

/* Whether the peer lets us open one stream more, of that kind, now. */
static bool may_open(struct http2_session *session, const struct http_request *request)
{
    uint32_t allowed =
        nghttp2_session_get_remote_settings(session->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    bool connect = nghttp2_session_get_remote_settings(
                       session->ng, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
    return !session->server && !session->broken && session->stream_count < allowed &&
           nghttp2_session_check_request_allowed(session->ng) != 0 &&
           (request->upgrade.len == 0 || connect);
}

static void request_head(const struct http_request *request, struct head *head)
{
    head_init(head);
    const struct http_header *host = http_headers_find(&request->headers, SLICE("host"));
    struct slice authority =
        request->authority.len > 0 || host == NULL ? request->authority : host->value;
    bool tunnel = request->upgrade.len > 0;
    const struct slice values[] = {request->method, request->scheme, authority, request->path,
                                   request->upgrade};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        head->bad |= !http1_value_is_clean(values[i]);
    }
    put(head, SLICE(":method"), tunnel ? SLICE("CONNECT") : request->method);
    put(head, SLICE(":scheme"), request->scheme.len > 0 ? request->scheme : SLICE("http"));
    if (authority.len > 0) {
        put(head, SLICE(":authority"), authority);
    }
    put(head, SLICE(":path"), request->path);
    if (tunnel) {
        put(head, SLICE(":protocol"), request->upgrade);
    }
    put_fields(head, &request->headers, true);
    if (request->wants_trailers) {
        put(head, SLICE("te"), SLICE("trailers"));
    }
    put_length(head, request->framing, request->length);
    head->bad |= request->method.len == 0 || request->path.len == 0;
}

int32_t http2_request(struct http2_session *session, const struct http_request *request, bool end)
{
    if (!may_open(session, request)) {
        return -1;
    }
    struct head head;
    int32_t id = -1;
    request_head(request, &head);
    if (!head.bad) {
        struct http2_stream *stream = http2_stream_new(session, 0);
        nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = source_read};
        id = nghttp2_submit_request(session->ng, NULL, head.fields, head.count,
                                    end ? NULL : &provider, stream);
        if (id < 0) {
            http2_stream_free(stream);
        } else {
            stream->id = id;
            stream->announced = stream->head_sent = true;
            stream->tunnel = request->upgrade.len > 0;
            stream->out_end = end;
        }
    }
    return id;
}

/* ---- frames that have left ---- */

/*
 * The answer is complete before the question. The user is done with the stream; but a reset right
 * behind the answer makes clients forget the answer (curl does), so the rest of the question gets a
 * moment to end on its own. What comes is dropped, at most what the stream's window still lets
 * come.
 */
static void wind(struct http2_stream *stream)
{
    struct http2_session *session = stream->session;
    bool tell = stream->announced;
    stream->wound_up_ms = session->now_ms + WINDING_MS;
    session->winding_count++;
    stream->announced = false;
    stream->quiet = true;
    if (tell) {
        session->events.on_close(session->ctx, stream->id, NGHTTP2_NO_ERROR);
    }
    arena_done(&stream->arena); /* the head is not read any more, and such streams may be many */
}

void http2_wind_up(struct http2_session *session)
{
    for (struct http2_stream *stream = session->streams;
         stream != NULL && session->winding_count > 0; stream = stream->next) {
        if (stream->wound_up_ms != 0 && stream->wound_up_ms <= session->now_ms) {
            stream->wound_up_ms = 0;
            session->winding_count--;
            stream->reset_by_us = true;
            nghttp2_submit_rst_stream(session->ng, 0, stream->id, NGHTTP2_NO_ERROR);
        }
    }
}

static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    struct http2_session *session = user;
    struct http2_stream *stream = http2_stream_find(session, frame->hd.stream_id);
    bool has_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (frame->hd.type == NGHTTP2_DATA) {
        enum { GIVEN_BACK = 4 }; /* window updates and pings that one DATA frame may bring about */
        http2_bucket_fill(&session->idle_frames, GIVEN_BACK * 1000);
    }
    if (has_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && session->server &&
        stream != NULL && !stream->tunnel && stream->wound_up_ms == 0 &&
        nghttp2_session_get_stream_remote_close(ng, frame->hd.stream_id) == 0) {
        wind(stream);
    }
    /* A reset that the peer has provoked costs it as much as one of its own. */
    if (frame->hd.type == NGHTTP2_RST_STREAM && session->server && !session->broken &&
        (stream == NULL || !stream->reset_by_us) && !http2_bucket_take(&session->resets)) {
        session->broken = true;
        nghttp2_session_terminate_session(ng, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return 0;
}

void http2_send_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
}

static void writable_tell(struct http2_session *session)
{
    for (struct http2_stream *stream = session->streams;
         stream != NULL && session->blocked_count > 0; stream = stream->next) {
        if (!stream->blocked || buffer_len(&stream->out) > LOW_WATER) {
            continue;
        }
        stream->blocked = false;
        session->blocked_count--;
        if (!stream->quiet) {
            session->events.on_writable(session->ctx, stream->id);
        }
    }
}

bool http2_output(struct http2_session *session, struct buffer *out)
{
    bool moved = false;
    for (;;) {
        if (session->pending.len == 0) {
            const uint8_t *data;
            ssize_t count = nghttp2_session_mem_send(session->ng, &data);
            if (count <= 0) {
                session->broken |= count < 0;
                break;
            }
            session->pending = (struct slice){(const char *)data, (size_t)count};
        }
        size_t room = out->max - buffer_len(out);
        struct slice part = slice_upto(session->pending, room);
        if (part.len == 0) {
            break;
        }
        buffer_add(out, part);
        session->pending = slice_from(session->pending, part.len);
        moved = true;
    }
    writable_tell(session);
    return moved;
}
