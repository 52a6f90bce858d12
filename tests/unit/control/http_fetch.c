/*
 * What control makes of what a fetcher says. The fetcher is the test, which may say anything; the
 * supervisor is the test, too, and hears what control wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/identity/http_fetch.h"

enum { DEADLINE_US = 30 * 1000000, ASKED_MAX = 64 };

struct stage {
    uv_loop_t loop;
    struct control control;
    int fetcher, supervisor;           /* our ends */
    unsigned wanted, unwanted, broken; /* that the supervisor has heard */
    uint64_t asked[ASKED_MAX];         /* that the fetcher has got */
    unsigned asked_count;
    unsigned ends; /* answers that control has handed on */
    long status;   /* of the last */
    char text[512];
};

static void pair(int *ours, int *theirs)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
                     0);
    *ours = ends[0];
    *theirs = ends[1];
}

static void on_supervisor(struct ipc_channel *channel, enum message_type type, const void *body,
                          size_t bytes, void *ctx)
{
    (void)channel, (void)type, (void)body, (void)bytes, (void)ctx;
}

static int stage_open(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct error err = {0};
    char fds[64];
    int theirs, supervisor;
    pair(&stage->fetcher, &theirs);
    pair(&stage->supervisor, &supervisor);
    snprintf(fds, sizeof(fds), "fetcher=%d", theirs);
    setenv("HOMERUN_FDS", fds, 1);
    uv_loop_init(&stage->loop);
    stage->control.loop = &stage->loop;
    stage->control.supervisor = ipc_open(&stage->loop, supervisor, PROCESS_CONTROL,
                                         PROCESS_SUPERVISOR, on_supervisor, NULL, &err);
    stage->control.fetches = fetches_new(&stage->control, &err);
    assert_non_null(stage->control.fetches);
    *state = stage;
    return 0;
}

static int stage_close(void **state)
{
    struct stage *stage = *state;
    fetches_free(stage->control.fetches);
    ipc_close(stage->control.supervisor);
    uv_run(&stage->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&stage->loop), 0);
    close(stage->fetcher);
    close(stage->supervisor);
    close(ipc_inherited("fetcher"));
    free(stage);
    return 0;
}

/* ---- the two others ---- */

/* What has come for the supervisor and for the fetcher. */
static void hear(struct stage *stage)
{
    static _Alignas(max_align_t) char body[IPC_PACKET_MAX];
    struct error err = {0};
    enum message_type type;
    size_t bytes;
    while (ipc_receive_now(stage->supervisor, &type, body, &bytes, 0, &err)) {
        struct msg_fetcher_wanted message;
        assert_int_equal(type, MSG_FETCHER_WANTED);
        memcpy(&message, body, sizeof(message));
        stage->wanted += message.wanted == FETCHER_WANTED;
        stage->unwanted += message.wanted == FETCHER_UNWANTED;
        stage->broken += message.wanted == FETCHER_BROKEN;
    }
    while (ipc_receive_now(stage->fetcher, &type, body, &bytes, 0, &err)) {
        struct fetch_ask ask;
        assert_int_equal(type, MSG_FETCH);
        assert_true(fetch_ask_get(body, bytes, &ask));
        assert_true(stage->asked_count < ASKED_MAX);
        stage->asked[stage->asked_count++] = ask.id;
    }
}

/* Turns the loop until *COUNT is WANTED. */
static void turn_until(struct stage *stage, const unsigned *count, unsigned wanted)
{
    int64_t end_us = clock_mono_us() + DEADLINE_US;
    while (*count < wanted) {
        uv_run(&stage->loop, UV_RUN_NOWAIT);
        hear(stage);
        assert_true(clock_mono_us() < end_us);
        usleep(200);
    }
    assert_int_equal(*count, wanted);
}

static void say(struct stage *stage, enum message_type type, const void *body, size_t bytes)
{
    struct error err = {0};
    assert_true(ipc_send_now(stage->fetcher, type, body, bytes, 1000, &err));
}

static void answer(struct stage *stage, uint64_t id, unsigned status, struct slice text)
{
    struct buffer body = BUFFER_INIT(FETCHED_BYTES_MAX);
    fetch_answer_put(&body, &(struct fetch_answer){id, status, text});
    say(stage, MSG_FETCHED, buffer_slice(&body).data, buffer_len(&body));
    buffer_done(&body);
}

/* ---- control ---- */

static void on_done(struct control *control, void *ctx, long status, const char *text,
                    const char *why)
{
    struct stage *stage = ctx;
    (void)control;
    stage->ends++;
    stage->status = status;
    assert_true((text != NULL) == (status != 0) && (why != NULL) == (status == 0));
    snprintf(stage->text, sizeof(stage->text), "%s", text != NULL ? text : why);
}

static void ask(struct stage *stage, size_t bytes_max)
{
    http_fetch(&stage->control,
               &(struct fetch_plan){.uri = "https://a.example/keys", .bytes_max = bytes_max},
               on_done, stage);
}

/* One question that the fetcher has, which starts if it does not run. */
static void ask_it(struct stage *stage, bool runs)
{
    unsigned asked = stage->asked_count, wanted = stage->wanted;
    ask(stage, 16);
    if (!runs) {
        turn_until(stage, &stage->wanted, wanted + 1);
        say(stage, MSG_FETCHER_STARTED, NULL, 0);
    }
    turn_until(stage, &stage->asked_count, asked + 1);
}

static void nothing_is_sent_before_the_fetcher_has_started(void **state)
{
    struct stage *stage = *state;
    ask(stage, 0);
    assert_int_equal(stage->ends, 0);
    turn_until(stage, &stage->wanted, 1);
    assert_int_equal(stage->asked_count, 0);
    say(stage, MSG_FETCHER_STARTED, NULL, 0);
    turn_until(stage, &stage->asked_count, 1);
    answer(stage, stage->asked[0], 200, SLICE("{}"));
    turn_until(stage, &stage->ends, 1);
    assert_int_equal(stage->status, 200);
    assert_string_equal(stage->text, "{}");
    turn_until(stage, &stage->unwanted, 1); /* after a while without a question */
    assert_int_equal(stage->broken, 0);
}

static void so_many_are_asked_at_once_and_in_their_order(void **state)
{
    struct stage *stage = *state;
    for (unsigned i = 0; i < FETCHES_AT_ONCE + 3; i++) {
        ask(stage, 0);
    }
    turn_until(stage, &stage->wanted, 1);
    say(stage, MSG_FETCHER_STARTED, NULL, 0);
    turn_until(stage, &stage->asked_count, FETCHES_AT_ONCE);
    for (unsigned i = 1; i < FETCHES_AT_ONCE; i++) {
        assert_true(stage->asked[i] == stage->asked[i - 1] + 1);
    }
    answer(stage, stage->asked[2], 0, SLICE("nobody is there"));
    turn_until(stage, &stage->asked_count, FETCHES_AT_ONCE + 1);
    assert_int_equal(stage->ends, 1);
    assert_string_equal(stage->text, "nobody is there");
}

static void a_successor_ends_what_its_predecessor_was_asked(void **state)
{
    struct stage *stage = *state;
    ask_it(stage, false);
    ask(stage, 0);
    turn_until(stage, &stage->asked_count, 2);
    say(stage, MSG_FETCHER_STARTED, NULL, 0);
    turn_until(stage, &stage->ends, 2);
    assert_non_null(strstr(stage->text, "ended in the middle"));
    ask(stage, 0);
    turn_until(stage, &stage->asked_count, 3);
    answer(stage, stage->asked[0], 200, SLICE("too late"));
    answer(stage, stage->asked[2], 200, SLICE("good"));
    turn_until(stage, &stage->ends, 3);
    assert_string_equal(stage->text, "good");
    assert_int_equal(stage->broken, 0);
}

/* Each is said by a fetcher that has one question; then it is killed, and a good one is asked. */
static void a_fetcher_that_breaks_a_rule_is_killed(void **state)
{
    struct stage *stage = *state;
    static const char zeros[IPC_PACKET_MAX];
    struct msg_fetched wrong = {.status = 200, .bytes = 5};
    for (unsigned i = 0; i < 8; i++) {
        ask_it(stage, i > 0);
        uint64_t id = stage->asked[stage->asked_count - 1];
        wrong.id = id;
        switch (i) {
        case 0: /* a length that is not what comes */
            say(stage, MSG_FETCHED, &wrong, sizeof(wrong));
            break;
        case 1: /* more than was asked for */
            answer(stage, id, 200, SLICE("more than sixteen"));
            break;
        case 2: /* no status of HTTP */
            answer(stage, id, 7, SLICE("x"));
            break;
        case 3: /* a message that is not its to say */
            say(stage, MSG_READY, NULL, 0);
            break;
        case 4: /* a packet without a head */
            assert_int_equal(send(stage->fetcher, zeros, 3, 0), 3);
            break;
        case 5:
            assert_int_equal(send(stage->fetcher, zeros, sizeof(zeros), 0), sizeof(zeros));
            break;
        case 6: /* an empty packet, which reads like the end */
            assert_int_equal(send(stage->fetcher, zeros, 0, 0), 0);
            break;
        case 7: /* without end */
            for (unsigned n = 0; n < 100; n++) {
                answer(stage, id + 1 + n, 200, SLICE("x"));
            }
            break;
        }
        turn_until(stage, &stage->broken, i + 1);
        turn_until(stage, &stage->ends, 2 * i + 1);
        assert_int_equal(stage->status, 0);
        assert_non_null(strstr(stage->text, "ended in the middle"));
        ask_it(stage, false);
        answer(stage, stage->asked[stage->asked_count - 1], 200, SLICE("good"));
        turn_until(stage, &stage->ends, 2 * i + 2);
        assert_string_equal(stage->text, "good");
    }
}

static void what_cannot_be_asked_is_answered_all_the_same(void **state)
{
    static char many[20000];
    struct stage *stage = *state;
    memset(many, 'a', sizeof(many) - 1);
    const struct fetch_plan plans[] = {
        {.uri = ""},
        {.uri = many},
        {.uri = "https://a.example/ b"},
        {.uri = "https://a.example/", .bearer = "a\r\nb: c"},
        {.uri = "https://a.example/", .bearer = many},
        {.uri = "https://a.example/", .user = many, .secret = "x"},
        {.uri = "https://a.example/", .ca = "/nonexistent/ca.pem"},
        {.uri = "https://a.example/", .bytes_max = FETCH_BYTES_MAX + 1},
    };
    for (unsigned i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        http_fetch(&stage->control, &plans[i], on_done, stage);
        assert_int_equal(stage->ends, i); /* from the loop alone */
        turn_until(stage, &stage->ends, i + 1);
        assert_int_equal(stage->status, 0);
    }
    assert_int_equal(stage->asked_count, 0);
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_open, stage_close)
    const struct CMUnitTest tests[] = {
        STAGED(nothing_is_sent_before_the_fetcher_has_started),
        STAGED(so_many_are_asked_at_once_and_in_their_order),
        STAGED(a_successor_ends_what_its_predecessor_was_asked),
        STAGED(a_fetcher_that_breaks_a_rule_is_killed),
        STAGED(what_cannot_be_asked_is_answered_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
