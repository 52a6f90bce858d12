/*
 * The HTTP/1.1 parser and writer: tables of heads and bodies, each with what has to come of it, fed
 * whole and then in pieces of every size, as both must give the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/http1.h"
#include "http/http1_scan.h"

static const struct http1_limits limits = {.target_max = 64, .head_max = 512};

struct head_case {
    const char *bytes;
    int status; /* 0: it is good */
};

static int read_request_in_pieces(const char *text, size_t length, size_t piece,
                                  struct arena *arena, struct http_request *out)
{
    char *bytes = arena_string(arena, (struct slice){text, length});
    size_t scanned = 0;
    size_t head = 0;
    struct http1_fault fault = {0};
    for (size_t count = piece;; count += piece) {
        if (count > length) {
            count = length;
        }
        switch (http1_read_request(bytes, count, &scanned, &limits, arena, out, &head, &fault)) {
        case HTTP1_DONE:
            assert_int_equal(head, length);
            return 0;
        case HTTP1_BAD:
            assert_non_null(fault.why);
            return fault.status;
        case HTTP1_MORE:
            break;
        }
        if (count == length) {
            return -1;
        }
    }
}

static int read_request(const char *text, struct arena *arena, struct http_request *out)
{
    int whole = read_request_in_pieces(text, strlen(text), strlen(text), arena, out);
    for (size_t piece = 1; piece < strlen(text); piece += 3) {
        auto_arena other = {0};
        struct http_request request;
        int status = read_request_in_pieces(text, strlen(text), piece, &other, &request);
        if (status != whole) {
            fail_msg("\"%s\" gives %d whole, but %d in pieces of %zu", text, whole, status, piece);
        }
    }
    return whole;
}

#define H "Host: a.example\r\n"

static void a_request_head_is_taken_or_refused_by_the_letter(void **state)
{
    static const struct head_case cases[] = {
        {"GET / HTTP/1.1\r\n" H "\r\n", 0},
        {"\r\nGET / HTTP/1.1\r\n" H "\r\n", 0},
        {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400},
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {"GET / HTTP/1.7\r\n" H "\r\n", 0},
        {"OPTIONS * HTTP/1.1\r\n" H "\r\n", 0},
        {"CONNECT a.example:443 HTTP/1.1\r\n" H "\r\n", 0},
        {"GET http://a.example/x HTTP/1.1\r\n" H "\r\n", 0},
        {"GET HTTPS://a.example HTTP/1.1\r\n" H "\r\n", 0},
        {"GET /?a[b]={c}|d\\e HTTP/1.1\r\n" H "\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\n" H "X:\r\nY: \t a \tb \r\n\r\n", 0},
        {"PATCH / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", 0},
        {"PUT / HTTP/1.1\r\n" H "Content-Length: 0012\r\n\r\n", 0},
        /* the request line */
        {"GET /\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n" H "\r\n", 400},
        {"GET / HTTP/1.1 \r\n" H "\r\n", 400},
        {" GET / HTTP/1.1\r\n" H "\r\n", 400},
        {"G(T / HTTP/1.1\r\n" H "\r\n", 400},
        {"GET\t/ HTTP/1.1\r\n" H "\r\n", 400},
        {"GET / http/1.1\r\n" H "\r\n", 400},
        {"GET / HTTP/1.1\n" H "\r\n", 400},
        {"GET / HTTP/1.\r\n\r\n", 400},
        {"GET / HTTP/\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n" H "\r\n", 505},
        {"GET / HTTP/3.7\r\n" H "\r\n", 505},
        {"GET / HTTP/0.9\r\n" H "\r\n", 505},
        {"GET / HTTP/1.10\r\n" H "\r\n", 400},
        {"GET /#f HTTP/1.1\r\n" H "\r\n", 400},
        {"GET /a\\b HTTP/1.1\r\n" H "\r\n", 400},
        {"GET /\x01 HTTP/1.1\r\n" H "\r\n", 400},
        {"GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", 400},
        {"GET a.example HTTP/1.1\r\n" H "\r\n", 400},
        {"GET * HTTP/1.1\r\n" H "\r\n", 400},
        {"GET ftp://a.example/ HTTP/1.1\r\n" H "\r\n", 400},
        {"GET http:///x HTTP/1.1\r\n" H "\r\n", 400},
        {"GET http://u@a.example/ HTTP/1.1\r\n" H "\r\n", 400},
        {"CONNECT a.example HTTP/1.1\r\n" H "\r\n", 400},
        {"CONNECT / HTTP/1.1\r\n" H "\r\n", 400},
        {"GET /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx HTTP/1.1\r\n" H
         "\r\n",
         414},
        /* fields */
        {"GET / HTTP/1.1\r\n" H "X : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H ": a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "X a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "X: \x0b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "X: \xe4\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "X\xe4: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "X: a\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H "\n\r\n", 400},
        /* Host */
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" H H "\r\n", 400},
        {"GET / HTTP/1.0\r\n" H H "\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: [12]\r\n\r\n", 400},
        {"GET http://a.example/ HTTP/1.1\r\n\r\n", 400},
        /* framing */
        {"PUT / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Content-Length: 1 1\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
        {"PUT / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked,\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: ,chunked\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", 400},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 501},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 501},
        {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;a=b\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\n" H "Connection: a b\r\n\r\n", 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct http_request request;
        int status = read_request(cases[i].bytes, &arena, &request);
        if (status != cases[i].status) {
            fail_msg("\"%s\" gives %d, not %d", cases[i].bytes, status, cases[i].status);
        }
    }
}

static struct http_request good(struct arena *arena, const char *text)
{
    struct http_request request;
    assert_int_equal(read_request(text, arena, &request), 0);
    return request;
}

static void assert_slice(struct slice slice, const char *text)
{
    if (!slice_is(slice, text)) {
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(slice), text);
    }
}

static void a_head_is_read_into_its_parts(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct http_request request = good(
        &arena, "POST /a?b=c HTTP/1.1\r\nHOST: A.Example:80\r\nX-One: \t1  \r\nTE: trailers\r\n"
                "Expect: 100-Continue\r\nContent-Length: 7\r\n\r\n");
    assert_slice(request.method, "POST");
    assert_slice(request.path, "/a?b=c");
    assert_slice(request.authority, "A.Example:80");
    assert_slice(request.headers.items[0].name, "host");
    assert_slice(request.headers.items[1].name, "x-one");
    assert_slice(request.headers.items[1].value, "1");
    assert_int_equal(request.headers.count, 5);
    assert_int_equal(request.framing, HTTP_LENGTH);
    assert_int_equal(request.length, 7);
    assert_true(request.keep_alive && request.expect_continue && request.wants_trailers);
    assert_false(request.absolute_form);
}

static void an_absolute_target_overrules_host(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct http_request request =
        good(&arena, "GET http://b.example?q HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_slice(request.authority, "b.example");
    assert_slice(request.path, "/?q");
    assert_slice(request.scheme, "http");
    assert_slice(request.headers.items[0].value, "b.example");
    assert_true(request.absolute_form);
    assert_slice(good(&arena, "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n").path, "*");
    assert_slice(good(&arena, "GET https://a HTTP/1.1\r\nHost: a\r\n\r\n").path, "/");
}

static void a_connection_stays_or_goes_as_its_version_has_it(void **state)
{
    (void)state;
    auto_arena arena = {0};
    assert_true(good(&arena, "GET / HTTP/1.1\r\n" H "\r\n").keep_alive);
    assert_false(good(&arena, "GET / HTTP/1.1\r\n" H "Connection: x, Close\r\n\r\n").keep_alive);
    assert_false(good(&arena, "GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(good(&arena, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
}

static void an_upgrade_is_seen_only_where_it_may_be_followed(void **state)
{
    (void)state;
    auto_arena arena = {0};
    assert_slice(
        good(&arena, "GET / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .upgrade,
        "websocket");
    assert_slice(good(&arena, "GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n\r\n").upgrade, "");
    assert_slice(
        good(&arena, "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n").upgrade,
        "");
    assert_slice(good(&arena, "PUT / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: websocket\r\n"
                              "Content-Length: 1\r\n\r\n")
                     .upgrade,
                 "");
}

static void a_head_over_its_limits_is_refused_before_its_end(void **state)
{
    (void)state;
    auto_arena arena = {0};
    char bytes[2048];
    struct http_request request;
    memset(bytes, 'a', sizeof(bytes));
    memcpy(bytes, "GET /", 5);
    assert_int_equal(read_request_in_pieces(bytes, sizeof(bytes), 100, &arena, &request), 414);
    int start = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nX: ");
    bytes[start] = 'a';
    assert_int_equal(read_request_in_pieces(bytes, sizeof(bytes), 100, &arena, &request), 431);
    char many[8192] = "GET / HTTP/1.1\r\nHost: a\r\n";
    size_t at = strlen(many);
    for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
        memcpy(many + at, "a:\r\n", 4);
        at += 4;
    }
    memcpy(many + at, "\r\n", 2);
    struct http1_limits wide = {.target_max = 64, .head_max = 8192};
    struct http1_fault fault;
    size_t scanned = 0, head;
    assert_int_equal(
        http1_read_request(many, at + 2, &scanned, &wide, &arena, &request, &head, &fault),
        HTTP1_BAD);
    assert_int_equal(fault.status, 431);
}

/* ---- responses ---- */

struct response_case {
    const char *method;
    const char *bytes;
    int status; /* 502: bad */
    enum http_framing framing;
    bool keep_alive;
};

static void a_response_head_tells_how_its_body_ends(void **state)
{
    static const struct response_case cases[] = {
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, HTTP_LENGTH, true},
        {"GET", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", 200, HTTP_LENGTH, true},
        {"GET", "HTTP/1.1 200 Sch\xf6n\r\nX: \xf6\r\n\r\n", 200, HTTP_UNTIL_CLOSE, false},
        {"GET", "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", 200, HTTP_CHUNKED, true},
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, HTTP_NO_BODY, true},
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, HTTP_NO_BODY, true},
        {"GET", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", 304, HTTP_NO_BODY, true},
        {"GET", "HTTP/1.1 100 Continue\r\n\r\n", 100, HTTP_NO_BODY, true},
        {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, HTTP_LENGTH, false},
        {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", 200,
         HTTP_LENGTH, false},
        {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 502},
        {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 502},
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 502},
        {"GET", "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 502},
        {"GET", "HTTP/2.0 200 OK\r\n\r\n", 502},
        {"GET", "HTTP/1.1 20 OK\r\n\r\n", 502},
        {"GET", "HTTP/1.1 2000 OK\r\n\r\n", 502},
        {"GET", "HTTP/1.1 600 OK\r\n\r\n", 502},
        {"GET", "HTTP/1.1 200 OK\n\r\n", 502},
        {"GET", "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", 502},
        {"GET", "SSH-2.0-OpenSSH_9\r\n", 502},
        {"GET", "HTTP/1.1\r\n\r\n\r\n", 502},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct response_case *row = &cases[i];
        auto_arena arena = {0};
        char *bytes = arena_string(&arena, slice_of(row->bytes));
        struct http_response response;
        struct http1_fault fault;
        size_t scanned = 0, head = 0;
        enum http1_outcome got =
            http1_read_response(bytes, strlen(bytes), &scanned, &limits, slice_of(row->method),
                                &arena, &response, &head, &fault);
        if (row->status == 502) {
            if (got != HTTP1_BAD || fault.status != 502) {
                fail_msg("\"%s\" is not refused", row->bytes);
            }
            continue;
        }
        if (got != HTTP1_DONE || head != strlen(bytes)) {
            fail_msg("\"%s\" is not taken: %s", row->bytes, got == HTTP1_BAD ? fault.why : "more");
        }
        assert_int_equal(response.status, row->status);
        assert_int_equal(response.framing, row->framing);
        assert_int_equal(response.keep_alive, row->keep_alive);
    }
}

/* ---- bodies ---- */

/* "content|trailer names", "bad", or "more": what TEXT comes to, fed in pieces. */
static char *read_body(struct arena *arena, const char *text, size_t piece,
                       enum http_framing framing, uint64_t length)
{
    struct http1_body body;
    struct buffer content = BUFFER_INIT(4096);
    char *result = NULL;
    size_t total = strlen(text);
    size_t at = 0;
    http1_body_init(&body, framing, length);
    while (result == NULL) {
        size_t used;
        struct slice data;
        struct http1_fault fault;
        struct slice input = slice_upto(slice_from(slice_of(text), at), piece);
        enum http1_outcome got = http1_body_feed(&body, input, arena, &used, &data, &fault);
        if (got == HTTP1_BAD) {
            result = arena_printf(arena, "bad");
            break;
        }
        at += used;
        buffer_add(&content, data);
        if (got == HTTP1_DONE) {
            buffer_add_byte(&content, '|');
            for (size_t i = 0; i < body.trailers.count; i++) {
                buffer_add(&content, body.trailers.items[i].name);
                buffer_add_byte(&content, ' ');
            }
            result = arena_printf(arena, "%s%s", buffer_text(&content), text + at);
        } else if (used == 0 || at == total) {
            result = arena_printf(arena, "more");
        }
    }
    buffer_done(&content);
    http1_body_done(&body);
    return result;
}

static void a_body_ends_where_its_framing_says(void **state)
{
    static const struct {
        enum http_framing framing;
        uint64_t length;
        const char *bytes;
        const char *result; /* content, '|', names of trailers, and what follows the body */
    } cases[] = {
        {HTTP_NO_BODY, 0, "next", "|next"},
        {HTTP_LENGTH, 0, "next", "|next"},
        {HTTP_LENGTH, 4, "bodynext", "body|next"},
        {HTTP_LENGTH, 5, "body", "more"},
        {HTTP_UNTIL_CLOSE, 0, "body", "more"},
        {HTTP_CHUNKED, 0, "0\r\n\r\nnext", "|next"},
        {HTTP_CHUNKED, 0, "4\r\nbody\r\n0\r\n\r\n", "body|"},
        {HTTP_CHUNKED, 0, "00004\r\nbody\r\n000\r\n\r\n", "body|"},
        {HTTP_CHUNKED, 0, "2;a=\"b\";c\r\nbo\r\nA\r\ndy12345678\r\n0;x\r\n\r\n", "body12345678|"},
        {HTTP_CHUNKED, 0, "0\r\nX: 1\r\nY: 2\r\n\r\nnext", "|x y next"},
        {HTTP_CHUNKED, 0, "0\r\nContent-Length: 1\r\nHost: a\r\nX: 1\r\n\r\n", "|x "},
        {HTTP_CHUNKED, 0, "4\r\nbody\r\n", "more"},
        {HTTP_CHUNKED, 0, "4\r\nbody\r\n0\r\n", "more"},
        {HTTP_CHUNKED, 0, "\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "x\r\n", "bad"},
        {HTTP_CHUNKED, 0, "0x4\r\nbody\r\n0\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "-4\r\n", "bad"},
        {HTTP_CHUNKED, 0, " 4\r\nbody\r\n0\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "4 \r\nbody\r\n0\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "4\nbody\r\n0\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "4\rxbody\r\n0\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "4;a\nb\r\nbody\r\n0\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "4\r\nbodyx\r\n0\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "4\r\nbody\n0\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "4\r\nbody0\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "ffffffffffffffffff\r\n", "bad"},
        {HTTP_CHUNKED, 0, "0\r\nX : 1\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "0\r\nX: 1\r\n y\r\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "0\r\nX: 1\n\r\n", "bad"},
        {HTTP_CHUNKED, 0, "0\r\n\n", "bad"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t piece = 1; piece <= 64; piece = piece * 2 + 1) {
            auto_arena arena = {0};
            char *got = read_body(&arena, cases[i].bytes, piece, cases[i].framing, cases[i].length);
            if (strcmp(got, cases[i].result) != 0) {
                fail_msg("\"%s\" in pieces of %zu gives \"%s\", not \"%s\"", cases[i].bytes, piece,
                         got, cases[i].result);
            }
        }
    }
}

static void trailers_and_extensions_have_limits(void **state)
{
    (void)state;
    static char bytes[64 * 1024];
    memset(bytes, 'a', sizeof(bytes) - 1);
    memcpy(bytes, "0\r\nX: ", 6);
    auto_arena arena = {0};
    assert_string_equal(read_body(&arena, bytes, sizeof(bytes), HTTP_CHUNKED, 0), "bad");
    memcpy(bytes, "4;aaaa", 6);
    assert_string_equal(read_body(&arena, bytes, sizeof(bytes), HTTP_CHUNKED, 0), "bad");
}

/* ---- writing ---- */

static void a_request_is_written_with_framing_of_our_own(void **state)
{
    (void)state;
    struct http_header fields[] = {
        {SLICE("host"), SLICE("other")},
        {SLICE("x-a"), SLICE("1")},
        {SLICE("connection"), SLICE("x-a")},
        {SLICE("content-length"), SLICE("99")},
        {SLICE("transfer-encoding"), SLICE("gzip")},
        {SLICE("upgrade"), SLICE("h2c")},
    };
    struct http_request request = {
        .method = SLICE("PUT"),
        .authority = SLICE("a.example"),
        .path = SLICE("/x?y"),
        .headers = {.items = fields, .count = 6},
        .framing = HTTP_LENGTH,
        .length = 3,
        .keep_alive = true,
    };
    struct buffer out = BUFFER_INIT(4096);
    assert_true(http1_write_request(&out, &request));
    assert_string_equal(
        buffer_text(&out),
        "PUT /x?y HTTP/1.1\r\nHost: a.example\r\nx-a: 1\r\nContent-Length: 3\r\n\r\n");
    buffer_clear(&out);
    request.framing = HTTP_CHUNKED;
    request.keep_alive = false;
    assert_true(http1_write_request(&out, &request));
    assert_string_equal(buffer_text(&out),
                        "PUT /x?y HTTP/1.1\r\nHost: a.example\r\nx-a: 1\r\n"
                        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    buffer_done(&out);
}

static void what_would_split_a_head_is_never_written(void **state)
{
    (void)state;
    static const struct slice bad[] = {
        SLICE_INIT("a\r\nb: c"), SLICE_INIT("a\nb"), SLICE_INIT("a\rb"),
        SLICE_INIT("a\0b"),      SLICE_INIT("\x7f"), SLICE_INIT("\x01"),
    };
    struct buffer out = BUFFER_INIT(4096);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (int part = 0; part < 4; part++) {
            struct http_header field = {SLICE("x"), SLICE("y")};
            struct http_request request = {
                .method = SLICE("GET"),
                .authority = SLICE("a"),
                .path = SLICE("/"),
                .headers = {.items = &field, .count = 1},
            };
            struct slice *const parts[] = {&field.name, &field.value, &request.path,
                                           &request.method};
            *parts[part] = bad[i];
            assert_false(http1_write_request(&out, &request));
            struct http_response response = {.status = 200, .headers = request.headers};
            assert_int_equal(part >= 2,
                             http1_write_response(&out, &response, SLICE("GET"), SLICE_NONE));
            buffer_clear(&out);
        }
    }
    buffer_done(&out);
}

static void a_response_is_written_as_its_request_can_read_it(void **state)
{
    static const struct {
        const char *method;
        struct http_response head;
        const char *bytes;
    } cases[] = {
        {"GET",
         {.status = 200, .framing = HTTP_LENGTH, .length = 5, .keep_alive = true},
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
        {"HEAD",
         {.status = 200, .framing = HTTP_LENGTH, .length = 5, .keep_alive = true},
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
        {"GET",
         {.status = 200, .framing = HTTP_NO_BODY, .keep_alive = true},
         "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
        {"GET",
         {.status = 204, .framing = HTTP_LENGTH, .keep_alive = true},
         "HTTP/1.1 204 No Content\r\n\r\n"},
        {"GET",
         {.status = 404, .framing = HTTP_CHUNKED},
         "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"},
        {"GET", {.status = 100}, "HTTP/1.1 100 Continue\r\n\r\n"},
        {"GET",
         {.status = 101, .keep_alive = true},
         "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
        {"GET",
         {.status = 200, .version = HTTP_1_0, .framing = HTTP_LENGTH, .keep_alive = true},
         "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out = BUFFER_INIT(4096);
        struct http_response head = cases[i].head;
        if (head.version == HTTP_1_0 && strstr(cases[i].bytes, "keep-alive") == NULL) {
            head.version = HTTP_1_1;
        }
        assert_true(
            http1_write_response(&out, &head, slice_of(cases[i].method), SLICE("websocket")));
        assert_string_equal(buffer_text(&out), cases[i].bytes);
        buffer_done(&out);
    }
}

static void chunks_and_trailers_are_written(void **state)
{
    (void)state;
    struct http_header field = {SLICE("x"), SLICE("y")};
    struct http_headers trailers = {.items = &field, .count = 1};
    struct buffer out = BUFFER_INIT(4096);
    assert_true(http1_write_chunk(&out, SLICE("0123456789abcdefg")));
    assert_true(http1_write_chunk(&out, SLICE("")));
    assert_true(http1_write_last_chunk(&out, &trailers));
    assert_string_equal(buffer_text(&out), "11\r\n0123456789abcdefg\r\n0\r\nx: y\r\n\r\n");
    buffer_done(&out);
}

/* Lengths and places cover each way to walk a text by words and vectors, and what is left over. The
 * text is the end of its memory, so that valgrind and ASan see a byte that is read behind it. */
static void each_byte_is_judged_at_each_place_of_a_text(void **state)
{
    (void)state;
    static const char token_marks[] = "!#$%&'*+-.^_`|~";
    for (size_t len = 1; len <= 160; len += len < 24 ? 1 : 17) {
        char *text = malloc(len);
        assert_non_null(text);
        for (size_t at = 0; at < len; at++) {
            memset(text, 'x', len);
            for (int byte = 0; byte < 256; byte++) {
                char c = text[at] = (char)byte;
                bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                bool mark = byte != 0 && strchr(token_marks, c) != NULL;
                bool token = letter || (c >= '0' && c <= '9') || mark;
                bool plain = byte >= 0x20 && byte <= 0x7e;
                assert_ptr_equal(http1_skip_text(text, text + len), text + (plain ? len : at));
                assert_int_equal(http1_value_is_clean((struct slice){text, len}),
                                 plain || byte == '\t' || byte >= 0x80);
                assert_int_equal(http1_is_token((struct slice){text, len}), token);
            }
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_head_is_taken_or_refused_by_the_letter),
        cmocka_unit_test(a_head_is_read_into_its_parts),
        cmocka_unit_test(an_absolute_target_overrules_host),
        cmocka_unit_test(a_connection_stays_or_goes_as_its_version_has_it),
        cmocka_unit_test(an_upgrade_is_seen_only_where_it_may_be_followed),
        cmocka_unit_test(a_head_over_its_limits_is_refused_before_its_end),
        cmocka_unit_test(a_response_head_tells_how_its_body_ends),
        cmocka_unit_test(a_body_ends_where_its_framing_says),
        cmocka_unit_test(trailers_and_extensions_have_limits),
        cmocka_unit_test(a_request_is_written_with_framing_of_our_own),
        cmocka_unit_test(what_would_split_a_head_is_never_written),
        cmocka_unit_test(a_response_is_written_as_its_request_can_read_it),
        cmocka_unit_test(chunks_and_trailers_are_written),
        cmocka_unit_test(each_byte_is_judged_at_each_place_of_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
