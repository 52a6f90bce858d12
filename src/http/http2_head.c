/*
 * From the fields of a header block to a message. nghttp2 has checked what RFC 9113 section 8 asks
 * for: pseudo-headers complete and first, lower-case names, no connection-specific fields, one
 * Content-Length that agrees. What is left to us is what a gateway needs beyond that: one
 * authority, the connection's own scheme, and the same alphabet as HTTP/1.1, since that is what it
 * may become.
 */
#include "http/http1_scan.h"
#include "http/http2_inside.h"
#include "http/url.h"

static bool refuse(struct http2_stream *stream, int status)
{
    stream->refuse_status = status;
    return false;
}

static bool value_is_plain(struct slice value)
{
    char *at = (char *)(uintptr_t)value.data;
    char *end = at + value.len;
    while ((at = http1_skip_text(at, end)) < end) {
        if (*at++ != '\t') {
            return false;
        }
    }
    return true;
}

/* "/path?query", or "*" of OPTIONS. */
static bool path_is_good(struct slice method, struct slice path)
{
    if (slice_is(path, "*")) {
        return slice_is(method, "OPTIONS");
    }
    if (path.len == 0 || path.data[0] != '/') {
        return false;
    }
    unsigned allowed = HTTP1_PATH;
    for (size_t i = 0; i < path.len; i++) {
        if (allowed == HTTP1_PATH && path.data[i] == '?') {
            allowed = HTTP1_QUERY;
        } else if (!http1_is(path.data[i], allowed)) {
            return false;
        }
    }
    return true;
}

/* One authority, said once or twice the same. */
static bool authority_settle(struct http2_stream *stream)
{
    const struct http_header *host = http_headers_find(&stream->headers, SLICE("host"));
    if (http_headers_count(&stream->headers, SLICE("host")) > 1) {
        return refuse(stream, 400);
    }
    if (stream->authority.len == 0 && host != NULL) {
        stream->authority = host->value;
    }
    if (host != NULL && !slice_equal_nocase(host->value, stream->authority)) {
        return refuse(stream, 400);
    }
    struct slice name;
    uint16_t port;
    if (!url_authority(&stream->arena, stream->authority, &name, &port)) {
        return refuse(stream, 400);
    }
    if (host == NULL &&
        !http_headers_add(&stream->headers, &stream->arena, SLICE("host"), stream->authority)) {
        return refuse(stream, 431);
    }
    return true;
}

static bool length_read(const struct http_headers *headers, bool end, enum http_framing *framing,
                        uint64_t *length)
{
    const struct http_header *field = http_headers_find(headers, SLICE("content-length"));
    *framing = end ? HTTP_NO_BODY : HTTP_STREAM;
    if (field == NULL) {
        return true;
    }
    if (!slice_to_u64(field->value, length)) {
        return false;
    }
    *framing = end ? HTTP_NO_BODY : HTTP_LENGTH;
    return true;
}

/* "a=1" and "b=2" become "a=1; b=2". */
static bool cookies_put(struct http2_stream *stream)
{
    const struct http_headers *crumbs = &stream->crumbs;
    size_t bytes = 0, used = 0;
    if (crumbs->count == 0) {
        return true;
    }
    for (unsigned i = 0; i < crumbs->count; i++) {
        bytes += crumbs->items[i].value.len + 2;
    }
    char *joined = arena_alloc(&stream->arena, bytes);
    for (unsigned i = 0; i < crumbs->count; i++) {
        struct slice crumb = crumbs->items[i].value;
        if (i > 0) {
            joined[used++] = ';';
            joined[used++] = ' ';
        }
        if (crumb.len > 0) {
            memcpy(joined + used, crumb.data, crumb.len);
            used += crumb.len;
        }
    }
    return http_headers_add(&stream->headers, &stream->arena, SLICE("cookie"),
                            (struct slice){joined, used});
}

static bool has_value(const struct http_headers *headers, struct slice name, struct slice value)
{
    const struct http_header *field = http_headers_find(headers, name);
    return field != NULL && slice_equal_nocase(field->value, value);
}

bool http2_head_request(struct http2_stream *stream, bool end, struct http_request *out)
{
    struct http_headers *headers = &stream->headers;
    if (stream->refuse_status != 0) {
        return false;
    }
    if (!cookies_put(stream)) {
        return refuse(stream, 431);
    }
    for (unsigned i = 0; i < headers->count; i++) {
        if (!value_is_plain(headers->items[i].value)) {
            return refuse(stream, 400);
        }
    }
    if (!authority_settle(stream)) {
        return false;
    }
    stream->tunnel = slice_is(stream->method, "CONNECT");
    if (stream->tunnel && stream->protocol.len == 0) {
        return refuse(stream, 501); /* we are nobody's forward proxy */
    }
    if (!slice_equal_nocase(stream->scheme, stream->session->scheme) ||
        !path_is_good(stream->method, stream->path)) {
        return refuse(stream, 400);
    }
    *out = (struct http_request){
        .method = stream->method,
        .scheme = stream->session->scheme,
        .authority = stream->authority,
        .path = stream->path,
        .headers = *headers,
        .version = HTTP_2,
        .keep_alive = true,
        .expect_continue = has_value(headers, SLICE("expect"), SLICE("100-continue")),
        .upgrade = stream->protocol,
        .wants_trailers = has_value(headers, SLICE("te"), SLICE("trailers")),
    };
    return length_read(headers, end, &out->framing, &out->length) || refuse(stream, 400);
}

bool http2_head_response(struct http2_stream *stream, bool end, struct http_response *out)
{
    uint64_t status;
    if (stream->refuse_status != 0) {
        return false;
    }
    if (!slice_to_u64(stream->status, &status) || status < 100 || status > 999 || status == 101) {
        return refuse(stream, 502);
    }
    *out = (struct http_response){
        .status = (int)status,
        .headers = stream->headers,
        .version = HTTP_2,
        .keep_alive = true,
    };
    return length_read(&stream->headers, end, &out->framing, &out->length) || refuse(stream, 502);
}
