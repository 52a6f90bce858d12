/*
 * Requests on one connection. The first byte tells in what pieces the rest comes. What is read
 * whole and what is read in pieces must agree, a request that was taken must be written as one that
 * is taken again, and a body must never give out more than came in.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http1_limits limits = {.target_max = 256, .head_max = 2048};

struct reading {
    enum http1_outcome outcome;
    struct http_request request;
    size_t head;
    struct http1_fault fault;
};

static struct reading read_head(struct arena *arena, struct slice input, size_t piece)
{
    struct reading reading = {.outcome = HTTP1_MORE};
    char *bytes = arena_string(arena, input);
    size_t scanned = 0;
    for (size_t count = 0; reading.outcome == HTTP1_MORE && count < input.len;) {
        count = input.len - count < piece ? input.len : count + piece;
        reading.outcome = http1_read_request(bytes, count, &scanned, &limits, arena,
                                             &reading.request, &reading.head, &reading.fault);
    }
    assert(reading.outcome != HTTP1_BAD || (reading.fault.status >= 400 && reading.fault.why));
    return reading;
}

static void write_again(struct arena *arena, const struct http_request *request)
{
    struct buffer out = BUFFER_INIT(16384);
    /* CONNECT, and a Host that HTTP/1.0 may leave out, are not for writing. */
    if (request->path.len > 0 && request->authority.len > 0 && http1_write_request(&out, request)) {
        struct http1_limits wide = {.target_max = 4096, .head_max = 16384};
        struct http_request again;
        struct http1_fault fault;
        size_t scanned = 0, head = 0;
        enum http1_outcome got = http1_read_request(out.data + out.head, buffer_len(&out), &scanned,
                                                    &wide, arena, &again, &head, &fault);
        assert(got == HTTP1_DONE && head == buffer_len(&out));
        assert(slice_equal(again.method, request->method));
        assert(slice_equal(again.path, request->path));
        assert(slice_equal(again.authority, request->authority));
        assert(again.framing == request->framing && again.length == request->length);
    }
    buffer_done(&out);
}

/* Where the body ends, how much it held, and how it came out. */
static enum http1_outcome read_body(struct arena *arena, const struct http_request *request,
                                    struct slice input, size_t piece, size_t *end, size_t *content)
{
    struct http1_body body;
    struct http1_fault fault;
    enum http1_outcome got = HTTP1_MORE;
    *end = *content = 0;
    http1_body_init(&body, request->framing, request->length);
    for (size_t used = 1; got == HTTP1_MORE && used > 0;) {
        struct slice part = slice_upto(slice_from(input, *end), piece);
        struct slice data;
        got = http1_body_feed(&body, part, arena, &used, &data, &fault);
        if (got != HTTP1_BAD) {
            assert(used <= part.len && data.len <= used);
            *end += used;
            *content += data.len;
        }
    }
    http1_body_done(&body);
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t piece = (size_t)data[0] + 1;
    struct slice input = {(const char *)data + 1, size - 1};
    for (int requests = 0; input.len > 0 && requests < 16; requests++) {
        auto_arena arena = {0};
        struct reading whole = read_head(&arena, input, input.len);
        struct reading parts = read_head(&arena, input, piece);
        if (whole.outcome == HTTP1_DONE) {
            assert(parts.outcome == HTTP1_DONE && parts.head == whole.head);
            assert(whole.head <= input.len && whole.head <= limits.head_max);
            assert(parts.request.headers.count == whole.request.headers.count);
            write_again(&arena, &whole.request);
        }
        if (whole.outcome != HTTP1_DONE) {
            break;
        }
        input = slice_from(input, whole.head);
        size_t end, content, end_parts, content_parts;
        enum http1_outcome one = read_body(&arena, &whole.request, input, SIZE_MAX, &end, &content);
        enum http1_outcome other =
            read_body(&arena, &whole.request, input, piece, &end_parts, &content_parts);
        assert(one == other);
        if (one != HTTP1_DONE) {
            break;
        }
        assert(end == end_parts && content == content_parts);
        input = slice_from(input, end);
    }
    return 0;
}
