/*
 * Responses of a container. The first byte chooses the request's method and the pieces; whole and
 * in pieces must agree, and a response that was taken must be written as one that is taken again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http1_limits limits = {.target_max = 0, .head_max = 2048};

static enum http1_outcome read_head(struct arena *arena, struct slice input, size_t piece,
                                    struct slice method, struct http_response *out, size_t *head)
{
    char *bytes = arena_string(arena, input);
    struct http1_fault fault = {0};
    size_t scanned = 0;
    enum http1_outcome got = HTTP1_MORE;
    for (size_t count = 0; got == HTTP1_MORE && count < input.len;) {
        count = input.len - count < piece ? input.len : count + piece;
        got =
            http1_read_response(bytes, count, &scanned, &limits, method, arena, out, head, &fault);
    }
    assert(got != HTTP1_BAD || (fault.status == 502 && fault.why != NULL));
    return got;
}

static void write_again(struct arena *arena, const struct http_response *response,
                        struct slice method)
{
    struct buffer out = BUFFER_INIT(16384);
    struct http1_limits wide = {.target_max = 0, .head_max = 16384};
    struct http_response again;
    struct http1_fault fault;
    size_t scanned = 0, head = 0;
    if (http1_write_response(&out, response, method, SLICE("x"))) {
        enum http1_outcome got =
            http1_read_response(out.data + out.head, buffer_len(&out), &scanned, &wide, method,
                                arena, &again, &head, &fault);
        assert(got == HTTP1_DONE && head == buffer_len(&out));
        assert(again.status == response->status && again.framing == response->framing);
    }
    buffer_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct slice method = (data[0] & 1) != 0 ? SLICE("HEAD") : SLICE("GET");
    size_t piece = (size_t)(data[0] >> 1) + 1;
    struct slice input = {(const char *)data + 1, size - 1};
    auto_arena arena = {0};
    struct http_response whole, parts;
    size_t head = 0, head_parts = 0;
    if (read_head(&arena, input, input.len, method, &whole, &head) != HTTP1_DONE) {
        return 0;
    }
    assert(read_head(&arena, input, piece, method, &parts, &head_parts) == HTTP1_DONE);
    assert(head == head_parts && whole.status == parts.status && whole.framing == parts.framing);
    assert(head <= input.len && whole.headers.count == parts.headers.count);
    write_again(&arena, &whole, method);
    return 0;
}
