/*
 * Bodies on their way in, RFC 9112 sections 6 and 7. Content is never copied: feed() points into
 * what it is given. Chunk lines are read byte by byte by a small machine, so that they may come in
 * any pieces; the trailers are gathered, as they are few, and read as a whole when their empty line
 * is there.
 */
#include "http/http1_scan.h"

enum {
    CHUNK_LINE_MAX = 1024,
    TRAILERS_MAX = 16384,
    SIZE_DIGITS_MAX = 15,
};

enum state {
    SIZE_FIRST, /* the first digit of a chunk's size */
    SIZE,
    EXTENSION,
    SIZE_FEED, /* the line feed behind size and extension */
    DATA,
    DATA_RETURN,
    DATA_FEED,
    TRAILERS,
    ENDED,
};

void http1_body_init(struct http1_body *body, enum http_framing framing, uint64_t length)
{
    *body = (struct http1_body){
        .framing = framing,
        .state = framing == HTTP_CHUNKED ? SIZE_FIRST : DATA,
        .left = framing == HTTP_LENGTH ? length : 0,
        .trailer_bytes = BUFFER_INIT(TRAILERS_MAX),
    };
}

void http1_body_done(struct http1_body *body)
{
    buffer_done(&body->trailer_bytes);
}

static enum http1_outcome refuse(struct http1_fault *fault, const char *why)
{
    *fault = (struct http1_fault){.status = 400, .why = why};
    return HTTP1_BAD;
}

/*
 * Fields that frame, route or authorise a message mean nothing, or harm, behind its body: RFC 9110
 * section 6.5.1 lets a recipient drop them.
 */
static bool may_be_trailer(struct slice name)
{
    static const char *const never[] = {
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-proto",
        "forwarded",
        "x-serverless-authorization",
    };
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        if (slice_is(name, never[i])) {
            return false;
        }
    }
    return true;
}

static enum http1_outcome read_trailers(struct http1_body *body, struct arena *arena,
                                        struct http1_fault *fault)
{
    size_t length = buffer_len(&body->trailer_bytes);
    char *at = arena_string(arena, buffer_slice(&body->trailer_bytes));
    char *end = at + length - 2;
    while (at < end) {
        struct http_header field;
        const char *why = "A trailer is broken.";
        if (http1_read_field(&at, end, false, &field, &why) != HTTP1_DONE) {
            return refuse(fault, why);
        }
        if (may_be_trailer(field.name) &&
            !http_headers_add(&body->trailers, arena, field.name, field.value)) {
            return refuse(fault, "There are too many trailers.");
        }
    }
    body->state = ENDED;
    return HTTP1_DONE;
}

/* Takes trailer lines up to the empty one. */
static enum http1_outcome take_trailers(struct http1_body *body, struct slice input,
                                        struct arena *arena, size_t *used,
                                        struct http1_fault *fault)
{
    while (*used < input.len) {
        struct slice rest = slice_from(input, *used);
        ptrdiff_t feed = slice_find(rest, '\n');
        struct slice piece = feed < 0 ? rest : slice_upto(rest, (size_t)feed + 1);
        if (!buffer_add(&body->trailer_bytes, piece)) {
            return refuse(fault, "The trailers are too large.");
        }
        *used += piece.len;
        body->line += piece.len;
        if (feed < 0) {
            return HTTP1_MORE;
        }
        if (!slice_ends(buffer_slice(&body->trailer_bytes), SLICE("\r\n"))) {
            return refuse(fault, "A line feed stands alone.");
        }
        if (body->line == 2) {
            return read_trailers(body, arena, fault);
        }
        body->line = 0;
    }
    return HTTP1_MORE;
}

static int hex_value(char c)
{
    if (!http1_is(c, HTTP1_HEX)) {
        return -1;
    }
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* One byte of what stands between the contents of two chunks. NULL, or what is wrong with it. */
static const char *step(struct http1_body *body, char c)
{
    switch ((enum state)body->state) {
    case SIZE_FIRST:
    case SIZE: {
        int digit = hex_value(c);
        if (digit >= 0) {
            body->left = body->left * 16 + (unsigned)digit;
            body->state = SIZE;
            return ++body->line > SIZE_DIGITS_MAX ? "A chunk is too large." : NULL;
        }
        if (body->state == SIZE_FIRST || (c != '\r' && c != ';')) {
            return "A chunk's size is not a hexadecimal number.";
        }
        body->state = c == '\r' ? SIZE_FEED : EXTENSION;
        return NULL;
    }
    case EXTENSION:
        if (c == '\r') {
            body->state = SIZE_FEED;
            return NULL;
        }
        if (c != '\t' && (unsigned char)(c - 0x20) >= 0x5f) {
            return "A chunk's extension has a byte that must not be there.";
        }
        return ++body->line > CHUNK_LINE_MAX ? "A chunk's extension is too long." : NULL;
    case SIZE_FEED:
        body->state = body->left > 0 ? DATA : TRAILERS;
        body->line = 0;
        return c == '\n' ? NULL : "A carriage return stands alone.";
    case DATA_RETURN:
        body->state = DATA_FEED;
        return c == '\r' ? NULL : "A chunk is longer than its size.";
    case DATA_FEED:
        body->state = SIZE_FIRST;
        return c == '\n' ? NULL : "A carriage return stands alone.";
    case DATA:
    case TRAILERS:
    case ENDED:
        break;
    }
    return NULL;
}

static enum http1_outcome feed_chunked(struct http1_body *body, struct slice input,
                                       struct arena *arena, size_t *used, struct slice *data,
                                       struct http1_fault *fault)
{
    while (*used < input.len) {
        if (body->state == DATA) {
            *data = slice_from(input, *used);
            if (data->len >= body->left) {
                *data = slice_upto(*data, (size_t)body->left);
                body->state = DATA_RETURN;
            }
            body->left -= data->len;
            *used += data->len;
            return HTTP1_MORE;
        }
        if (body->state == TRAILERS) {
            return take_trailers(body, input, arena, used, fault);
        }
        const char *why = step(body, input.data[*used]);
        if (why != NULL) {
            return refuse(fault, why);
        }
        (*used)++;
    }
    return HTTP1_MORE;
}

enum http1_outcome http1_body_feed(struct http1_body *body, struct slice input, struct arena *arena,
                                   size_t *used, struct slice *data, struct http1_fault *fault)
{
    *used = 0;
    *data = (struct slice){input.data, 0};
    if (body->state == ENDED) {
        return HTTP1_DONE;
    }
    switch (body->framing) {
    case HTTP_CHUNKED:
        return feed_chunked(body, input, arena, used, data, fault);
    case HTTP_LENGTH:
        *data = input.len < body->left ? input : slice_upto(input, (size_t)body->left);
        body->left -= data->len;
        *used = data->len;
        if (body->left > 0) {
            return HTTP1_MORE;
        }
        break;
    case HTTP_UNTIL_CLOSE:
    case HTTP_STREAM:
        *data = input;
        *used = input.len;
        return HTTP1_MORE;
    case HTTP_NO_BODY:
        break;
    }
    body->state = ENDED;
    return HTTP1_DONE;
}
