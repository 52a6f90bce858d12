/*
 * Heads on their way out. Fields that frame the message or belong to the connection are made here
 * from the struct alone, whatever the list of headers says: so no head can contradict the body that
 * follows it. What comes from elsewhere is checked byte by byte before it is written, and nothing
 * of a head that fails the check stays in the buffer.
 */
#include "http/http1_scan.h"

/* Fields that are never copied from the list, by the length of their name. */
static bool is_made_here(struct slice name)
{
    switch (name.len) {
    case 7:
        return slice_equal_nocase(name, SLICE("upgrade"));
    case 10:
        return slice_equal_nocase(name, SLICE("connection")) ||
               slice_equal_nocase(name, SLICE("keep-alive"));
    case 14:
        return slice_equal_nocase(name, SLICE("content-length"));
    case 17:
        return slice_equal_nocase(name, SLICE("transfer-encoding"));
    default:
        return false;
    }
}

static char *put(char *at, struct slice text)
{
    if (text.len > 0) {
        memcpy(at, text.data, text.len);
    }
    return at + text.len;
}

static bool put_text(struct buffer *out, struct slice a, struct slice b, struct slice c)
{
    return buffer_add(out, a) && buffer_add(out, b) && buffer_add(out, c);
}

static bool put_field(struct buffer *out, struct slice name, struct slice value)
{
    if (!http1_is_token(name) || !http1_value_is_clean(value)) {
        return false;
    }
    char *at = buffer_reserve(out, name.len + value.len + 4);
    if (at == NULL) {
        return false;
    }
    at = put(at, name);
    *at++ = ':';
    *at++ = ' ';
    at = put(at, value);
    *at++ = '\r';
    *at++ = '\n';
    buffer_commit(out, name.len + value.len + 4);
    return true;
}

static bool put_fields(struct buffer *out, const struct http_headers *headers, const char *but,
                       const char *but_too)
{
    for (size_t i = 0; i < headers->count; i++) {
        const struct http_header *field = &headers->items[i];
        if (is_made_here(field->name) || (but != NULL && slice_is(field->name, but)) ||
            (but_too != NULL && slice_is(field->name, but_too))) {
            continue;
        }
        if (!put_field(out, field->name, field->value)) {
            return false;
        }
    }
    return true;
}

static bool put_length(struct buffer *out, uint64_t length)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    do {
        *--at = (char)('0' + length % 10);
        length /= 10;
    } while (length > 0);
    return put_text(out, SLICE("Content-Length: "),
                    (struct slice){at, (size_t)(digits + sizeof(digits) - at)}, SLICE("\r\n"));
}

static bool put_framing(struct buffer *out, enum http_framing framing, uint64_t length)
{
    switch (framing) {
    case HTTP_LENGTH:
        return put_length(out, length);
    case HTTP_CHUNKED:
    case HTTP_STREAM:
        return buffer_add(out, SLICE("Transfer-Encoding: chunked\r\n"));
    case HTTP_NO_BODY:
    case HTTP_UNTIL_CLOSE:
        break;
    }
    return true;
}

static bool put_connection(struct buffer *out, struct slice upgrade, bool close, bool trailers)
{
    if (upgrade.len > 0) {
        return http1_value_is_clean(upgrade) &&
               put_text(out, SLICE("Connection: upgrade\r\nUpgrade: "), upgrade, SLICE("\r\n"));
    }
    if (trailers) {
        return buffer_add(out, close ? SLICE("Connection: close, TE\r\nTE: trailers\r\n")
                                     : SLICE("Connection: TE\r\nTE: trailers\r\n"));
    }
    return !close || buffer_add(out, SLICE("Connection: close\r\n"));
}

/* All or nothing: takes back what was written of a head that failed. */
static bool keep(struct buffer *out, size_t before, bool good)
{
    if (!good) {
        out->tail = out->head + before;
    }
    return good;
}

static bool is_target(struct slice path)
{
    if (path.len == 0 || (path.data[0] != '/' && !slice_is(path, "*"))) {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        if (!http1_is(path.data[i], HTTP1_QUERY)) {
            return false;
        }
    }
    return true;
}

static struct slice request_host(const struct http_request *request)
{
    if (request->authority.len > 0) {
        return request->authority;
    }
    const struct http_header *host = http_headers_find(&request->headers, SLICE("host"));
    return host == NULL ? SLICE("") : host->value;
}

bool http1_write_request(struct buffer *out, const struct http_request *request)
{
    size_t before = buffer_len(out);
    enum http_framing framing =
        request->framing == HTTP_UNTIL_CLOSE ? HTTP_CHUNKED : request->framing;
    if (!http1_is_token(request->method) || !is_target(request->path)) {
        return false;
    }
    bool good =
        put_text(out, request->method, SLICE(" "), request->path) &&
        buffer_add(out, SLICE(" HTTP/1.1\r\n")) &&
        put_field(out, SLICE("Host"), request_host(request)) &&
        put_fields(out, &request->headers, "host", request->wants_trailers ? "te" : NULL) &&
        put_framing(out, framing, request->length) &&
        put_connection(out, request->upgrade, !request->keep_alive, request->wants_trailers) &&
        buffer_add(out, SLICE("\r\n"));
    return keep(out, before, good);
}

static bool put_status_line(struct buffer *out, int status)
{
    if (status == 200) {
        return buffer_add(out, SLICE("HTTP/1.1 200 OK\r\n"));
    }
    if (status < 100 || status > 999) {
        return false;
    }
    char line[] = "HTTP/1.1 000 ";
    line[9] = (char)('0' + status / 100);
    line[10] = (char)('0' + status / 10 % 10);
    line[11] = (char)('0' + status % 10);
    return put_text(out, SLICE(line), http_reason(status), SLICE("\r\n"));
}

/*
 * A response without a body to an ordinary request says so by a length of 0. One to HEAD, and a
 * 304, may tell the length that a body would have: there Content-Length is not framing, and the
 * list's own is kept.
 */
static bool put_response_framing(struct buffer *out, const struct http_response *response,
                                 bool is_head)
{
    if (response->status < 200 || response->status == 204) {
        return true;
    }
    if (!is_head && response->status != 304) {
        return response->framing == HTTP_NO_BODY
                   ? put_length(out, 0)
                   : put_framing(out, response->framing, response->length);
    }
    if (is_head && response->framing == HTTP_LENGTH) {
        return put_length(out, response->length);
    }
    const struct http_header *field =
        http_headers_find(&response->headers, SLICE("content-length"));
    uint64_t length;
    return field == NULL || !slice_to_u64(field->value, &length) || put_length(out, length);
}

bool http1_write_response(struct buffer *out, const struct http_response *response,
                          struct slice method, struct slice upgrade)
{
    size_t before = buffer_len(out);
    bool close = !response->keep_alive && response->status >= 200;
    bool good = put_status_line(out, response->status) &&
                put_fields(out, &response->headers, NULL, NULL) &&
                put_response_framing(out, response, slice_is(method, "HEAD")) &&
                put_connection(out, response->status == 101 ? upgrade : SLICE_NONE, close, false);
    /* A client of HTTP/1.0 is told when its connection stays (RFC 9112 appendix C.2.2). */
    if (good && response->version == HTTP_1_0 && response->keep_alive) {
        good = buffer_add(out, SLICE("Connection: keep-alive\r\n"));
    }
    return keep(out, before, good && buffer_add(out, SLICE("\r\n")));
}

bool http1_write_chunk(struct buffer *out, struct slice data)
{
    static const char digits[] = "0123456789abcdef";
    char line[20];
    char *at = line + sizeof(line);
    if (data.len == 0) {
        return true; /* would be the end */
    }
    *--at = '\n';
    *--at = '\r';
    for (size_t left = data.len; left > 0; left /= 16) {
        *--at = digits[left % 16];
    }
    struct slice size = {at, (size_t)(line + sizeof(line) - at)};
    char *room = buffer_reserve(out, size.len + data.len + 2);
    if (room == NULL) {
        return false;
    }
    put(put(put(room, size), data), SLICE("\r\n"));
    buffer_commit(out, size.len + data.len + 2);
    return true;
}

bool http1_write_last_chunk(struct buffer *out, const struct http_headers *trailers)
{
    size_t before = buffer_len(out);
    bool good = buffer_add(out, SLICE("0\r\n")) &&
                (trailers == NULL || put_fields(out, trailers, "host", "trailer")) &&
                buffer_add(out, SLICE("\r\n"));
    return keep(out, before, good);
}
