/*
 * An HTTP message, whatever its version: the common form that parsers fill and drivers pass on.
 * All slices point into memory of the connection or the call; they live as long as the exchange.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct http_header {
    struct slice name;  /* lower case */
    struct slice value; /* without white space at the ends */
};

enum { HTTP_HEADERS_MAX = 256 }; /* fields in one message; more is 431 */

struct http_headers {
    struct http_header *items;
    uint16_t count;
    uint16_t capacity;
};

enum http_version { HTTP_1_0, HTTP_1_1, HTTP_2 };

/* How a body's end is known (RFC 9112 section 6.3; HTTP/2: by END_STREAM). */
enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE, HTTP_STREAM };

struct http_request {
    struct slice method; /* case-sensitive */
    struct slice scheme; /* "http" or "https": of the connection, or of an absolute target */
    struct slice
        authority;     /* of an absolute target, else Host or :authority; "" if none (HTTP/1.0) */
    struct slice path; /* target as received, from the first '/', with query; "*" for OPTIONS * */
    struct http_headers headers; /* without pseudo-headers; Host is in it */
    enum http_version version;
    enum http_framing framing;
    uint64_t length; /* of HTTP_LENGTH */
    bool keep_alive;
    bool expect_continue;
    bool absolute_form; /* the target named its authority (RFC 9112 section 3.2.2) */
    struct slice
        upgrade;         /* protocol asked for by "Connection: upgrade", or :protocol; "" if none */
    bool wants_trailers; /* TE: trailers */
};

struct http_response {
    int status;
    struct http_headers headers;
    enum http_version version;
    enum http_framing framing;
    uint64_t length;
    bool keep_alive;
};

/* The first field of that (lower-case) name; NULL if none. */
const struct http_header *http_headers_find(const struct http_headers *headers, struct slice name);

/* How many fields have that name. */
unsigned http_headers_count(const struct http_headers *headers, struct slice name);

/* Appends; grows in ARENA. False once HTTP_HEADERS_MAX is reached. Nothing is copied but the pair
 * of slices. */
bool http_headers_add(struct http_headers *headers, struct arena *arena, struct slice name,
                      struct slice value);

/*
 * Whether NAME is WANTED (both lower case), or a spelling that a server could take for it: CGI and
 * what descends from it (RFC 3875 section 4.1.18) turn '-' into '_', and some servers all that is
 * no letter or digit. PREFIX: whether it begins so.
 */
bool http_name_reads_as(struct slice name, struct slice wanted, bool prefix);

/* Fields that belong to one hop alone, also those that Connection lists (RFC 9110 section 7.6.1).
 */
bool http_header_is_hop_by_hop(const struct http_headers *headers, struct slice name);

/* "Forbidden" for 403; "" for a status that has no registered name. */
struct slice http_reason(int status);
