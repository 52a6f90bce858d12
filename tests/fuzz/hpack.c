/*
 * An HTTP/2 server behind its preface. The first byte says whether the rest is frames as they are,
 * or one header block that is put into a frame; and how large the pieces are in which it comes.
 * Whoever is told of a stream is told of its end, and a head that comes through keeps its promises.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "http/http2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct server {
    struct http2_session *session;
    int open;
};

static void on_request(void *ctx, int32_t stream, struct arena *arena,
                       const struct http_request *request, bool end)
{
    struct server *server = ctx;
    (void)arena;
    server->open++;
    assert(request->authority.len > 0 && slice_is(request->scheme, "https"));
    assert(slice_starts(request->path, SLICE("/")) || slice_is(request->path, "*"));
    assert(http_headers_count(&request->headers, SLICE("host")) == 1);
    assert(http_headers_count(&request->headers, SLICE("cookie")) <= 1);
    assert(http_headers_find(&request->headers, SLICE("connection")) == NULL);
    assert(http_headers_find(&request->headers, SLICE("transfer-encoding")) == NULL);
    for (unsigned i = 0; i < request->headers.count; i++) {
        struct slice name = request->headers.items[i].name;
        struct slice value = request->headers.items[i].value;
        assert(name.len > 0 && name.data[0] != ':');
        assert(slice_find(value, '\n') < 0 && slice_find(value, '\r') < 0);
        assert(slice_find(value, '\0') < 0);
    }
    struct http_response response = {.status = 200};
    if (end) {
        assert(http2_respond(server->session, stream, &response, true));
    } else {
        http2_respond(server->session, stream, &response, false);
    }
}

static void on_data(void *ctx, int32_t stream, struct slice data)
{
    struct server *server = ctx;
    assert(server->open > 0);
    http2_data(server->session, stream, data);
    http2_consume(server->session, stream, data.len);
}

static void on_end(void *ctx, int32_t stream, const struct http_headers *trailers)
{
    struct server *server = ctx;
    assert(server->open > 0);
    http2_end(server->session, stream, trailers);
}

static void on_writable(void *ctx, int32_t stream)
{
    (void)ctx;
    (void)stream;
}

static void on_close(void *ctx, int32_t stream, uint32_t error)
{
    struct server *server = ctx;
    (void)stream;
    (void)error;
    server->open--;
    assert(server->open >= 0);
}

static const struct http2_events events = {
    .on_request = on_request,
    .on_data = on_data,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_close = on_close,
};

static void frame_head(struct buffer *out, size_t length, char type, char flags, char stream)
{
    const char head[9] = {
        (char)(length >> 16), (char)(length >> 8), (char)length, type, flags, 0, 0, 0, stream};
    buffer_add(out, (struct slice){head, sizeof(head)});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 16000) {
        return 0;
    }
    struct server server = {0};
    struct buffer in = BUFFER_INIT(1 << 20), out = BUFFER_INIT(1 << 16);
    struct slice input = {(const char *)data + 1, size - 1};
    size_t piece = (data[0] & 0x7f) == 0 ? SIZE_MAX : data[0] & 0x7f;
    server.session = http2_server_new(NULL, SLICE("https"), &events, &server);
    buffer_add_text(&in, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame_head(&in, 0, 4, 0, 0);
    if ((data[0] & 0x80) != 0) {
        frame_head(&in, input.len, 1, 5, 1);
    }
    buffer_add(&in, input);
    bool good = true;
    while (good && buffer_len(&in) > 0) {
        struct slice part = slice_upto(buffer_slice(&in), piece);
        good = http2_input(server.session, part);
        buffer_drop(&in, part.len);
        while (http2_output(server.session, &out)) {
            buffer_clear(&out);
        }
    }
    assert((int)http2_streams(server.session) >= server.open);
    http2_free(server.session);
    buffer_done(&in);
    buffer_done(&out);
    return 0;
}
