/*
 * Heads of requests and responses, RFC 9112 sections 2 to 6. One pass over the bytes: the first
 * call reads as far as it can; only when a head comes in pieces do later calls look for its end
 * first, line by line from where the last one stopped, so that a slow sender costs nothing
 * quadratic.
 */
#include "http/http1_scan.h"

enum {
    METHOD_MAX = 64,
    /* Room that is left behind the fields, for those that the caller adds. */
    FIELDS_SPARE = 10,
};

struct head {
    char *at;
    char *end;
    const struct http1_limits *limits;
    struct http1_fault *fault;
    bool is_response;
    enum http_version version;
    /* What the fields say about framing and connection. */
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
    uint64_t length;
    bool chunked;
    bool close;
    bool keep_alive;
    bool connection_upgrade;
    bool expect_continue;
    bool wants_trailers;
    uint16_t host_index;
    struct slice host;
    struct slice upgrade;
    uint16_t count;
    struct http_header fields[HTTP_HEADERS_MAX];
};

static enum http1_outcome refuse(struct head *head, int status, const char *why)
{
    head->fault->status = head->is_response ? 502 : status;
    head->fault->why = why;
    return HTTP1_BAD;
}

/* ---- values of the fields that say how to read on ---- */

static bool is_word(struct slice text, const char *lower)
{
    return slice_equal_nocase(text, slice_of(lower));
}

static enum http1_outcome read_connection(struct head *head, struct slice value)
{
    struct slice part;
    while (slice_cut(&value, ',', &part)) {
        part = slice_trim(part);
        if (part.len > 0 && !http1_is_token(part)) {
            return refuse(head, 400, "Connection does not list tokens.");
        }
        head->close |= is_word(part, "close");
        head->keep_alive |= is_word(part, "keep-alive");
        head->connection_upgrade |= is_word(part, "upgrade");
    }
    return HTTP1_DONE;
}

static enum http1_outcome read_length(struct head *head, struct slice value)
{
    if (head->lengths++ > 0) {
        return refuse(head, 400, "Content-Length is there more than once.");
    }
    if (!slice_to_u64(value, &head->length)) {
        return refuse(head, 400, "Content-Length is not a number of bytes.");
    }
    return HTTP1_DONE;
}

static enum http1_outcome read_encoding(struct head *head, struct slice value)
{
    bool unknown = false;
    struct slice part;
    if (head->encodings++ > 0) {
        return refuse(head, 400, "Transfer-Encoding is there more than once.");
    }
    if (value.len == 0 || value.data[value.len - 1] == ',') {
        return refuse(head, 400, "Transfer-Encoding ends without a coding.");
    }
    while (slice_cut(&value, ',', &part)) {
        part = slice_trim(part);
        if (head->chunked) {
            return refuse(head, 400, "Something follows the transfer coding \"chunked\".");
        }
        ptrdiff_t parameters = slice_find(part, ';');
        if (!http1_is_token(slice_trim(slice_upto(part, (size_t)parameters)))) {
            return refuse(head, 400, "Transfer-Encoding does not list tokens.");
        }
        head->chunked = is_word(part, "chunked");
        unknown |= !head->chunked;
    }
    if (unknown) {
        return refuse(head, 501, "The only transfer coding known here is \"chunked\".");
    }
    return HTTP1_DONE;
}

static enum http1_outcome read_host(struct head *head, struct slice value)
{
    if (head->is_response) {
        return HTTP1_DONE;
    }
    if (head->hosts++ > 0) {
        return refuse(head, 400, "Host is there more than once.");
    }
    if (value.len > 0 && !http1_is_authority(value, false)) {
        return refuse(head, 400, "Host is not a host with an optional port.");
    }
    head->host = value;
    head->host_index = head->count;
    return HTTP1_DONE;
}

static enum http1_outcome read_te(struct head *head, struct slice value)
{
    struct slice part;
    while (slice_cut(&value, ',', &part)) {
        head->wants_trailers |= is_word(slice_trim(part), "trailers");
    }
    return HTTP1_DONE;
}

static enum http1_outcome read_expect(struct head *head, struct slice value)
{
    head->expect_continue |= is_word(value, "100-continue");
    return HTTP1_DONE;
}

static enum http1_outcome read_upgrade(struct head *head, struct slice value)
{
    head->upgrade = value;
    return HTTP1_DONE;
}

struct known_field {
    const char *name;
    enum http1_outcome (*read)(struct head *head, struct slice value);
};

/* By the length of the name: no two that matter share one. */
static const struct known_field known_fields[18] = {
    [2] = {"te", read_te},
    [4] = {"host", read_host},
    [6] = {"expect", read_expect},
    [7] = {"upgrade", read_upgrade},
    [10] = {"connection", read_connection},
    [14] = {"content-length", read_length},
    [17] = {"transfer-encoding", read_encoding},
};

static enum http1_outcome read_fields(struct head *head)
{
    for (;;) {
        if (head->end - head->at >= 2 && head->at[0] == '\r' && head->at[1] == '\n') {
            head->at += 2;
            return HTTP1_DONE;
        }
        if (head->at == head->end || (head->end - head->at == 1 && *head->at == '\r')) {
            return HTTP1_MORE;
        }
        if (head->count == HTTP_HEADERS_MAX) {
            return refuse(head, 431, "There are too many header fields.");
        }
        struct http_header *field = &head->fields[head->count];
        const char *why = NULL;
        enum http1_outcome got =
            http1_read_field(&head->at, head->end, head->is_response, field, &why);
        if (got != HTTP1_DONE) {
            return got == HTTP1_BAD ? refuse(head, 400, why) : got;
        }
        if (field->name.len < sizeof(known_fields) / sizeof(known_fields[0])) {
            const struct known_field *known = &known_fields[field->name.len];
            if (known->read != NULL &&
                memcmp(field->name.data, known->name, field->name.len) == 0) {
                got = known->read(head, field->value);
                if (got != HTTP1_DONE) {
                    return got;
                }
            }
        }
        head->count++;
    }
}

static void keep_fields(struct head *head, struct arena *arena, struct http_headers *out)
{
    out->count = head->count;
    out->capacity = (uint16_t)(head->count + FIELDS_SPARE);
    out->items = arena_array(arena, struct http_header, out->capacity);
    memcpy(out->items, head->fields, head->count * sizeof(out->items[0]));
}

/* ---- the end of a head that comes in pieces, and its size ---- */

/*
 * Looks on for an empty line, from *SCANNED. A line feed without its carriage return is refused
 * here as well: it must not wait for an end that never comes.
 */
static enum http1_outcome find_end(struct head *head, char *bytes, size_t *scanned)
{
    char *at = bytes + *scanned;
    char *feed;
    while ((feed = memchr(at, '\n', (size_t)(head->end - at))) != NULL) {
        if (feed == bytes || feed[-1] != '\r') {
            return refuse(head, 400, "A line feed stands alone.");
        }
        if (feed - bytes >= 3 && feed[-2] == '\n') {
            return HTTP1_DONE;
        }
        at = feed + 1;
    }
    *scanned = (size_t)(head->end - bytes);
    return HTTP1_MORE;
}

static enum http1_outcome check_unfinished(struct head *head, const char *bytes, size_t count)
{
    if (!head->is_response && count > head->limits->target_max + METHOD_MAX + 16 &&
        memchr(bytes, '\n', head->limits->target_max + METHOD_MAX + 16) == NULL) {
        return refuse(head, 414, "The request target is too long.");
    }
    if (count >= head->limits->head_max) {
        return refuse(head, 431, "The head is too large.");
    }
    return HTTP1_MORE;
}

/* ---- requests ---- */

static enum http1_outcome read_version(struct head *head)
{
    char *at = head->at;
    if (head->end - at < 10) {
        size_t here = (size_t)(head->end - at);
        if (memcmp(at, "HTTP/", here < 5 ? here : 5) != 0) {
            return refuse(head, 400, "The request line does not end with a version.");
        }
        return HTTP1_MORE;
    }
    if (memcmp(at, "HTTP/", 5) != 0 || at[5] < '0' || at[5] > '9' || at[6] != '.' || at[7] < '0' ||
        at[7] > '9' || at[8] != '\r' || at[9] != '\n') {
        return refuse(head, 400, "The request line does not end with a version.");
    }
    if (at[5] != '1') {
        return refuse(head, 505, "The version is none of HTTP/1.1 and HTTP/1.0.");
    }
    head->version = at[7] == '0' ? HTTP_1_0 : HTTP_1_1;
    head->at = at + 10;
    return HTTP1_DONE;
}

static bool take_scheme(struct slice target, struct slice *scheme, size_t *taken)
{
    if (slice_equal_nocase(slice_upto(target, 7), SLICE("http://"))) {
        *scheme = SLICE("http");
        *taken = 7;
        return true;
    }
    if (slice_equal_nocase(slice_upto(target, 8), SLICE("https://"))) {
        *scheme = SLICE("https");
        *taken = 8;
        return true;
    }
    return false;
}

/* RFC 9112 section 3.2.2. A path that is missing becomes "/", or "*" for OPTIONS (section 3.2.4).
 */
static bool read_absolute(struct slice target, struct arena *arena, struct http_request *out)
{
    size_t start;
    if (!take_scheme(target, &out->scheme, &start)) {
        return false;
    }
    struct slice rest = slice_from(target, start);
    size_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?') {
        end++;
    }
    out->absolute_form = true;
    out->authority = slice_upto(rest, end);
    out->path = slice_from(rest, end);
    if (out->path.len == 0) {
        out->path = slice_is(out->method, "OPTIONS") ? SLICE("*") : SLICE("/");
    } else if (out->path.data[0] == '?') {
        out->path = slice_of(arena_printf(arena, "/%.*s", SLICE_ARG(out->path)));
    }
    return http1_is_authority(out->authority, false);
}

static bool read_target(struct slice target, struct arena *arena, struct http_request *out)
{
    if (slice_is(out->method, "CONNECT")) {
        out->authority = target;
        out->absolute_form = true;
        out->path = SLICE("");
        return http1_is_authority(target, true);
    }
    if (target.data[0] == '/') {
        out->path = target;
        return true;
    }
    if (slice_is(target, "*")) {
        out->path = target;
        return slice_is(out->method, "OPTIONS");
    }
    return read_absolute(target, arena, out);
}

static enum http1_outcome read_request_line(struct head *head, struct arena *arena,
                                            struct http_request *out)
{
    char *method = head->at;
    char *at = method;
    while (at < head->end && http1_is(*at, HTTP1_TOKEN)) {
        at++;
    }
    if (at - method > METHOD_MAX) {
        return refuse(head, 501, "The method is not known.");
    }
    if (at == head->end) {
        return HTTP1_MORE;
    }
    if (*at != ' ' || at == method) {
        return refuse(head, 400, "The request line does not begin with a method.");
    }
    out->method = (struct slice){method, (size_t)(at - method)};
    char *target = ++at;
    while (at < head->end && http1_is(*at, HTTP1_PATH)) {
        at++;
    }
    if (at < head->end && *at == '?') {
        while (at < head->end && http1_is(*at, HTTP1_QUERY)) {
            at++;
        }
    }
    if ((size_t)(at - target) > head->limits->target_max) {
        return refuse(head, 414, "The request target is too long.");
    }
    if (at == head->end) {
        return HTTP1_MORE;
    }
    if (*at != ' ' || at == target) {
        return refuse(head, 400, "The request target has a byte that must not be there.");
    }
    head->at = at + 1;
    enum http1_outcome got = read_version(head);
    if (got != HTTP1_DONE) {
        return got;
    }
    if (!read_target((struct slice){target, (size_t)(at - target)}, arena, out)) {
        return refuse(head, 400, "The request target has none of the four forms.");
    }
    return HTTP1_DONE;
}

static enum http1_outcome settle_host(struct head *head, struct http_request *out)
{
    if (head->hosts == 0 && head->version == HTTP_1_1) {
        return refuse(head, 400, "HTTP/1.1 requires a Host.");
    }
    if (!out->absolute_form) {
        if (head->host.len == 0 && head->version == HTTP_1_1) {
            return refuse(head, 400, "Host is empty.");
        }
        out->authority = head->host;
    } else if (head->hosts > 0) {
        /* The target wins: nobody further on shall read another host (RFC 9112 section 3.2.2). */
        head->fields[head->host_index].value = out->authority;
    }
    return HTTP1_DONE;
}

static enum http1_outcome settle_framing(struct head *head)
{
    if (head->encodings > 0 && head->version == HTTP_1_0) {
        return refuse(head, 400, "HTTP/1.0 has no Transfer-Encoding.");
    }
    if (head->encodings > 0 && head->lengths > 0) {
        return refuse(head, 400, "Both Transfer-Encoding and Content-Length are there.");
    }
    return HTTP1_DONE;
}

static void settle_request(struct head *head, struct http_request *out)
{
    bool new = head->version == HTTP_1_1;
    out->version = head->version;
    out->framing = head->chunked ? HTTP_CHUNKED : head->lengths > 0 ? HTTP_LENGTH : HTTP_NO_BODY;
    out->length = head->length;
    bool has_body = head->chunked || head->length > 0;
    out->keep_alive = !head->close && (new || head->keep_alive);
    out->expect_continue = new &&has_body && head->expect_continue;
    out->wants_trailers = new && head->wants_trailers;
    /* To ignore an upgrade is a server's right (RFC 9110 section 7.8): with a body, and to h2c, we
     * do. */
    if (new && head->connection_upgrade && !has_body && !is_word(head->upgrade, "h2c")) {
        out->upgrade = head->upgrade;
    }
}

static enum http1_outcome read_request(struct head *head, struct arena *arena,
                                       struct http_request *out)
{
    /* One empty line in front of a request is passed over (RFC 9112 section 2.2). */
    if (*head->at == '\r') {
        if (head->end - head->at < 2) {
            return HTTP1_MORE;
        }
        if (head->at[1] != '\n') {
            return refuse(head, 400, "A carriage return stands alone.");
        }
        head->at += 2;
    }
    enum http1_outcome got = read_request_line(head, arena, out);
    if (got == HTTP1_DONE) {
        got = read_fields(head);
    }
    if (got == HTTP1_DONE) {
        got = settle_framing(head);
    }
    if (got == HTTP1_DONE) {
        got = settle_host(head, out);
    }
    if (got == HTTP1_DONE) {
        settle_request(head, out);
    }
    return got;
}

static void head_init(struct head *head, char *bytes, size_t count,
                      const struct http1_limits *limits, bool is_response,
                      struct http1_fault *fault)
{
    /* All but the table of fields, which is large and written before it is read. */
    memset(head, 0, offsetof(struct head, fields));
    head->at = bytes;
    head->end = bytes + count;
    head->limits = limits;
    head->fault = fault;
    head->is_response = is_response;
}

/* What the first look at a head says, or the look that comes once its end is there. */
static enum http1_outcome settle_look(struct head *head, enum http1_outcome got, char *bytes,
                                      size_t count, size_t *scanned)
{
    if (got == HTTP1_DONE && (size_t)(head->at - bytes) > head->limits->head_max) {
        return refuse(head, 431, "The head is too large.");
    }
    if (got != HTTP1_MORE) {
        return got;
    }
    if (*scanned > 0 || (got = find_end(head, bytes, scanned)) == HTTP1_DONE) {
        return refuse(head, 400, "The head ends too early.");
    }
    return got == HTTP1_MORE ? check_unfinished(head, bytes, count) : got;
}

enum http1_outcome http1_read_request(char *bytes, size_t count, size_t *scanned,
                                      const struct http1_limits *limits, struct arena *arena,
                                      struct http_request *out, size_t *head_bytes,
                                      struct http1_fault *fault)
{
    struct head head;
    if (count == 0) {
        return HTTP1_MORE;
    }
    head_init(&head, bytes, count, limits, false, fault);
    if (*scanned > 0) {
        enum http1_outcome end = find_end(&head, bytes, scanned);
        if (end != HTTP1_DONE) {
            return end == HTTP1_MORE ? check_unfinished(&head, bytes, count) : end;
        }
    }
    *out = (struct http_request){0};
    enum http1_outcome got = read_request(&head, arena, out);
    got = settle_look(&head, got, bytes, count, scanned);
    if (got == HTTP1_DONE) {
        keep_fields(&head, arena, &out->headers);
        *head_bytes = (size_t)(head.at - bytes);
    }
    return got;
}

/* ---- responses ---- */

/*
 * "HTTP/1.1 200 OK". The space behind the status may be missing when no reason follows: servers in
 * the field forget it, and nothing else can be meant.
 */
static enum http1_outcome read_status_line(struct head *head, struct http_response *out)
{
    char *at = head->at;
    size_t here = (size_t)(head->end - at);
    if (memcmp(at, "HTTP/1.", here < 7 ? here : 7) != 0) {
        return refuse(head, 502, "The response does not begin with HTTP/1.");
    }
    if (here < 14) {
        return HTTP1_MORE;
    }
    for (int i = 7; i < 12; i++) {
        if (i != 8 && (at[i] < '0' || at[i] > '9')) {
            return refuse(head, 502, "The status line is broken.");
        }
    }
    if (at[8] != ' ' || at[9] < '1' || at[9] > '5' || (at[12] != ' ' && at[12] != '\r')) {
        return refuse(head, 502, "The status line is broken.");
    }
    head->version = at[7] == '0' ? HTTP_1_0 : HTTP_1_1;
    out->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    at += at[12] == ' ' ? 13 : 12;
    while ((at = http1_skip_text(at, head->end)) < head->end && *at != '\r') {
        if (*at != '\t' && (unsigned char)*at < 0x80) {
            return refuse(head, 502, "The reason has a byte that must not be there.");
        }
        at++;
    }
    if (head->end - at < 2) {
        return HTTP1_MORE;
    }
    if (at[1] != '\n') {
        return refuse(head, 502, "A carriage return stands alone.");
    }
    head->at = at + 2;
    return HTTP1_DONE;
}

static enum http1_outcome settle_response(struct head *head, struct slice method,
                                          struct http_response *out)
{
    bool bare = out->status < 200 || out->status == 204;
    out->version = head->version;
    out->keep_alive = !head->close && (head->version == HTTP_1_1 || head->keep_alive);
    out->length = head->length;
    if (bare && head->encodings > 0) {
        return refuse(head, 502, "A response without a body has a Transfer-Encoding.");
    }
    if (bare || out->status == 304 || slice_is(method, "HEAD")) {
        out->framing = HTTP_NO_BODY;
    } else if (head->chunked) {
        out->framing = HTTP_CHUNKED;
    } else if (head->lengths > 0) {
        out->framing = HTTP_LENGTH;
    } else {
        out->framing = HTTP_UNTIL_CLOSE;
        out->keep_alive = false;
    }
    return HTTP1_DONE;
}

static enum http1_outcome read_response(struct head *head, struct slice method,
                                        struct http_response *out)
{
    enum http1_outcome got = read_status_line(head, out);
    if (got == HTTP1_DONE) {
        got = read_fields(head);
    }
    if (got == HTTP1_DONE) {
        got = settle_framing(head);
    }
    return got == HTTP1_DONE ? settle_response(head, method, out) : got;
}

enum http1_outcome http1_read_response(char *bytes, size_t count, size_t *scanned,
                                       const struct http1_limits *limits, struct slice method,
                                       struct arena *arena, struct http_response *out,
                                       size_t *head_bytes, struct http1_fault *fault)
{
    struct head head;
    if (count == 0) {
        return HTTP1_MORE;
    }
    head_init(&head, bytes, count, limits, true, fault);
    if (*scanned > 0) {
        enum http1_outcome end = find_end(&head, bytes, scanned);
        if (end != HTTP1_DONE) {
            return end == HTTP1_MORE ? check_unfinished(&head, bytes, count) : end;
        }
    }
    *out = (struct http_response){0};
    enum http1_outcome got = read_response(&head, method, out);
    got = settle_look(&head, got, bytes, count, scanned);
    if (got == HTTP1_DONE) {
        keep_fields(&head, arena, &out->headers);
        *head_bytes = (size_t)(head.at - bytes);
    }
    return got;
}
