/*
 * HTTP/1.1 by the letter of RFC 9112, and nothing lenient: what two parsers could read differently
 * is refused (bare LF, obs-fold, space before colon, both Content-Length and Transfer-Encoding,
 * repeated or odd lengths, "chunked" not last…). Bytes in, events out; no sockets, no state
 * outside.
 */
#pragma once

#include "base/buffer.h"
#include "http/message.h"

struct http1_limits {
    size_t target_max; /* bytes of the request target; over it 414 */
    size_t head_max;   /* bytes of a whole head; over it 431 */
};

enum http1_outcome {
    HTTP1_MORE, /* not complete yet */
    HTTP1_DONE,
    HTTP1_BAD, /* answer status, then close */
};

struct http1_fault {
    int status;      /* 400, 414, 431, 501, 505; for a response always 502 */
    const char *why; /* a static sentence */
};

/*
 * Looks for one request head at the front of BYTES. SCANNED remembers how much earlier calls have
 * already searched for the end (start with 0), so that a slow sender costs nothing quadratic.
 * On DONE: *out is filled (slices into BYTES, which is lower-cased in place in header names; the
 * array of headers from ARENA) and *head_bytes is the length of the head with its empty line.
 */
enum http1_outcome http1_read_request(char *bytes, size_t count, size_t *scanned,
                                      const struct http1_limits *limits, struct arena *arena,
                                      struct http_request *out, size_t *head_bytes,
                                      struct http1_fault *fault);

/* Like the function above, for a response head. METHOD is the request's: responses to HEAD, and
 * 1xx, 204, 304 have no body. */
enum http1_outcome http1_read_response(char *bytes, size_t count, size_t *scanned,
                                       const struct http1_limits *limits, struct slice method,
                                       struct arena *arena, struct http_response *out,
                                       size_t *head_bytes, struct http1_fault *fault);

/* A body on its way in: init with the framing of its head, then feed. */
struct http1_body {
    enum http_framing framing;
    int state;
    uint64_t left; /* of the length, or of the chunk */
    size_t line;   /* bytes of the chunk line or the trailers so far: both are limited */
    struct http_headers trailers; /* filled when the body is done */
    struct buffer trailer_bytes;
};

void http1_body_init(struct http1_body *body, enum http_framing framing, uint64_t length);
void http1_body_done(struct http1_body *body);

/*
 * Takes from INPUT as far as it goes: *used bytes were consumed, and DATA (a part of INPUT, may be
 * empty) is content. Call again with the rest until *used is 0 or the outcome is not MORE.
 * DONE: the body has ended, trailers (in ARENA) are in body->trailers.
 */
enum http1_outcome http1_body_feed(struct http1_body *body, struct slice input, struct arena *arena,
                                   size_t *used, struct slice *data, struct http1_fault *fault);

/*
 * Heads on their way out. Names and values are checked once more: a CR, LF or NUL in one is never
 * written (false). Framing fields (Content-Length, Transfer-Encoding, Connection, Upgrade) are made
 * from the struct, and fields of those names in headers are left out.
 */
bool http1_write_request(struct buffer *out, const struct http_request *request);
bool http1_write_response(struct buffer *out, const struct http_response *response,
                          struct slice method, struct slice upgrade);

/* One chunk, and the end of a chunked body with its trailers (may be NULL). */
bool http1_write_chunk(struct buffer *out, struct slice data);
bool http1_write_last_chunk(struct buffer *out, const struct http_headers *trailers);
