/*
 * Raw bytes against a server: what it must say, and that it is well afterwards. A row's bytes are
 * sent whole; then the answer must begin as the row says, and the connection must end (or, where it
 * says so, stay).
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define H "Host: a\r\n"

enum after { CLOSES, STAYS };

static const struct {
    const char *bytes;
    const char *answer; /* "" for none */
    enum after after;
    unsigned requests; /* how many reach the handler */
} cases[] = {
    {"GET /hello HTTP/1.1\r\n" H "\r\n", "HTTP/1.1 200 ", STAYS, 1},
    {"GET /hello HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "HTTP/1.1 200 ", CLOSES, 1},
    {"GET /hello HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", CLOSES, 1},
    {"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200 ", STAYS, 1},
    {"GET /large HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", CLOSES, 1},
    {"HEAD /hello HTTP/1.1\r\n" H "\r\n", "HTTP/1.1 200 ", STAYS, 1},
    {"GET /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", CLOSES, 0},
    {"GET /hello HTTP/1.1\r\n" H H "\r\n", "HTTP/1.1 400 ", CLOSES, 0},
    {"GET /hello HTTP/2.0\r\n" H "\r\n", "HTTP/1.1 505 ", CLOSES, 0},
    {"GET /hello HTTP/1.1\n" H "\n", "HTTP/1.1 400 ", CLOSES, 0},
    {"GET /hello HTTP/1.1\r\n" H "a : b\r\n\r\n", "HTTP/1.1 400 ", CLOSES, 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400 ", CLOSES, 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
     "HTTP/1.1 400 ", CLOSES, 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\nabc", "HTTP/1.1 501 ", CLOSES, 0},
    /* The handler may refuse it as it likes; what follows is never read as a request. */
    {"CONNECT a:1 HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H "\r\n", "HTTP/1.1 404 ", CLOSES,
     1},
    {"\x16\x03\x01\x02", "HTTP/1.1 400 ", CLOSES, 0},
    {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "HTTP/1.1 505 ", CLOSES, 0},
    /* Nothing of an answer may be smuggled into the next one. */
    {"POST /early HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nGET /GET /hello HTTP/1.1\r\n" H
     "Connection: close\r\n\r\n",
     "HTTP/1.1 403 ", CLOSES, 2},
    {"POST /early HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 403 ", CLOSES, 1},
    {"POST /early HTTP/1.1\r\n" H "Content-Length: 99999999\r\n\r\nabc", "HTTP/1.1 403 ", CLOSES,
     1},
    {"POST /early HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
     "HTTP/1.1 403 ", CLOSES, 1},
    {"POST /hang HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 ",
     CLOSES, 1},
    {"POST /hang HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n4\nabcd\r\n0\r\n\r\n",
     "HTTP/1.1 400 ", CLOSES, 1},
    {"GET /short HTTP/1.1\r\n" H "\r\n", "", CLOSES, 1},
    {"GET /upgrade HTTP/1.1\r\n" H "\r\n", "", CLOSES, 1}, /* a handler that switches unasked */
};

static void hostile_bytes_get_the_answer_that_is_due(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct raw raw;
        rig_start(&rig, NULL);
        raw_open(&raw, &rig);
        raw_send(&raw, cases[i].bytes);
        if (cases[i].after == CLOSES) {
            raw_until(&raw, NULL);
        } else {
            raw_until(&raw, "\r\n\r\n");
            raw_send(&raw, "GET /none HTTP/1.1\r\n" H "\r\n");
            raw_until(&raw, "HTTP/1.1 404 ");
        }
        const char *text = buffer_text(&raw.in);
        if (strncmp(text, cases[i].answer, strlen(cases[i].answer)) != 0) {
            fail_msg("\"%s\" is answered \"%.100s\"", cases[i].bytes, text);
        }
        if (cases[i].requests == 0 &&
            (rig.faults != 1 || rig.fault_status != atoi(cases[i].answer + 9))) {
            fail_msg("\"%s\" is not told as a fault", cases[i].bytes);
        }
        if (rig.requests - (cases[i].after == STAYS) != cases[i].requests) {
            fail_msg("\"%s\" comes to %u requests", cases[i].bytes, rig.requests);
        }
        raw_close(&raw);
        rig_stop(&rig);
    }
}

static void requests_in_a_row_are_answered_in_their_order(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    rig_start(&rig, NULL);
    raw_open(&raw, &rig);
    for (int i = 0; i < 500; i++) {
        raw_send(&raw, i % 2 == 0 ? "GET /hello HTTP/1.1\r\n" H "\r\n"
                                  : "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc");
    }
    raw_send(&raw, "GET /hello HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    raw_until(&raw, NULL);
    assert_int_equal(rig.requests, 501);
    const char *at = buffer_text(&raw.in);
    for (int i = 0; i < 501; i++) {
        at = strstr(at, i % 2 == 0 ? "hello" : "3\r\nabc\r\n0\r\n\r\n");
        assert_non_null(at);
        at++;
    }
    raw_close(&raw);
    rig_stop(&rig);
}

static void a_second_request_waits_for_the_first_answer(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    rig_start(&rig, NULL);
    raw_open(&raw, &rig);
    raw_send(&raw, "GET /hang HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H "\r\n");
    rig_turn(&rig, 50);
    assert_int_equal(rig.requests, 1);
    exchange_reply(rig.hanging, 200, NULL, SLICE("first"), NULL);
    raw_until(&raw, "hello");
    assert_int_equal(rig.requests, 2);
    raw_close(&raw);
    rig_stop(&rig);
}

static void a_head_that_comes_byte_by_byte_is_read(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    const char *text = "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
                       "0\r\nx: y\r\n\r\n";
    rig_start(&rig, NULL);
    raw_open(&raw, &rig);
    for (size_t i = 0; i < strlen(text); i++) {
        char one[2] = {text[i], '\0'};
        raw_send(&raw, one);
    }
    raw_until(&raw, "0\r\nx: y\r\n\r\n");
    raw_close(&raw);
    rig_stop(&rig);
}

static void a_client_that_leaves_aborts_its_exchange(void **state)
{
    static const char *const texts[] = {
        "GET /hang HTTP/1.1\r\n" H "\r\n",
        "GET /large HTTP/1.1\r\n" H "\r\n",
        "POST /echo HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nab",
        "POST /hold HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nab",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct rig rig;
        struct raw raw;
        rig_start(&rig, NULL);
        raw_open(&raw, &rig);
        raw_send(&raw, texts[i]);
        while (rig.requests == 0) {
            rig_turn(&rig, 1);
        }
        raw_close(&raw);
        while (rig.closed == 0) {
            rig_turn(&rig, 1);
        }
        assert_int_equal(rig.aborted, 1);
        while (net_listener_connections(rig.listener) > 0) {
            rig_turn(&rig, 1);
        }
        rig_stop(&rig);
    }
}

static void slow_clients_run_out_of_time(void **state)
{
    static const struct {
        const char *bytes;
        const char *answer;
    } slow[] = {
        {"", ""},
        {"GET / HT", "HTTP/1.1 408 "},
        {"GET /hello HTTP/1.1\r\n" H "\r\nGET", "HTTP/1.1 200 "},
        {"POST /hang HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nab", "HTTP/1.1 408 "},
        {"POST /early HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nab", "HTTP/1.1 403 "},
        {"GET /hello HTTP/1.1\r\n" H "\r\n", "HTTP/1.1 200 "},
        {"PRI * HTTP/2.0\r\n\r\n", ""},
    };
    (void)state;
    struct net_limits limits;
    net_limits_default(&limits);
    limits.head_timeout_ms = limits.idle_timeout_ms = limits.body_timeout_ms = 100;
    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
        struct rig rig;
        struct raw raw;
        rig_start_limited(&rig, &limits);
        raw_open(&raw, &rig);
        raw_send(&raw, slow[i].bytes);
        raw_until(&raw, NULL);
        if (strncmp(buffer_text(&raw.in), slow[i].answer, strlen(slow[i].answer)) != 0) {
            fail_msg("\"%s\" is answered \"%s\"", slow[i].bytes, buffer_text(&raw.in));
        }
        raw_close(&raw);
        rig_stop(&rig);
    }
}

static void a_body_has_an_end_however_steadily_it_comes(void **state)
{
    (void)state;
    struct net_limits limits;
    struct rig rig;
    struct raw raw;
    net_limits_default(&limits);
    limits.body_whole_ms = 100; /* well before the minute that a silent client has */
    rig_start_limited(&rig, &limits);
    raw_open(&raw, &rig);
    raw_send(&raw, "POST /hang HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nab");
    raw_until(&raw, NULL);
    assert_memory_equal(buffer_text(&raw.in), "HTTP/1.1 408 ", 13);
    raw_close(&raw);
    rig_stop(&rig);
}

static void a_client_that_reads_nothing_runs_out_of_time(void **state)
{
    (void)state;
    struct net_limits limits;
    struct rig rig;
    struct raw raw;
    net_limits_default(&limits);
    limits.body_timeout_ms = 100;
    rig_start_limited(&rig, &limits);
    raw_open(&raw, &rig);
    setsockopt(raw.fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
    raw_send(&raw, "GET /large HTTP/1.1\r\n" H "\r\n");
    while (rig.closed == 0) {
        rig_turn(&rig, 1);
        usleep(1000);
    }
    assert_int_equal(rig.aborted, 1);
    raw_close(&raw);
    rig_stop(&rig);
}

static void a_full_server_lets_the_oldest_idle_connection_go(void **state)
{
    (void)state;
    struct net_limits limits;
    struct rig rig;
    struct raw raws[3];
    net_limits_default(&limits);
    limits.connections_max = 2;
    rig_start_limited(&rig, &limits);
    for (int i = 0; i < 3; i++) {
        raw_open(&raws[i], &rig);
        raw_send(&raws[i], "GET /hello HTTP/1.1\r\n" H "\r\n");
        raw_until(&raws[i], "hello");
    }
    raw_until(&raws[0], NULL);
    assert_int_equal(net_listener_connections(rig.listener), 2);
    raw_send(&raws[1], "GET /hang HTTP/1.1\r\n" H "\r\n");
    raw_send(&raws[2], "GET /hang HTTP/1.1\r\n" H "\r\n");
    while (rig.requests < 5) {
        rig_turn(&rig, 1);
    }
    /* All are busy: it is the new one that goes. */
    struct raw last;
    raw_open(&last, &rig);
    raw_until(&last, NULL);
    for (int i = 0; i < 3; i++) {
        raw_close(&raws[i]);
    }
    raw_close(&last);
    rig_stop(&rig);
}

static void a_connection_serves_no_more_than_its_limit(void **state)
{
    (void)state;
    struct net_limits limits;
    struct rig rig;
    struct raw raw;
    net_limits_default(&limits);
    limits.requests_max = 2;
    rig_start_limited(&rig, &limits);
    raw_open(&raw, &rig);
    for (int i = 0; i < 3; i++) {
        raw_send(&raw, "GET /hello HTTP/1.1\r\n" H "\r\n");
    }
    raw_until(&raw, NULL);
    assert_int_equal(rig.requests, 2);
    assert_non_null(strstr(buffer_text(&raw.in), "Connection: close"));
    raw_close(&raw);
    rig_stop(&rig);
}

static void heads_over_the_limits_are_refused(void **state)
{
    static const struct {
        const char *start;
        const char *answer;
    } heads[] = {
        {"GET /hello HTTP/1.1\r\n" H "X: ", "HTTP/1.1 431 "},
        {"GET /", "HTTP/1.1 414 "},
    };
    (void)state;
    char block[1025] = {0};
    memset(block, 'x', sizeof(block) - 1);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct rig rig;
        struct raw raw;
        rig_start(&rig, NULL);
        raw_open(&raw, &rig);
        raw_send(&raw, heads[i].start);
        for (int kib = 0; kib < 70; kib++) {
            raw_send(&raw, block);
        }
        raw_until(&raw, heads[i].answer);
        raw_close(&raw);
        rig_stop(&rig);
    }
}

static void a_process_without_file_descriptors_serves_again_when_it_has_some(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    struct rlimit before, none;
    rig_start(&rig, NULL);
    raw_open(&raw, &rig); /* waits in the socket's queue */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    rig_turn(&rig, 50);
    assert_int_equal(net_listener_connections(rig.listener), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    raw_send(&raw, "GET /hello HTTP/1.1\r\n" H "\r\n");
    raw_until(&raw, "hello");
    raw_close(&raw);
    rig_stop(&rig);
}

static void every_answer_has_one_date(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    rig_start(&rig, NULL);
    raw_open(&raw, &rig);
    raw_send(&raw, "GET /hello HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    raw_until(&raw, NULL);
    const char *date = strstr(buffer_text(&raw.in), "Date: ");
    assert_non_null(date);
    assert_memory_equal(date + 6 + 25, " GMT\r\n", 6);
    assert_null(strstr(date + 1, "Date: "));
    raw_close(&raw);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_bytes_get_the_answer_that_is_due),
        cmocka_unit_test(requests_in_a_row_are_answered_in_their_order),
        cmocka_unit_test(a_second_request_waits_for_the_first_answer),
        cmocka_unit_test(a_head_that_comes_byte_by_byte_is_read),
        cmocka_unit_test(a_client_that_leaves_aborts_its_exchange),
        cmocka_unit_test(slow_clients_run_out_of_time),
        cmocka_unit_test(a_body_has_an_end_however_steadily_it_comes),
        cmocka_unit_test(a_client_that_reads_nothing_runs_out_of_time),
        cmocka_unit_test(a_full_server_lets_the_oldest_idle_connection_go),
        cmocka_unit_test(a_connection_serves_no_more_than_its_limit),
        cmocka_unit_test(heads_over_the_limits_are_refused),
        cmocka_unit_test(a_process_without_file_descriptors_serves_again_when_it_has_some),
        cmocka_unit_test(every_answer_has_one_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
