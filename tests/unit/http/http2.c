#include "http2_pair.h"

static void a_request_and_its_answer_pass(void **state)
{
    (void)state;
    struct pair pair;
    auto_arena arena = {0};
    pair_init(&pair, NULL);
    struct http_request request = get(SLICE("/a?b=c"));
    http_headers_add(&request.headers, &arena, SLICE("x-one"), SLICE("1"));
    http_headers_add(&request.headers, &arena, SLICE("connection"), SLICE("x-hop"));
    http_headers_add(&request.headers, &arena, SLICE("x-hop"), SLICE("2"));
    http_headers_add(&request.headers, &arena, SLICE("host"), SLICE("a.test"));
    assert_int_equal(http2_request(pair.client.session, &request, true), 1);
    pair_run(&pair);
    assert_story(&pair.server, "1 request GET https://a.test/a?b=c framing=0 length=0 x-one=1 "
                               "host=a.test end\n");
    struct http_response early = {.status = 103};
    http_headers_add(&early.headers, &arena, SLICE("link"), SLICE("</s>"));
    assert_true(http2_respond(pair.server.session, 1, &early, false));
    struct http_response response = {.status = 200, .framing = HTTP_LENGTH, .length = 5};
    http_headers_add(&response.headers, &arena, SLICE("content-type"), SLICE("text/plain"));
    http_headers_add(&response.headers, &arena, SLICE("transfer-encoding"), SLICE("chunked"));
    assert_true(http2_respond(pair.server.session, 1, &response, false));
    assert_false(http2_respond(pair.server.session, 1, &response, false));
    assert_true(http2_data(pair.server.session, 1, SLICE("hello")));
    http2_end(pair.server.session, 1, NULL);
    pair_run(&pair);
    assert_story(&pair.client, "1 response 103 framing=4 length=0 link=</s>\n"
                               "1 response 200 framing=1 length=5 content-type=text/plain "
                               "content-length=5\n1 data hello\n1 end\n1 close 0\n");
    assert_story(&pair.server, "1 close 0\n");
    assert_int_equal(http2_streams(pair.server.session), 0);
    assert_int_equal(http2_streams(pair.client.session), 0);
    pair_done(&pair);
}

static void trailers_pass_both_ways(void **state)
{
    (void)state;
    struct pair pair;
    auto_arena arena = {0};
    pair_init(&pair, NULL);
    struct http_request request = get(SLICE("/grpc"));
    request.method = SLICE("POST");
    request.wants_trailers = true;
    assert_int_equal(http2_request(pair.client.session, &request, false), 1);
    struct http_headers up = {0}, down = {0};
    http_headers_add(&up, &arena, SLICE("x-sum"), SLICE("7"));
    http_headers_add(&down, &arena, SLICE("grpc-status"), SLICE("0"));
    http_headers_add(&down, &arena, SLICE("content-length"), SLICE("0"));
    http2_data(pair.client.session, 1, SLICE("question"));
    http2_end(pair.client.session, 1, &up);
    pair_run(&pair);
    assert_story(&pair.server,
                 "1 request POST https://a.test/grpc framing=4 length=0 wants-trailers te=trailers "
                 "host=a.test\n1 data question\n1 end x-sum=7\n");
    struct http_response response = {.status = 200};
    assert_true(http2_respond(pair.server.session, 1, &response, false));
    http2_end(pair.server.session, 1, &down);
    pair_run(&pair);
    assert_story(&pair.client,
                 "1 response 200 framing=4 length=0\n1 end grpc-status=0\n1 close 0\n");
    pair_done(&pair);
}

static void content_waits_for_who_reads_it(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &(struct http2_limits){.window = 100000});
    struct http_request request = get(SLICE("/"));
    char *block = calloc(1, 50000);
    pair.client.hold = pair.client.silent = true;
    http2_request(pair.client.session, &request, true);
    http2_request(pair.client.session, &request, true);
    pair_run(&pair);
    assert_true(http2_respond(pair.server.session, 1, &(struct http_response){.status = 200}, 0));
    assert_true(http2_data(pair.server.session, 1, (struct slice){block, 50000}));
    assert_false(http2_data(pair.server.session, 1, (struct slice){block, 50000}));
    assert_false(http2_data(pair.server.session, 1, (struct slice){block, 50000}));
    pair_run(&pair);
    assert_int_equal(pair.client.content, 100000);
    assert_int_equal(pair.server.writable, 0); /* 50000 wait */
    http2_consume(pair.client.session, 1, 60000);
    pair_run(&pair);
    assert_int_equal(pair.client.content, 150000);
    assert_int_equal(pair.server.writable, 1);
    /* The other stream has not been held up: the connection's window was never the limit. */
    assert_true(http2_respond(pair.server.session, 3, &(struct http_response){.status = 200}, 0));
    assert_true(http2_data(pair.server.session, 3, SLICE("x")));
    pair_run(&pair);
    assert_int_equal(pair.client.content, 150001);
    free(block);
    pair_done(&pair);
}

static void the_connection_window_survives_streams_that_nobody_read(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    char *block = calloc(1, 256 * 1024);
    pair.server.hold = pair.server.silent = true;
    for (int i = 0; i < 150; i++) { /* 37 MiB, of a window of 16 MiB */
        struct http_request request = get(SLICE("/"));
        int32_t id = http2_request(pair.client.session, &request, false);
        assert_true(id > 0);
        http2_data(pair.client.session, id, (struct slice){block, 256 * 1024});
        pair_run(&pair);
        http2_reset(pair.client.session, id, 8);
        pair_run(&pair);
        buffer_clear(&pair.server.story);
    }
    assert_true(pair.server.content > 36 << 20);
    free(block);
    pair_done(&pair);
}

static void a_reset_ends_both_sides(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    struct http_request request = get(SLICE("/"));
    http2_request(pair.client.session, &request, false);
    http2_request(pair.client.session, &request, false);
    pair_run(&pair);
    buffer_clear(&pair.server.story);
    http2_reset(pair.client.session, 1, 8);
    http2_reset(pair.server.session, 3, 11);
    http2_data(pair.client.session, 1, SLICE("late"));
    pair_run(&pair);
    assert_story(&pair.server, "1 close 8\n3 close 11\n");
    assert_story(&pair.client, "1 close 8\n3 close 11\n");
    /* What is gone is silently nothing. */
    assert_true(http2_data(pair.server.session, 1, SLICE("x")));
    http2_end(pair.server.session, 1, NULL);
    http2_consume(pair.server.session, 1, 10);
    http2_reset(pair.server.session, 1, 0);
    assert_false(
        http2_respond(pair.server.session, 1, &(struct http_response){.status = 200}, true));
    pair_done(&pair);
}

static void a_request_can_be_cancelled_before_it_has_left(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    struct http_request request = get(SLICE("/"));
    pair_run(&pair);
    int32_t id = http2_request(pair.client.session, &request, false);
    http2_data(pair.client.session, id, SLICE("x"));
    http2_reset(pair.client.session, id, 8);
    pair_run(&pair);
    assert_story(&pair.client, "1 close 8\n");
    assert_int_equal(http2_streams(pair.client.session), 0);
    assert_int_equal(http2_streams(pair.server.session), 0);
    pair_done(&pair);
}

static void an_answer_before_the_end_of_the_question_cuts_the_question_later(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    http2_tick(pair.server.session, 5000);
    struct http_request request = get(SLICE("/"));
    http2_request(pair.client.session, &request, false);
    pair_run(&pair);
    buffer_clear(&pair.server.story);
    http2_respond(pair.server.session, 1, &(struct http_response){.status = 403}, true);
    pair_run(&pair);
    /* The user is done with it; the client has its answer, and no reset yet. */
    assert_story(&pair.client, "1 response 403 framing=0 length=0 end\n");
    assert_story(&pair.server, "1 close 0\n");
    assert_int_equal(http2_due(pair.server.session), 6000);
    http2_data(pair.client.session, 1, SLICE("more"));
    pair_run(&pair);
    http2_tick(pair.server.session, 5999);
    pair_run(&pair);
    assert_string_equal(buffer_text(&pair.server.story), "");
    assert_int_equal(http2_streams(pair.client.session), 1);
    http2_tick(pair.server.session, 6000);
    pair_run(&pair);
    assert_story(&pair.client, "1 close 0\n");
    assert_int_equal(http2_due(pair.server.session), 0);
    assert_int_equal(http2_streams(pair.server.session), 0);
    pair_done(&pair);
}

static void a_question_that_ends_behind_its_answer_is_not_cut(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    struct http_request request = get(SLICE("/"));
    http2_request(pair.client.session, &request, false);
    pair_run(&pair);
    http2_respond(pair.server.session, 1, &(struct http_response){.status = 403}, true);
    pair_run(&pair);
    buffer_clear(&pair.client.story);
    buffer_clear(&pair.server.story);
    http2_data(pair.client.session, 1, SLICE("the rest"));
    http2_end(pair.client.session, 1, NULL);
    pair_run(&pair);
    assert_story(&pair.client, "1 close 0\n");
    assert_string_equal(buffer_text(&pair.server.story), "");
    assert_int_equal(http2_due(pair.server.session), 0);
    assert_int_equal(http2_streams(pair.server.session), 0);
    pair_done(&pair);
}

static void extended_connect_is_a_tunnel(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    struct http_request request = get(SLICE("/socket"));
    request.upgrade = SLICE("websocket");
    assert_int_equal(http2_request(pair.client.session, &request, false), -1); /* not offered yet */
    pair_run(&pair);
    assert_int_equal(http2_request(pair.client.session, &request, false), 1);
    pair_run(&pair);
    assert_story(&pair.server, "1 request CONNECT https://a.test/socket framing=4 length=0 "
                               "upgrade=websocket host=a.test\n");
    http2_respond(pair.server.session, 1, &(struct http_response){.status = 200}, false);
    http2_data(pair.server.session, 1, SLICE("down"));
    http2_end(pair.server.session, 1, NULL);
    pair_run(&pair);
    http2_data(pair.client.session, 1, SLICE("up"));
    http2_end(pair.client.session, 1, NULL);
    pair_run(&pair);
    assert_story(&pair.client,
                 "1 response 200 framing=4 length=0\n1 data down\n1 end\n1 close 0\n");
    assert_story(&pair.server, "1 data up\n1 end\n1 close 0\n");
    pair_done(&pair);
}

static void draining_lets_open_streams_end(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    struct http_request request = get(SLICE("/"));
    http2_request(pair.client.session, &request, true);
    pair_run(&pair);
    buffer_clear(&pair.server.story);
    http2_drain(pair.server.session);
    pair_run(&pair);
    assert_false(http2_finished(pair.server.session));
    assert_int_equal(http2_request(pair.client.session, &request, true), -1);
    http2_respond(pair.server.session, 1, &(struct http_response){.status = 204}, true);
    pair_run(&pair);
    assert_story(&pair.client, "1 response 204 framing=0 length=0 end\n1 close 0\n");
    assert_true(http2_finished(pair.server.session));
    assert_true(http2_finished(pair.client.session));
    pair_done(&pair);
}

static void no_more_streams_than_the_peer_allows(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, &(struct http2_limits){.streams_max = 2});
    struct http_request request = get(SLICE("/"));
    pair_run(&pair);
    assert_int_equal(http2_request(pair.client.session, &request, true), 1);
    assert_int_equal(http2_request(pair.client.session, &request, true), 3);
    assert_int_equal(http2_request(pair.client.session, &request, true), -1);
    pair_run(&pair);
    http2_respond(pair.server.session, 1, &(struct http_response){.status = 204}, true);
    pair_run(&pair);
    assert_int_equal(http2_request(pair.client.session, &request, true), 5);
    pair_done(&pair);
}

static void what_is_not_clean_is_never_sent(void **state)
{
    (void)state;
    struct pair pair;
    auto_arena arena = {0};
    pair_init(&pair, NULL);
    static const struct http_header fields[] = {
        {SLICE_INIT("a"), SLICE_INIT("x\r\ny: z")}, {SLICE_INIT("a"), SLICE_INIT("x\ny")},
        {SLICE_INIT("a"), SLICE_INIT("x\0y")},      {SLICE_INIT("a b"), SLICE_INIT("x")},
        {SLICE_INIT(""), SLICE_INIT("x")},          {SLICE_INIT(":status"), SLICE_INIT("200")},
        {SLICE_INIT("Upper"), SLICE_INIT("x")},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct http_request request = get(SLICE("/"));
        http_headers_add(&request.headers, &arena, fields[i].name, fields[i].value);
        assert_int_equal(http2_request(pair.client.session, &request, true), -1);
    }
    struct http_request request = get(SLICE("/\r\n"));
    assert_int_equal(http2_request(pair.client.session, &request, true), -1);
    pair_done(&pair);
}

static void a_small_output_buffer_is_enough(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair, NULL);
    struct http_request request = get(SLICE("/"));
    http2_request(pair.client.session, &request, true);
    struct buffer wire = BUFFER_INIT(7);
    while (http2_output(pair.client.session, &wire)) {
        http2_input(pair.server.session, buffer_slice(&wire));
        buffer_clear(&wire);
    }
    buffer_done(&wire);
    assert_story(&pair.server,
                 "1 request GET https://a.test/ framing=0 length=0 host=a.test end\n");
    pair_done(&pair);
}

#define GOOD ":method: GET\n:scheme: https\n:authority: a.test\n:path: /\n"

struct head_case {
    const char *lines;
    const char *expect; /* what the user is told, or the frames of the refusal */
};

static void a_head_is_taken_in_its_common_form(void **state)
{
    (void)state;
    static const struct head_case cases[] = {
        {GOOD, "1 request GET https://a.test/ framing=0 length=0 host=a.test end\n"},
        {GOOD "host: A.test", "1 request GET https://a.test/ framing=0 length=0 host=A.test end\n"},
        {":method: GET\n:scheme: https\n:path: /\nhost: b.test",
         "1 request GET https://b.test/ framing=0 length=0 host=b.test end\n"},
        {GOOD "cookie: a=1\nx: y\ncookie: b=2\ncookie: c=3",
         "1 request GET https://a.test/ framing=0 length=0 x=y cookie=a=1; b=2; c=3 host=a.test "
         "end\n"},
        {GOOD "te: trailers\nexpect: 100-continue",
         "1 request GET https://a.test/ framing=0 length=0 wants-trailers expects-continue "
         "te=trailers expect=100-continue host=a.test end\n"},
        {":method: OPTIONS\n:scheme: https\n:authority: a.test\n:path: *\n",
         "1 request OPTIONS https://a.test* framing=0 length=0 host=a.test end\n"},
        {GOOD "content-length: 0",
         "1 request GET https://a.test/ framing=0 length=0 content-length=0 host=a.test end\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair pair;
        struct buffer wire = BUFFER_INIT(1 << 20);
        pair_init(&pair, NULL);
        preface_put(&wire);
        request_put(&wire, 1, END_STREAM | END_HEADERS, cases[i].lines);
        assert_true(feed(&pair.server, &wire));
        assert_story(&pair.server, cases[i].expect);
        buffer_done(&wire);
        pair_done(&pair);
    }
}

static void a_head_that_breaks_a_rule_never_reaches_the_user(void **state)
{
    (void)state;
    /* HEADERS: answered by us; RST=1: nghttp2 has found it malformed. */
    static const struct head_case cases[] = {
        {GOOD "host: b.test", "HEADERS:1 "},
        {":method: GET\n:scheme: http\n:authority: a.test\n:path: /\n", "HEADERS:1 "},
        {":method: GET\n:scheme: https\n:authority: u@a.test\n:path: /\n", ""},
        {":method: GET\n:scheme: https\n:authority: a.test:0\n:path: /\n", "HEADERS:1 "},
        {":method: GET\n:scheme: https\n:authority: a.test\n:path: *\n", ""},
        {":method: GET\n:scheme: https\n:authority: a.test\n:path: /#x\n", "HEADERS:1 "},
        {":method: GET\n:scheme: https\n:authority: a.test\n:path: /a b\n", ""},
        {":method: GET\n:scheme: https\n:authority: a.test\n:path: \n", "RST:1=1 "},
        {":method: GET\n:scheme: https\n:path: /\n", "RST:1=1 "},
        {":method: GET\n:authority: a.test\n:path: /\n", "RST:1=1 "},
        {":scheme: https\n:authority: a.test\n:path: /\n", "RST:1=1 "},
        {":method: CONNECT\n:authority: a.test:443\n", "HEADERS:1 "},
        {GOOD "connection: close", "RST:1=1 "},
        {GOOD "transfer-encoding: chunked", "RST:1=1 "},
        {GOOD "te: gzip", "RST:1=1 "},
        {GOOD "upgrade: h2c", "RST:1=1 "},
        {GOOD "content-length: 5", "RST:1=1 "},
        {GOOD "content-length: 0\ncontent-length: 0", "RST:1=1 "},
        {GOOD "content-length: +0", "RST:1=1 "},
        {GOOD "Upper: x", ""},
        {GOOD "a b: x", ""},
        {GOOD "x: \x01", ""},
        {GOOD "x: caf\xc3\xa9", "HEADERS:1 "},
        {GOOD "x: y\n:path: /two", "RST:1=1 "},
        {GOOD ":path: /two", "RST:1=1 "},
        {GOOD ":status: 200", "RST:1=1 "},
        {GOOD ":other: x", "RST:1=1 "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pair pair;
        struct buffer wire = BUFFER_INIT(1 << 20), frames = BUFFER_INIT(4096);
        pair_init(&pair, NULL);
        preface_put(&wire);
        feed(&pair.server, &wire);
        frames_tell(&pair.server, &frames);
        buffer_clear(&frames);
        request_put(&wire, 1, END_STREAM | END_HEADERS, cases[i].lines);
        feed(&pair.server, &wire);
        frames_tell(&pair.server, &frames);
        assert_story(&pair.server, "");
        const char *told = buffer_text(&frames);
        bool refused = strcmp(told, "HEADERS:1 ") == 0 || strcmp(told, "RST:1=1 ") == 0;
        if (!refused || (cases[i].expect[0] != '\0' && strcmp(told, cases[i].expect) != 0)) {
            fail_msg("case %zu: \"%s\"", i, told);
        }
        assert_int_equal(http2_streams(pair.server.session), 0);
        buffer_done(&wire);
        buffer_done(&frames);
        pair_done(&pair);
    }
}

static void content_that_does_not_agree_with_its_length_is_an_error(void **state)
{
    (void)state;
    struct pair pair;
    struct buffer wire = BUFFER_INIT(1 << 20);
    pair_init(&pair, NULL);
    preface_put(&wire);
    request_put(&wire, 1, END_HEADERS, GOOD "content-length: 3");
    frame_put(&wire, 0, END_STREAM, 1, SLICE("ab"));
    request_put(&wire, 3, END_HEADERS, GOOD "content-length: 3");
    frame_put(&wire, 0, 0, 3, SLICE("abcd"));
    feed(&pair.server, &wire);
    struct buffer frames = BUFFER_INIT(4096);
    frames_tell(&pair.server, &frames);
    assert_non_null(strstr(buffer_text(&frames), "RST:1=1 "));
    assert_non_null(strstr(buffer_text(&frames), "RST:3=1 "));
    assert_null(strstr(buffer_text(&pair.server.story), "end\n"));
    buffer_done(&frames);
    buffer_done(&wire);
    pair_done(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_answer_pass),
        cmocka_unit_test(trailers_pass_both_ways),
        cmocka_unit_test(content_waits_for_who_reads_it),
        cmocka_unit_test(the_connection_window_survives_streams_that_nobody_read),
        cmocka_unit_test(a_reset_ends_both_sides),
        cmocka_unit_test(a_request_can_be_cancelled_before_it_has_left),
        cmocka_unit_test(an_answer_before_the_end_of_the_question_cuts_the_question_later),
        cmocka_unit_test(a_question_that_ends_behind_its_answer_is_not_cut),
        cmocka_unit_test(extended_connect_is_a_tunnel),
        cmocka_unit_test(draining_lets_open_streams_end),
        cmocka_unit_test(no_more_streams_than_the_peer_allows),
        cmocka_unit_test(what_is_not_clean_is_never_sent),
        cmocka_unit_test(a_small_output_buffer_is_enough),
        cmocka_unit_test(a_head_is_taken_in_its_common_form),
        cmocka_unit_test(a_head_that_breaks_a_rule_never_reaches_the_user),
        cmocka_unit_test(content_that_does_not_agree_with_its_length_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
