/* Servers and clients of net/ against each other, on loopback and in one loop. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const bool both[] = {false, true};

static void a_call_is_answered_and_its_connection_is_used_again(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        for (int i = 0; i < 5; i++) {
            rig_call(&rig, pool, "GET", "/hello", HTTP_NO_BODY, 0, &out);
            rig_until(&rig, &out.closed);
            assert_int_equal(out.status, 200);
            assert_string_equal(buffer_text(&out.body), "hello");
            assert_string_equal(out.failure, "");
        }
        assert_string_equal(rig.seen,
                            v ? "GET /hello 2 a.example http" : "GET /hello 1 a.example http");
        assert_int_equal(net_listener_connections(rig.listener), 1);
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
        assert_int_equal(rig.aborted, 0);
    }
}

static void bodies_and_trailers_flow_both_ways(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        struct http_header field = {SLICE("x-sum"), SLICE("42")};
        struct http_headers trailers = {.items = &field, .count = 1};
        rig_call(&rig, pool, "POST", "/echo", HTTP_CHUNKED, 0, &out);
        call_write(out.call, SLICE("one "));
        rig_turn(&rig, 20);
        call_write(out.call, SLICE("two"));
        call_end(out.call, &trailers);
        rig_until(&rig, &out.closed);
        assert_int_equal(out.status, 200);
        assert_int_equal(out.interim, 1);
        assert_string_equal(buffer_text(&out.body), "one two");
        assert_string_equal(out.trailer, "x-sum=42");
        assert_string_equal(out.failure, "");
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void a_large_body_is_held_back_by_a_paused_reader(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        rig_call(&rig, pool, "GET", "/large", HTTP_NO_BODY, 0, &out);
        call_pause(out.call);
        rig_turn(&rig, 2000);
        assert_int_equal(buffer_len(&out.body), 0);
        assert_int_equal(rig.closed, 0);
        call_resume(out.call);
        rig_until(&rig, &out.closed);
        assert_string_equal(out.failure, "");
        assert_int_equal(buffer_len(&out.body), RIG_LARGE);
        assert_true(rig.writable > 0);
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void a_sender_is_told_to_stop_and_when_to_go_on(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        static char block[256 * 1024];
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        rig_call(&rig, pool, "PUT", "/hold", HTTP_LENGTH, 32 * sizeof(block), &out);
        /* Until nothing moves any more, however much the sockets between them hold. */
        int sent = 0;
        for (unsigned before = 1; before != out.writable || sent == 0; sent++) {
            assert_true(sent < 31);
            before = out.writable;
            call_write(out.call, (struct slice){block, sizeof(block)});
            rig_turn(&rig, 500);
        }
        assert_int_equal(rig.body_bytes, 0);
        exchange_resume(rig.hanging);
        for (; sent < 32; sent++) {
            call_write(out.call, (struct slice){block, sizeof(block)});
        }
        call_end(out.call, NULL);
        rig_until(&rig, &rig.body_ended);
        assert_int_equal(rig.body_bytes, 32 * sizeof(block));
        exchange_reply(rig.hanging, 201, NULL, SLICE(""), NULL);
        rig_until(&rig, &out.closed);
        assert_int_equal(out.status, 201);
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void an_upgrade_becomes_a_tunnel(void **state)
{
    (void)state;
    struct rig rig;
    struct outcome out = {0};
    rig_start(&rig, NULL);
    struct net_pool *pool = rig_pool(&rig, false);
    rig_call(&rig, pool, "GET", "/upgrade", HTTP_NO_BODY, 0, &out);
    while (out.status == 0) {
        rig_turn(&rig, 1);
    }
    assert_int_equal(out.status, 101);
    call_write(out.call, SLICE("raw \r\n\r\n bytes"));
    while (buffer_len(&out.body) < 14) {
        rig_turn(&rig, 1);
    }
    assert_string_equal(buffer_text(&out.body), "raw \r\n\r\n bytes");
    call_end(out.call, NULL);
    rig_until(&rig, &out.closed);
    assert_string_equal(out.failure, "");
    net_pool_free(pool);
    outcome_done(&out);
    rig_stop(&rig);
}

static void interim_answers_come_before_the_final_one(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        rig_call(&rig, pool, "GET", "/inform", HTTP_NO_BODY, 0, &out);
        rig_until(&rig, &out.closed);
        assert_int_equal(out.interim, 1);
        assert_int_equal(out.status, 200);
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void an_answer_to_head_has_a_length_but_no_body(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        rig_call(&rig, pool, "HEAD", "/hello", HTTP_NO_BODY, 0, &out);
        rig_until(&rig, &out.closed);
        assert_int_equal(out.status, 200);
        assert_int_equal(buffer_len(&out.body), 0);
        assert_string_equal(out.failure, "");
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void an_answer_that_cannot_be_completed_is_seen_as_cut(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        rig_call(&rig, pool, "GET", "/short", HTTP_NO_BODY, 0, &out);
        rig_until(&rig, &out.closed);
        assert_true(out.failure[0] != '\0');
        assert_true(out.loss == CALL_ANSWERED || out.loss == CALL_UNANSWERED);
        assert_int_equal(rig.aborted, 1);
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void a_call_that_is_cancelled_aborts_its_exchange(void **state)
{
    (void)state;
    for (int v = 0; v < 4; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v % 2]);
        if (v < 2) {
            rig_call(&rig, pool, "GET", "/hang", HTTP_NO_BODY, 0, &out);
            while (rig.requests == 0) {
                rig_turn(&rig, 1);
            }
            call_cancel(out.call);
        } else {
            rig_call(&rig, pool, "GET", "/large", HTTP_NO_BODY, 0, &out);
            out.cancel_on_body = true;
        }
        while (rig.closed == 0) {
            rig_turn(&rig, 1);
        }
        assert_int_equal(rig.aborted, 1);
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void an_exchange_that_is_aborted_fails_its_call(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        rig_call(&rig, pool, "GET", "/hang", HTTP_NO_BODY, 0, &out);
        while (rig.hanging == NULL) {
            rig_turn(&rig, 1);
        }
        exchange_abort(rig.hanging, 8);
        rig_until(&rig, &out.closed);
        assert_true(out.failure[0] != '\0');
        if (!both[v]) { /* the server may have worked on it; by HTTP/2 it has said that it did */
            assert_int_equal(out.loss, CALL_UNANSWERED);
        }
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void a_connection_that_had_just_ended_is_told_from_a_new_one(void **state)
{
    (void)state;
    struct rig rig;
    struct outcome out = {0};
    rig_start(&rig, NULL);
    struct net_pool *pool = rig_pool(&rig, false);
    rig_call(&rig, pool, "GET", "/hello", HTTP_NO_BODY, 0, &out);
    rig_until(&rig, &out.closed);
    /* The server hangs up just as the next request leaves. */
    net_listener_free(rig.listener);
    rig_call(&rig, pool, "GET", "/hello", HTTP_NO_BODY, 0, &out);
    rig_until(&rig, &out.closed);
    assert_int_equal(out.loss, CALL_STALE);
    assert_true(out.failure[0] != '\0');
    net_pool_free(pool);
    outcome_done(&out);
    rig.listener = NULL;
    rig_stop(&rig);
}

static void a_refused_connection_has_shown_the_peer_nothing(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        net_listener_free(rig.listener);
        rig.listener = NULL;
        close(rig.fd);
        rig.fd = -1;
        rig_call(&rig, pool, "GET", "/hello", HTTP_NO_BODY, 0, &out);
        rig_until(&rig, &out.closed);
        assert_string_equal(out.failure, "Connection refused");
        assert_int_equal(out.loss, CALL_UNSENT);
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void many_calls_at_once_are_all_answered(void **state)
{
    (void)state;
    enum { CALLS = 150 };
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        static struct outcome outs[CALLS];
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        for (int i = 0; i < CALLS; i++) {
            rig_call(&rig, pool, "GET", "/hello", HTTP_NO_BODY, 0, &outs[i]);
        }
        for (int i = 0; i < CALLS; i++) {
            rig_until(&rig, &outs[i].closed);
            assert_string_equal(outs[i].failure, "");
            assert_int_equal(outs[i].status, 200);
            outcome_done(&outs[i]);
        }
        rig_turn(&rig, 50);
        assert_true(net_listener_connections(rig.listener) <= (v ? 3 : 64));
        net_pool_free(pool);
        rig_stop(&rig);
    }
}

static void a_drained_listener_lets_busy_exchanges_end(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        struct net_pool *pool = rig_pool(&rig, both[v]);
        rig_call(&rig, pool, "GET", "/hang", HTTP_NO_BODY, 0, &out);
        while (rig.hanging == NULL) {
            rig_turn(&rig, 1);
        }
        net_listener_drain(rig.listener);
        rig_turn(&rig, 20);
        assert_int_equal(net_listener_connections(rig.listener), 1);
        exchange_reply(rig.hanging, 200, NULL, SLICE("late"), NULL);
        rig_until(&rig, &out.closed);
        assert_string_equal(out.failure, "");
        while (net_listener_connections(rig.listener) > 0) {
            rig_turn(&rig, 1);
        }
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void streams_of_a_silent_client_are_cut_and_its_others_go_on(void **state)
{
    (void)state;
    struct net_limits limits;
    struct rig rig;
    struct outcome silent = {0}, deaf = {0}, other = {0};
    net_limits_default(&limits);
    limits.body_timeout_ms = 300;
    rig_start_limited(&rig, &limits);
    struct net_pool *pool = rig_pool(&rig, true);
    rig_call(&rig, pool, "GET", "/large", HTTP_NO_BODY, 0, &deaf);
    call_pause(deaf.call);
    rig_call(&rig, pool, "GET", "/hang", HTTP_NO_BODY, 0, &other);
    while (rig.requests < 2) {
        rig_turn(&rig, 1);
    }
    struct exchange *hanging = rig.hanging;
    rig_call(&rig, pool, "POST", "/echo", HTTP_LENGTH, 10, &silent);
    rig_until(&rig, &silent.closed);
    assert_true(silent.failure[0] != '\0');
    while (rig.closed < 2) {
        rig_turn(&rig, 1);
    }
    assert_int_equal(rig.aborted, 2);
    exchange_reply(hanging, 200, NULL, SLICE("patience"), NULL);
    rig_until(&rig, &other.closed);
    assert_string_equal(other.failure, "");
    if (!deaf.closed) {
        call_cancel(deaf.call);
    }
    net_pool_free(pool);
    outcome_done(&silent);
    outcome_done(&deaf);
    outcome_done(&other);
    rig_stop(&rig);
}

static void a_stream_whose_body_does_not_end_is_cut(void **state)
{
    (void)state;
    struct net_limits limits;
    struct rig rig;
    struct outcome slow = {0};
    net_limits_default(&limits);
    limits.body_whole_ms = 200; /* well before the minute that a silent client has */
    rig_start_limited(&rig, &limits);
    struct net_pool *pool = rig_pool(&rig, true);
    rig_call(&rig, pool, "POST", "/echo", HTTP_LENGTH, 10, &slow);
    rig_until(&rig, &slow.closed);
    assert_true(slow.failure[0] != '\0');
    net_pool_free(pool);
    outcome_done(&slow);
    rig_stop(&rig);
}

static void an_upload_that_is_refused_has_its_answer_before_it_is_cut(void **state)
{
    (void)state;
    struct rig rig;
    struct outcome outcome = {0};
    rig_start(&rig, NULL);
    struct net_pool *pool = rig_pool(&rig, true);
    rig_call(&rig, pool, "POST", "/early", HTTP_LENGTH, 1 << 20, &outcome);
    while (rig.closed == 0) {
        rig_turn(&rig, 1);
    }
    assert_int_equal(rig.aborted, 0);
    while (outcome.status == 0) {
        rig_turn(&rig, 1);
    }
    assert_false(outcome.closed);
    rig_until(&rig, &outcome.closed);
    assert_int_equal(outcome.status, 403);
    net_pool_free(pool);
    outcome_done(&outcome);
    rig_stop(&rig);
}

static void addresses_are_read_and_written(void **state)
{
    static const struct {
        const char *text;
        const char *result; /* NULL: not an address */
    } cases[] = {
        {"127.0.0.1:8080", "127.0.0.1:8080"},
        {"[::1]:0", "[::1]:0"},
        {"localhost:80", "127.0.0.1:80"},
        {"127.0.0.1", NULL},
        {"127.0.0.1:", NULL},
        {"127.0.0.1:65536", NULL},
        {"::1:80", NULL},
        {":80", NULL},
        {"127.0.0.1:-1", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_storage addr;
        socklen_t length;
        struct error err;
        char text[64];
        assert_int_equal(net_parse_address(cases[i].text, &addr, &length, &err),
                         cases[i].result != NULL);
        if (cases[i].result != NULL) {
            net_address_text((struct sockaddr *)&addr, text, true);
            assert_string_equal(text, cases[i].result);
        }
    }
}

/* ---- containers that misbehave: a raw socket answers the call ---- */

static void a_container_that_misbehaves_fails_the_call_with_a_reason(void **state)
{
    static const struct {
        const char *answer;
        bool body_end; /* the response is complete all the same */
        int status;
    } cases[] = {
        {"garbage\r\n\r\n", false, 0},
        {"", false, 0},
        {"HTTP/1.1 200 OK\r\nContent-Le", false, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", false, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", false, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz", false, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", false, 0},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false, 0},
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", true, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokand more", true, 200},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, 200},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct outcome out = {0};
        rig_start(&rig, NULL);
        net_listener_free(rig.listener);
        rig.listener = NULL;
        struct net_pool *pool = rig_pool(&rig, false);
        rig_call(&rig, pool, "GET", "/", HTTP_NO_BODY, 0, &out);
        rig_turn(&rig, 5);
        int peer = accept(rig.fd, NULL, NULL);
        assert_true(peer >= 0);
        char request[4096];
        rig_turn(&rig, 5);
        assert_true(recv(peer, request, sizeof(request), 0) > 0);
        assert_true(send(peer, cases[i].answer, strlen(cases[i].answer), MSG_NOSIGNAL) >= 0);
        shutdown(peer, SHUT_WR);
        rig_until(&rig, &out.closed);
        if (out.body_ended != cases[i].body_end || (out.failure[0] == '\0') != cases[i].body_end ||
            out.status != cases[i].status) {
            fail_msg("\"%s\" comes to %d, \"%s\"", cases[i].answer, out.status, out.failure);
        }
        assert_true(out.loss == (*cases[i].answer == '\0' ? CALL_UNANSWERED : CALL_ANSWERED));
        close(peer);
        net_pool_free(pool);
        outcome_done(&out);
        rig_stop(&rig);
    }
}

static void a_drained_listener_answers_who_has_just_come(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    uv_async_t others; /* a process has more on its loop than this connection, which would end it */
    rig_start(&rig, NULL);
    uv_async_init(&rig.loop, &others, NULL);
    raw_open(&raw, &rig);
    while (net_listener_connections(rig.listener) == 0) {
        rig_turn(&rig, 1);
    }
    net_listener_drain(rig.listener);
    rig_turn(&rig, 20);
    raw_send(&raw, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_until(&raw, NULL);
    assert_non_null(strstr(buffer_text(&raw.in), "HTTP/1.1 200 "));
    assert_non_null(strcasestr(buffer_text(&raw.in), "connection: close"));
    raw_close(&raw);
    uv_close((uv_handle_t *)&others, NULL);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_answered_and_its_connection_is_used_again),
        cmocka_unit_test(bodies_and_trailers_flow_both_ways),
        cmocka_unit_test(a_large_body_is_held_back_by_a_paused_reader),
        cmocka_unit_test(a_sender_is_told_to_stop_and_when_to_go_on),
        cmocka_unit_test(an_upgrade_becomes_a_tunnel),
        cmocka_unit_test(interim_answers_come_before_the_final_one),
        cmocka_unit_test(an_answer_to_head_has_a_length_but_no_body),
        cmocka_unit_test(an_answer_that_cannot_be_completed_is_seen_as_cut),
        cmocka_unit_test(a_call_that_is_cancelled_aborts_its_exchange),
        cmocka_unit_test(an_exchange_that_is_aborted_fails_its_call),
        cmocka_unit_test(a_connection_that_had_just_ended_is_told_from_a_new_one),
        cmocka_unit_test(a_refused_connection_has_shown_the_peer_nothing),
        cmocka_unit_test(many_calls_at_once_are_all_answered),
        cmocka_unit_test(a_drained_listener_lets_busy_exchanges_end),
        cmocka_unit_test(a_drained_listener_answers_who_has_just_come),
        cmocka_unit_test(a_container_that_misbehaves_fails_the_call_with_a_reason),
        cmocka_unit_test(streams_of_a_silent_client_are_cut_and_its_others_go_on),
        cmocka_unit_test(a_stream_whose_body_does_not_end_is_cut),
        cmocka_unit_test(an_upload_that_is_refused_has_its_answer_before_it_is_cut),
        cmocka_unit_test(addresses_are_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
