/* Instances come, answer, and go: a whole engine against real programs. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness.h"

static char answer[65536];

static void a_waiting_request_wakes_exactly_one_instance_that_answers(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    harness_put(&h, 7, "\"concurrency\":80,", harness_hello());
    harness_start(&h);
    harness_demand(&h, 7, 1);
    struct board_place place = harness_take(&h, 7);
    harness_get(&place, "/", answer, sizeof(answer));
    assert_non_null(strstr(answer, "{\"service\":\"hello\",\"revision\":\"hello-00001-abc\"}"));
    board_give(h.board, 0, &place);
    harness_demand(&h, 7, 0);
    assert_int_equal(board_count(h.board, 7, INSTANCE_READY), 1);
    assert_int_equal(board_count(h.board, 7, INSTANCE_STARTING), 0);
    harness_close(&h);
}

/* How long it takes is printed, not judged: the machine may be busy. */
static void many_sleeping_revisions_wake_one_after_the_other(void **state)
{
    (void)state;
    enum { WAKES = 40 };
    struct harness h;
    int64_t us[WAKES], worst = 0, best = INT64_MAX, sum = 0;
    harness_open(&h, 900);
    for (uint64_t id = 1; id <= WAKES; id++) {
        harness_put(&h, id, "", harness_hello());
    }
    harness_start(&h);
    for (uint64_t id = 1; id <= WAKES; id++) {
        int64_t start_us = clock_mono_us();
        harness_demand(&h, id, 1);
        struct board_place place = harness_take(&h, id);
        us[id - 1] = clock_mono_us() - start_us;
        harness_demand(&h, id, 0);
        board_give(h.board, 0, &place);
        best = us[id - 1] < best ? us[id - 1] : best;
        worst = us[id - 1] > worst ? us[id - 1] : worst;
        sum += us[id - 1];
    }
    print_message("demand to place: best %lld us, mean %lld us, worst %lld us\n", (long long)best,
                  (long long)(sum / WAKES), (long long)worst);
    harness_close(&h);
}

static void an_idle_instance_goes_and_comes_back_when_it_is_wanted(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 0);
    harness_put(&h, 7, "", harness_hello());
    harness_start(&h);
    for (int i = 0; i < 2; i++) {
        harness_demand(&h, 7, 1);
        struct board_place place = harness_take(&h, 7);
        harness_demand(&h, 7, 0);
        pid_t child = harness_child(&h);
        assert_true(child > 0);
        board_give(h.board, 0, &place);
        harness_wait_count(&h, 7, INSTANCE_READY, 0);
        harness_wait_dead(child);
    }
    harness_close(&h);
}

static void a_busy_instance_is_not_idle(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 0);
    harness_put(&h, 7, "", harness_hello());
    harness_put(&h, 8, "", harness_hello());
    harness_start(&h);
    harness_demand(&h, 7, 1);
    struct board_place busy = harness_take(&h, 7);
    harness_demand(&h, 8, 1);
    struct board_place idle = harness_take(&h, 8);
    harness_demand(&h, 7, 0);
    harness_demand(&h, 8, 0);
    board_give(h.board, 0, &idle);
    harness_wait_count(&h, 8, INSTANCE_READY, 0); /* the other would have gone with it */
    assert_int_equal(board_count(h.board, 7, INSTANCE_READY), 1);
    board_give(h.board, 0, &busy);
    harness_close(&h);
}

static void more_waiters_get_more_instances_but_never_more_than_the_maximum(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    harness_put(&h, 7, "\"concurrency\":2,\"max_instances\":3,", harness_hello());
    harness_start(&h);
    harness_demand(&h, 7, 20);
    harness_wait_count(&h, 7, INSTANCE_READY, 3);
    struct board_place places[6];
    for (int i = 0; i < 6; i++) {
        places[i] = harness_take(&h, 7);
    }
    harness_demand(&h, 7, 14);
    harness_demand(&h, 7, 15);
    struct board_place more;
    assert_false(board_take(h.board, 7, 0, &more));
    assert_int_equal(board_count(h.board, 7, INSTANCE_READY), 3);
    assert_int_equal(board_count(h.board, 7, INSTANCE_STARTING), 0);
    for (int i = 0; i < 6; i++) {
        board_give(h.board, 0, &places[i]);
    }
    harness_close(&h);
}

static void a_minimum_is_kept_from_the_start_and_when_it_changes(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 0);
    harness_put(&h, 7, "\"min_instances\":2,", harness_hello());
    harness_put(&h, 8, "\"min_instances\":1,\"reachable\":false,", harness_hello());
    harness_put(&h, 9, "\"min_instances\":0,", harness_hello());
    harness_start(&h);
    harness_wait_count(&h, 7, INSTANCE_READY, 2);
    assert_int_equal(board_count(h.board, 8, INSTANCE_READY), 0);
    kill(harness_child(&h), SIGKILL);
    harness_wait_count(&h, 7, INSTANCE_READY, 1);
    harness_wait_count(&h, 7, INSTANCE_READY, 2);
    harness_put(&h, 7, "\"min_instances\":1,", harness_hello());
    harness_put(&h, 9, "\"min_instances\":1,", harness_hello());
    harness_tell(&h, MSG_CHANGED, 0);
    harness_wait_count(&h, 9, INSTANCE_READY, 1);
    harness_wait_count(&h, 7, INSTANCE_READY, 1);
    harness_close(&h);
}

static void a_revision_that_is_gone_finishes_what_it_has_and_takes_nothing_new(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    harness_put(&h, 7, "", harness_hello());
    harness_start(&h);
    harness_demand(&h, 7, 1);
    struct board_place place = harness_take(&h, 7), more;
    harness_demand(&h, 7, 0);
    pid_t child = harness_child(&h);
    harness_delete(&h, 7);
    harness_tell(&h, MSG_REVISION_GONE, 7);
    harness_wait_count(&h, 7, INSTANCE_DRAINING, 1);
    assert_false(board_take(h.board, 7, 0, &more));
    harness_get(&place, "/", answer, sizeof(answer));
    assert_non_null(strstr(answer, "200 OK"));
    board_give(h.board, 0, &place);
    harness_wait_dead(child);
    harness_demand(&h, 7, 1);
    char body[IPC_PACKET_MAX];
    assert_int_equal(harness_hear(h.worker_fd, body), MSG_START_FAILED);
    harness_close(&h);
}

static void an_instance_that_dies_is_off_the_board_and_replaced_on_demand(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    harness_put(&h, 7, "", harness_hello());
    harness_start(&h);
    harness_demand(&h, 7, 1);
    struct board_place place = harness_take(&h, 7);
    harness_demand(&h, 7, 0);
    pid_t child = harness_child(&h);
    kill(child, SIGKILL);
    harness_wait_count(&h, 7, INSTANCE_READY, 0);
    board_give(h.board, 0, &place); /* into nothing */
    harness_demand(&h, 7, 1);
    place = harness_take(&h, 7);
    harness_get(&place, "/", answer, sizeof(answer));
    assert_non_null(strstr(answer, "200 OK"));
    board_give(h.board, 0, &place);
    assert_true(harness_log_has(&h, "was ended by signal 9"));
    harness_close(&h);
}

static void places_of_a_dead_worker_come_back(void **state)
{
    (void)state;
    struct harness h;
    struct error err = {0};
    harness_open(&h, 900);
    harness_put(&h, 7, "\"concurrency\":1,\"max_instances\":1,", harness_hello());
    harness_start(&h);
    harness_demand(&h, 7, 1);
    struct board_place place = harness_take(&h, 7);
    board_set_waiting(h.board, 0, 0);
    struct msg_worker_gone gone = {.worker = 0};
    assert_true(ipc_send_now(h.supervisor_fd, MSG_WORKER_GONE, &gone, sizeof(gone), 1000, &err));
    while (board_taken(h.board, place.slot) != 0) {
        usleep(1000);
    }
    place = harness_take(&h, 7);
    board_give(h.board, 0, &place);
    harness_close(&h);
}

static void a_killed_engine_leaves_no_instance_and_the_next_starts_afresh(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    harness_put(&h, 7, "", harness_hello());
    harness_start(&h);
    harness_demand(&h, 7, 1);
    struct board_place place = harness_take(&h, 7);
    pid_t child = harness_child(&h);
    kill(h.pid, SIGKILL);
    assert_int_equal(waitpid(h.pid, NULL, 0), h.pid);
    harness_wait_dead(child);
    harness_start(&h);
    assert_int_equal(board_count(h.board, 7, INSTANCE_READY), 0);
    board_give(h.board, 0, &place);
    harness_demand(&h, 7, 1);
    place = harness_take(&h, 7);
    harness_get(&place, "/", answer, sizeof(answer));
    assert_non_null(strstr(answer, "200 OK"));
    board_give(h.board, 0, &place);
    harness_close(&h);
}

static void draining_ends_the_instance_with_sigterm_and_then_the_engine_with_zero(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    /* The shell runs hello in the background: a group of two processes. */
    char container[1024];
    snprintf(container, sizeof(container),
             "\"program\":[\"/bin/sh\",\"-c\",\"trap 'echo got-term; exit 0' TERM; %s & wait\"]",
             getenv("HELLO"));
    harness_put(&h, 7, "", container);
    harness_start(&h);
    harness_demand(&h, 7, 1);
    struct board_place place = harness_take(&h, 7);
    harness_demand(&h, 7, 0);
    board_give(h.board, 0, &place);
    pid_t child = harness_child(&h);
    assert_int_equal(harness_drain(&h), 0);
    harness_wait_dead(child);
    assert_true(harness_log_has(&h, "\"text\":\"got-term\""));
    harness_close(&h);
}

static void liveness_that_fails_ends_the_instance(void **state)
{
    (void)state;
    struct harness h;
    char container[1024];
    harness_open(&h, 900);
    snprintf(container, sizeof(container),
             "%s,\"liveness_probe\":{\"kind\":\"http\",\"path\":\"/\",\"port\":1,\"period_s\":1,"
             "\"failure_threshold\":1}",
             harness_hello());
    harness_put(&h, 7, "", container);
    harness_start(&h);
    harness_demand(&h, 7, 1);
    struct board_place place = harness_take(&h, 7);
    harness_demand(&h, 7, 0);
    board_give(h.board, 0, &place);
    harness_wait_log(&h, "LIVENESS HTTP probe failed 1 time consecutively for container");
    harness_close(&h);
}

static void an_instance_over_its_memory_is_killed(void **state)
{
    (void)state;
    struct harness h;
    char container[1024];
    harness_open(&h, 900);
    snprintf(container, sizeof(container), "%s,\"memory_bytes\":4096", harness_hello());
    harness_put(&h, 7, "", container);
    harness_start(&h);
    harness_demand(&h, 7, 1);
    harness_take(&h, 7); /* busy, so that it is looked at each second */
    harness_demand(&h, 7, 0);
    harness_wait_log(&h, "was found to be using too much memory");
    harness_wait_count(&h, 7, INSTANCE_READY, 0);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_waiting_request_wakes_exactly_one_instance_that_answers),
        cmocka_unit_test(many_sleeping_revisions_wake_one_after_the_other),
        cmocka_unit_test(an_idle_instance_goes_and_comes_back_when_it_is_wanted),
        cmocka_unit_test(a_busy_instance_is_not_idle),
        cmocka_unit_test(more_waiters_get_more_instances_but_never_more_than_the_maximum),
        cmocka_unit_test(a_minimum_is_kept_from_the_start_and_when_it_changes),
        cmocka_unit_test(a_revision_that_is_gone_finishes_what_it_has_and_takes_nothing_new),
        cmocka_unit_test(an_instance_that_dies_is_off_the_board_and_replaced_on_demand),
        cmocka_unit_test(places_of_a_dead_worker_come_back),
        cmocka_unit_test(a_killed_engine_leaves_no_instance_and_the_next_starts_afresh),
        cmocka_unit_test(draining_ends_the_instance_with_sigterm_and_then_the_engine_with_zero),
        cmocka_unit_test(liveness_that_fails_ends_the_instance),
        cmocka_unit_test(an_instance_over_its_memory_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
