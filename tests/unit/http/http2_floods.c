/* What a hostile peer can do to a session, and what stops it. */
#include "http2_pair.h"

#define GOOD ":method: GET\n:scheme: https\n:authority: a.test\n:path: /\n"

struct attack {
    struct pair pair;
    struct buffer wire, frames;
};

static void attack_begin(struct attack *attack, const struct http2_limits *limits)
{
    *attack = (struct attack){.wire = BUFFER_INIT(8 << 20), .frames = BUFFER_INIT(8 << 20)};
    pair_init(&attack->pair, limits);
    http2_tick(attack->pair.server.session, 1000);
    preface_put(&attack->wire);
    assert_true(feed(&attack->pair.server, &attack->wire));
    frames_tell(&attack->pair.server, &attack->frames);
    buffer_clear(&attack->frames);
}

static void attack_end(struct attack *attack)
{
    buffer_done(&attack->wire);
    buffer_done(&attack->frames);
    pair_done(&attack->pair);
}

/* The connection has been ended with ENHANCE_YOUR_CALM, and takes nothing more. */
static void assert_calmed(struct attack *attack)
{
    struct end *server = &attack->pair.server;
    frames_tell(server, &attack->frames);
    assert_non_null(strstr(buffer_text(&attack->frames), "GOAWAY:0=11 "));
    frame_put(&attack->wire, 6, 0, 0, SLICE("12345678"));
    assert_false(feed(server, &attack->wire));
    assert_true(http2_finished(server->session));
}

/* Sends COUNT times what PUT puts, and reads the answers; how many were taken. */
static unsigned repeat(struct attack *attack, unsigned count,
                       void (*put)(struct buffer *wire, unsigned number))
{
    for (unsigned i = 0; i < count; i++) {
        put(&attack->wire, i);
        if (!feed(&attack->pair.server, &attack->wire)) {
            return i;
        }
        buffer_clear(&attack->frames);
        frames_tell(&attack->pair.server, &attack->frames);
    }
    return count;
}

static void put_reset(struct buffer *wire, unsigned number)
{
    request_put(wire, 1 + 2 * number, END_STREAM | END_HEADERS, GOOD);
    frame_put(wire, 3, 0, 1 + 2 * number, SLICE("\0\0\0\x08"));
}

static void rapid_resets_end_the_connection(void **state)
{
    (void)state;
    struct attack attack;
    attack_begin(&attack, &(struct http2_limits){.resets_per_s = 50});
    assert_int_equal(repeat(&attack, 1000, put_reset), 50);
    assert_calmed(&attack);
    attack_end(&attack);
}

static void resets_are_limited_per_second_and_not_for_good(void **state)
{
    (void)state;
    struct attack attack;
    attack_begin(&attack, &(struct http2_limits){.resets_per_s = 50});
    for (unsigned i = 0; i < 200; i++) {
        http2_tick(attack.pair.server.session, 1000 + i * 25);
        put_reset(&attack.wire, i);
        assert_true(feed(&attack.pair.server, &attack.wire));
        frames_tell(&attack.pair.server, &attack.frames);
    }
    attack_end(&attack);
}

static void put_malformed(struct buffer *wire, unsigned number)
{
    request_put(wire, 1 + 2 * number, END_STREAM | END_HEADERS, GOOD "connection: x");
}

static void resets_that_the_peer_provokes_count_as_its_own(void **state)
{
    (void)state;
    struct attack attack;
    attack_begin(&attack, &(struct http2_limits){.resets_per_s = 50});
    assert_true(repeat(&attack, 1000, put_malformed) <= 52);
    frames_tell(&attack.pair.server, &attack.frames);
    assert_true(http2_finished(attack.pair.server.session));
    attack_end(&attack);
}

static void put_ping(struct buffer *wire, unsigned number)
{
    (void)number;
    frame_put(wire, 6, 0, 0, SLICE("12345678"));
}

static void put_settings(struct buffer *wire, unsigned number)
{
    (void)number;
    frame_put(wire, 4, 0, 0, SLICE_NONE);
}

static void put_priority(struct buffer *wire, unsigned number)
{
    frame_put(wire, 2, 0, 1 + 2 * (number % 1000), SLICE("\0\0\0\0\x01"));
}

static void put_window_update(struct buffer *wire, unsigned number)
{
    (void)number;
    frame_put(wire, 8, 0, 0, SLICE("\0\0\0\x01"));
}

static void put_empty_data(struct buffer *wire, unsigned number)
{
    if (number == 0) {
        request_put(wire, 1, END_HEADERS, GOOD);
    }
    frame_put(wire, 0, 0, 1, SLICE_NONE);
}

static void put_padding(struct buffer *wire, unsigned number)
{
    if (number == 0) {
        request_put(wire, 1, END_HEADERS, GOOD);
    }
    frame_put(wire, 0, PADDED, 1, SLICE("\x03\0\0\0"));
}

static void frames_that_say_nothing_end_the_connection(void **state)
{
    (void)state;
    static void (*const puts[])(struct buffer *, unsigned) = {
        put_ping, put_settings, put_priority, put_window_update, put_empty_data, put_padding,
    };
    for (size_t i = 0; i < sizeof(puts) / sizeof(puts[0]); i++) {
        struct attack attack;
        attack_begin(&attack, NULL);
        unsigned taken = repeat(&attack, 10000, puts[i]);
        if (taken < 1900 || taken > 2000) {
            fail_msg("case %zu: %u frames were taken", i, taken);
        }
        assert_calmed(&attack);
        attack_end(&attack);
    }
}

static void answers_that_nobody_reads_do_not_pile_up(void **state)
{
    (void)state;
    struct attack attack;
    attack_begin(&attack, NULL);
    unsigned taken = 0;
    do {
        put_ping(&attack.wire, taken);
    } while (feed(&attack.pair.server, &attack.wire) && ++taken < 5000);
    assert_in_range(taken, 190, 210);
    attack_end(&attack);
}

static void continuations_without_end_are_cut(void **state)
{
    (void)state;
    struct attack attack;
    attack_begin(&attack, NULL);
    frame_put(&attack.wire, 1, 0, 1, SLICE("\x82"));
    unsigned taken = 0;
    do {
        frame_put(&attack.wire, 9, 0, 1, SLICE("\0\x01x\x01y"));
    } while (feed(&attack.pair.server, &attack.wire) && ++taken < 1000);
    assert_in_range(taken, 4, 20);
    assert_int_equal(http2_streams(attack.pair.server.session) <= 1, true);
    attack_end(&attack);
}

/* COUNT indexed references to one field of 100 bytes: a small block that is a large head. */
static void bomb_put(struct buffer *wire, uint32_t stream, unsigned count)
{
    struct buffer block = BUFFER_INIT(1 << 20);
    char value[100];
    memset(value, 'v', sizeof(value));
    buffer_add_text(&block, "\x82\x87\x84\x41\x06"
                            "a.test");
    buffer_add_text(&block, "\x40\x01x\x64");
    buffer_add(&block, (struct slice){value, sizeof(value)});
    for (unsigned i = 0; i < count; i++) {
        buffer_add_byte(&block, (char)0xbe);
    }
    frame_put(wire, 1, END_STREAM | END_HEADERS, stream, buffer_slice(&block));
    buffer_done(&block);
}

static void a_head_that_is_too_large_is_answered_431(void **state)
{
    (void)state;
    static const struct {
        size_t head_max;
        unsigned fields;
        bool taken;
    } cases[] = {
        {4000, 20, true},      {4000, 40, false}, {0, 200, true},
        {0, 300, false},       {0, 16000, false}, /* more than 256 fields, more than 64 KiB */
        {1 << 20, 300, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct attack attack;
        attack_begin(&attack, &(struct http2_limits){.head_max = cases[i].head_max});
        struct end *server = &attack.pair.server;
        bomb_put(&attack.wire, 1, cases[i].fields);
        assert_true(feed(server, &attack.wire));
        assert_int_equal(buffer_len(&server->story) > 0, cases[i].taken);
        struct buffer sent = BUFFER_INIT(1 << 16);
        while (http2_output(server->session, &sent)) {
        }
        if (!cases[i].taken) {
            /* HEADERS with END_STREAM; then ":status: 431", its digits in Huffman's code */
            assert_true(slice_find_slice(buffer_slice(&sent), SLICE("\x01\x05\0\0\0\x01")) >= 0);
            assert_int_equal(http2_streams(server->session), 0);
        }
        /* The connection goes on. */
        request_put(&attack.wire, 3, END_STREAM | END_HEADERS, GOOD);
        buffer_clear(&server->story);
        assert_true(feed(server, &attack.wire));
        assert_true(slice_starts(buffer_slice(&server->story), SLICE("3 request GET")));
        buffer_done(&sent);
        attack_end(&attack);
    }
}

static void the_client_sees_431(void **state)
{
    (void)state;
    struct pair pair;
    auto_arena arena = {0};
    pair_init(&pair, &(struct http2_limits){.head_max = 1000});
    struct http_request request = get(SLICE("/"));
    char value[1000];
    memset(value, 'v', sizeof(value));
    http_headers_add(&request.headers, &arena, SLICE("x"), (struct slice){value, sizeof(value)});
    http2_request(pair.client.session, &request, true);
    pair_run(&pair);
    assert_story(&pair.client, "1 response 431 framing=0 length=0 end\n1 close 0\n");
    assert_story(&pair.server, "");
    pair_done(&pair);
}

static void more_streams_than_allowed_are_refused_and_the_rest_go_on(void **state)
{
    (void)state;
    struct attack attack;
    attack_begin(&attack, &(struct http2_limits){.streams_max = 10});
    frame_put(&attack.wire, 4, 1, 0, SLICE_NONE); /* our settings, acknowledged */
    for (uint32_t i = 0; i < 20; i++) {
        request_put(&attack.wire, 1 + 2 * i, END_HEADERS, GOOD);
    }
    feed(&attack.pair.server, &attack.wire);
    assert_int_equal(http2_streams(attack.pair.server.session), 10);
    attack_end(&attack);
}

static void padding_costs_the_window_nothing_in_the_end(void **state)
{
    (void)state;
    struct attack attack;
    char padded[256] = {0};
    attack_begin(&attack, &(struct http2_limits){.window = 100000});
    padded[0] = (char)254; /* 1 + 1 + 254: one byte of content */
    attack.pair.server.silent = true;
    request_put(&attack.wire, 1, END_HEADERS, GOOD);
    for (unsigned i = 0; i < 1000; i++) { /* 256 KB of a window of 100 KB */
        frame_put(&attack.wire, 0, PADDED, 1, (struct slice){padded, sizeof(padded)});
        assert_true(feed(&attack.pair.server, &attack.wire));
        frames_tell(&attack.pair.server, &attack.frames);
    }
    assert_int_equal(attack.pair.server.content, 1000);
    assert_null(strstr(buffer_text(&attack.frames), "RST"));
    attack_end(&attack);
}

static void more_than_the_window_is_an_error_of_the_stream(void **state)
{
    (void)state;
    struct attack attack;
    char block[10000] = {0};
    attack_begin(&attack, &(struct http2_limits){.window = 70000});
    frame_put(&attack.wire, 4, 1, 0, SLICE_NONE);
    attack.pair.server.hold = attack.pair.server.silent = true;
    request_put(&attack.wire, 1, END_HEADERS, GOOD);
    for (unsigned i = 0; i < 10; i++) {
        frame_put(&attack.wire, 0, 0, 1, (struct slice){block, sizeof(block)});
    }
    feed(&attack.pair.server, &attack.wire);
    /* nghttp2 still gives out the piece that breaks the limit, and nothing behind it. */
    assert_int_equal(attack.pair.server.content, 80000);
    frames_tell(&attack.pair.server, &attack.frames);
    assert_non_null(strstr(buffer_text(&attack.frames), "=3 ")); /* FLOW_CONTROL_ERROR */
    attack_end(&attack);
}

static void what_is_not_http2_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    assert_false(http2_input(pair.server.session, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n")));
    assert_false(http2_input(pair.server.session, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")));
    pair_done(&pair);
}

static void a_broken_frame_ends_the_connection(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, flags;
        uint32_t stream;
        struct slice payload;
    } cases[] = {
        {0, 0, 0, SLICE_INIT("x")},                                  /* DATA on stream 0 */
        {1, END_HEADERS, 2, SLICE_INIT("\x82")},                     /* a stream of the server's */
        {1, END_HEADERS, 1, SLICE_INIT("\xff\xff\xff\xff\xff\xff")}, /* not HPACK */
        {6, 0, 0, SLICE_INIT("1234")},                               /* a short ping */
        {9, 4, 1, SLICE_INIT("\x82")},                               /* CONTINUATION of nothing */
        {4, 0, 0, SLICE_INIT("\0\4\xff\xff\xff\xff")},               /* a window over 2^31-1 */
        {8, 0, 0, SLICE_INIT("\x7f\xff\xff\xff")},                   /* overflows the window */
        {5, 4, 1, SLICE_INIT("\0\0\0\2\x82")},                       /* a push from a client */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct attack attack;
        attack_begin(&attack, NULL);
        frame_put(&attack.wire, cases[i].type, cases[i].flags, cases[i].stream, cases[i].payload);
        feed(&attack.pair.server, &attack.wire);
        frames_tell(&attack.pair.server, &attack.frames);
        if (strstr(buffer_text(&attack.frames), "GOAWAY:0=") == NULL) {
            fail_msg("case %zu: %s", i, buffer_text(&attack.frames));
        }
        put_ping(&attack.wire, 0);
        assert_false(feed(&attack.pair.server, &attack.wire));
        assert_true(http2_finished(attack.pair.server.session));
        attack_end(&attack);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rapid_resets_end_the_connection),
        cmocka_unit_test(resets_are_limited_per_second_and_not_for_good),
        cmocka_unit_test(resets_that_the_peer_provokes_count_as_its_own),
        cmocka_unit_test(frames_that_say_nothing_end_the_connection),
        cmocka_unit_test(answers_that_nobody_reads_do_not_pile_up),
        cmocka_unit_test(continuations_without_end_are_cut),
        cmocka_unit_test(a_head_that_is_too_large_is_answered_431),
        cmocka_unit_test(the_client_sees_431),
        cmocka_unit_test(more_streams_than_allowed_are_refused_and_the_rest_go_on),
        cmocka_unit_test(padding_costs_the_window_nothing_in_the_end),
        cmocka_unit_test(more_than_the_window_is_an_error_of_the_stream),
        cmocka_unit_test(what_is_not_http2_is_refused),
        cmocka_unit_test(a_broken_frame_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
