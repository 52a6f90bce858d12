/*
 * A connection says the same, and is answered by the same bytes, in whatever pieces it comes. Heads
 * that come whole are written anew before nghttp2 reads them (http2_feed.c), and those that come in
 * pieces are not: so this holds the one against the other.
 */
#include <nghttp2/nghttp2.h>

#include "http/hpack_plain.h"
#include "http2_pair.h"

enum { PRIORITY = 0x20, TOKEN_BYTES = 700, FIELD_PADDING = 0x81 };

size_t __real_hpack_plain(struct slice block, char *out, size_t room);
size_t __wrap_hpack_plain(struct slice block, char *out, size_t room);

static unsigned rewritten; /* heads, since a test set it to 0 */

size_t __wrap_hpack_plain(struct slice block, char *out, size_t room)
{
    size_t length = __real_hpack_plain(block, out, room);
    rewritten += length > 0;
    return length;
}

static uint32_t dice(void)
{
    static uint64_t seed = 7;
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(seed >> 33);
}

/* Everything that a fresh server tells and sends when it gets WIRE in pieces of SIZE. */
static void hear(struct slice wire, size_t size, struct buffer *out)
{
    struct end server = {.story = BUFFER_INIT(4 << 20), .silent = true};
    struct buffer sent = BUFFER_INIT(4 << 20);
    struct http2_limits limits = {.head_max = 8192};
    server.session = http2_server_new(&limits, SLICE("https"), &telling, &server);
    bool good = true;
    while (good && wire.len > 0) {
        struct slice piece = slice_upto(wire, size);
        good = http2_input(server.session, piece);
        wire = slice_from(wire, piece.len);
    }
    while (http2_output(server.session, &sent)) {
    }
    buffer_printf(out, "%d %zu ", good, server.content);
    buffer_add(out, buffer_slice(&server.story));
    buffer_add(out, buffer_slice(&sent));
    http2_free(server.session);
    buffer_done(&server.story);
    buffer_done(&sent);
}

static void assert_same_in_pieces(const struct buffer *wire)
{
    /* Not byte by byte: nghttp2 counts each piece of a CONTINUATION's first bytes as a frame. */
    static const size_t sizes[] = {7, 33, 700};
    struct buffer whole = BUFFER_INIT(8 << 20);
    hear(buffer_slice(wire), SIZE_MAX, &whole);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buffer parts = BUFFER_INIT(8 << 20);
        hear(buffer_slice(wire), sizes[i], &parts);
        assert_int_equal(buffer_len(&parts), buffer_len(&whole));
        assert_memory_equal(parts.data, whole.data, buffer_len(&whole));
        buffer_done(&parts);
    }
    buffer_done(&whole);
}

/* A request with a long field of its own and one that the table keeps, as DEFLATER writes it. */
static void block_put(nghttp2_hd_deflater *deflater, struct buffer *out, size_t token_bytes)
{
    char token[24000], path[8];
    for (size_t i = 0; i < token_bytes; i++) {
        token[i] = "eyJhbGciOiJSUzI1NiIsImtpZCI6-_.0189"[dice() % 35];
    }
    snprintf(path, sizeof(path), "/%u", dice() % 4);
    struct {
        const char *name;
        struct slice value;
        uint8_t flags;
    } rows[] = {
        {":method", SLICE("GET"), 0},
        {":scheme", SLICE("https"), 0},
        {":authority", SLICE("a.test"), 0},
        {":path", slice_of(path), 0},
        {"authorization", {token, token_bytes}, NGHTTP2_NV_FLAG_NO_INDEX},
        {"x-kept", {token, token_bytes < 200 ? token_bytes : 200}, 0},
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    nghttp2_nv fields[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        fields[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)rows[i].name,
                                 (uint8_t *)(uintptr_t)rows[i].value.data, strlen(rows[i].name),
                                 rows[i].value.len, rows[i].flags};
    }
    uint8_t block[32 * 1024];
    ssize_t length = nghttp2_hd_deflate_hd(deflater, block, sizeof(block), fields, ROWS);
    assert_true(length > 0);
    buffer_add(out, (struct slice){(char *)block, (size_t)length});
}

/* One request in one of the forms that its frames may have. */
static void request_frames_put(nghttp2_hd_deflater *deflater, struct buffer *wire, uint32_t stream)
{
    struct buffer payload = BUFFER_INIT(64 * 1024);
    unsigned form = dice() % 6;
    uint8_t flags = END_HEADERS | (form == 3 ? 0 : END_STREAM);
    if (form == 1) { /* the padding, and its length, could be taken for fields */
        flags |= PADDED;
        buffer_add_byte(&payload, (char)FIELD_PADDING);
    }
    if (form == 2) {
        flags |= PRIORITY;
        buffer_add(&payload, (struct slice){"\0\0\0\0\x0f", 5});
    }
    block_put(deflater, &payload, TOKEN_BYTES - dice() % 640);
    for (unsigned i = 0; form == 1 && i < FIELD_PADDING; i++) {
        buffer_add_byte(&payload, 0);
    }
    if (form == 4) { /* in two frames */
        struct slice all = buffer_slice(&payload);
        size_t half = dice() % all.len;
        frame_put(wire, 1, END_STREAM, stream, slice_upto(all, half));
        frame_put(wire, 9, END_HEADERS, stream, slice_from(all, half));
    } else {
        frame_put(wire, 1, flags, stream, buffer_slice(&payload));
    }
    if (form == 3) {
        frame_put(wire, 0, END_STREAM, stream, SLICE("content"));
    }
    buffer_done(&payload);
}

static void connection_put(struct buffer *wire, unsigned requests)
{
    nghttp2_hd_deflater *deflater;
    assert_int_equal(nghttp2_hd_deflate_new(&deflater, 4096), 0);
    preface_put(wire);
    for (unsigned i = 0; i < requests; i++) {
        request_frames_put(deflater, wire, 2 * i + 1);
        if (dice() % 3 == 0) {
            frame_put(wire, 6, 0, 0, SLICE("pingpong"));
        }
    }
    nghttp2_hd_deflate_del(deflater);
}

static void requests_read_the_same_in_any_pieces(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        struct buffer wire = BUFFER_INIT(1 << 20), whole = BUFFER_INIT(8 << 20);
        connection_put(&wire, 12);
        rewritten = 0;
        hear(buffer_slice(&wire), SIZE_MAX, &whole);
        assert_in_range(rewritten, 1, 12);
        assert_non_null(strstr(buffer_text(&whole), "23 request GET https://a.test/"));
        assert_same_in_pieces(&wire);
        buffer_done(&wire);
        buffer_done(&whole);
    }
}

static void broken_connections_break_the_same_in_any_pieces(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 600; round++) {
        struct buffer wire = BUFFER_INIT(1 << 20);
        connection_put(&wire, 4);
        for (unsigned changes = 1 + dice() % 3; changes > 0; changes--) {
            wire.data[dice() % buffer_len(&wire)] ^= (char)(1 << dice() % 8);
        }
        wire.tail -= dice() % 4 == 0 ? dice() % 300 : 0;
        assert_same_in_pieces(&wire);
        buffer_done(&wire);
    }
}

/* One frame may take 16 KiB, coded; what it says then is too much for a frame, and for a head. */
static void a_head_that_is_too_large_in_plain_is_answered_alike(void **state)
{
    (void)state;
    for (size_t bytes = 6000; bytes < 22000; bytes += 1000) {
        struct buffer wire = BUFFER_INIT(1 << 20), payload = BUFFER_INIT(1 << 20);
        nghttp2_hd_deflater *deflater;
        assert_int_equal(nghttp2_hd_deflate_new(&deflater, 4096), 0);
        preface_put(&wire);
        block_put(deflater, &payload, bytes);
        frame_put(&wire, 1, END_STREAM | END_HEADERS, 1, buffer_slice(&payload));
        assert_same_in_pieces(&wire);
        nghttp2_hd_deflate_del(deflater);
        buffer_done(&wire);
        buffer_done(&payload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_read_the_same_in_any_pieces),
        cmocka_unit_test(broken_connections_break_the_same_in_any_pieces),
        cmocka_unit_test(a_head_that_is_too_large_in_plain_is_answered_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
