/* How a start may go wrong, what is then said, and what a program is born with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness.h"

#define SHELL(script) "\"program\":[\"/bin/sh\",\"-c\",\"" script "\"]"

static struct msg_revision_state check(struct harness *h, uint64_t id)
{
    union {
        char bytes[IPC_PACKET_MAX];
        struct msg_revision_state state;
    } body;
    harness_tell(h, MSG_CHECK_REVISION, id);
    assert_int_equal(harness_hear(h->control_fd, &body), MSG_REVISION_STATE);
    assert_int_equal(body.state.revision_id, id);
    return body.state;
}

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", text, part);
    }
}

static void a_good_revision_is_started_and_kept(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    harness_put(&h, 7, "", harness_hello());
    harness_start(&h);
    for (int i = 0; i < 2; i++) {
        struct msg_revision_state answer = check(&h, 7);
        assert_int_equal(answer.state, REVISION_STARTED);
        assert_int_equal(answer.port, 8080);
        assert_string_equal(answer.text, "");
        assert_int_equal(board_count(h.board, 7, INSTANCE_READY), 1);
    }
    harness_close(&h);
}

static void a_program_that_exits_is_noticed_at_once_with_its_last_words(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    harness_put(&h, 7, "", SHELL("echo first >&2; printf 'no database' >&2; exit 3"));
    harness_start(&h);
    struct msg_revision_state answer = check(&h, 7);
    assert_int_equal(answer.state, REVISION_FAILED);
    assert_says(answer.text,
                "Revision 'hello-00001-abc' is not ready and cannot serve traffic. The "
                "user-provided container failed to start and listen on the port "
                "defined provided by the PORT=8080 environment variable within the allocated "
                "timeout. This can happen when the container port is misconfigured");
    assert_says(answer.text, " (it was started with PORT=");
    assert_says(answer.text, "container \"main\" exited with status 3: no database");
    assert_says(answer.text, "Logs: gcloud run services logs read hello");
    assert_int_equal(board_count(h.board, 7, INSTANCE_STARTING), 0);
    harness_wait_log(&h, "\"text\":\"first\"");
    harness_wait_log(&h, "\"stream\":\"stderr\",\"service\":\"hello\",\"revision\":"
                         "\"hello-00001-abc\",\"project\":\"demo\",\"region\":\"us-central1\"");
    harness_close(&h);
}

static void a_program_that_is_not_there_or_not_one_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *container, *text;
    } cases[] = {
        {"\"program\":[\"/nowhere/at-all\"]", "cannot be executed: No such file or directory"},
        {"\"program\":[\"/etc/passwd\"]", "cannot be executed: Permission denied"},
        {"\"program\":[\"no-such-program-at-all\"]", "was not found"},
        {"\"program\":[]", "has no program that this engine can run"},
        {"\"program\":[\"true\"],\"dir\":\"/usr\",\"working_dir\":\"nowhere\"",
         "'nowhere' in /usr: No such file or directory"},
        {"\"program\":[\"true\"],\"dir\":\"/usr\",\"working_dir\":\"/etc\"",
         "'/etc' is not inside of /usr"},
    };
    struct harness h;
    harness_open(&h, 900);
    harness_start(&h);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        harness_put(&h, 100 + i, "", cases[i].container);
        struct msg_revision_state answer = check(&h, 100 + i);
        assert_int_equal(answer.state, REVISION_FAILED);
        assert_says(answer.text, cases[i].text);
    }
    harness_close(&h);
}

static void a_program_that_does_not_listen_fails_its_probe(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    harness_put(&h, 7, "",
                SHELL("exec sleep 1000") ",\"startup_probe\":{\"kind\":\"tcp\",\"period_s\":1,"
                                         "\"timeout_s\":1,\"failure_threshold\":1}");
    harness_start(&h);
    struct msg_revision_state answer = check(&h, 7);
    assert_int_equal(answer.state, REVISION_FAILED);
    assert_says(answer.text,
                "Revision 'hello-00001-abc' is not ready and cannot serve traffic. The "
                "user-provided container failed the configured startup probe checks. Logs for "
                "this revision might contain more information.");
    assert_says(answer.text, "the STARTUP TCP probe of container \"main\" did not pass within 1 s: "
                             "Connection refused; it listens on no port");
    harness_close(&h);
}

static void an_unknown_revision_fails_its_check_and_its_waiters(void **state)
{
    (void)state;
    struct harness h;
    char body[IPC_PACKET_MAX];
    harness_open(&h, 900);
    harness_start(&h);
    assert_int_equal(check(&h, 99).state, REVISION_FAILED);
    harness_demand(&h, 99, 1);
    assert_int_equal(harness_hear(h.worker_fd, body), MSG_START_FAILED);
    harness_close(&h);
}

static void who_waits_for_a_program_that_never_starts_is_told_each_time(void **state)
{
    (void)state;
    struct harness h;
    union {
        char bytes[IPC_PACKET_MAX];
        struct msg_start_failed failed;
    } body;
    harness_open(&h, 900);
    harness_put(&h, 7, "", SHELL("exit 1"));
    harness_start(&h);
    for (int i = 0; i < 8; i++) {
        harness_demand(&h, 7, 2);
        assert_int_equal(harness_hear(h.worker_fd, &body), MSG_START_FAILED);
        assert_int_equal(body.failed.revision_id, 7);
        assert_int_equal(body.failed.reason, START_FAILED_EXIT);
    }
    harness_close(&h);
}

static void http_and_grpc_probes_ask_the_program_itself(void **state)
{
    (void)state;
    struct harness h;
    char container[1024];
    harness_open(&h, 900);
    snprintf(container, sizeof(container),
             "%s,\"startup_probe\":{\"kind\":\"http\",\"path\":\"/ready\",\"headers\":[{\"name\":"
             "\"X-Probe\",\"value\":\"1\"}]},\"liveness_probe\":{\"kind\":\"http\",\"period_s\":1}",
             harness_hello());
    harness_put(&h, 7, "", container);
    /* Speaks no HTTP/2: whatever else it is, it is not SERVING. */
    snprintf(container, sizeof(container),
             "%s,\"startup_probe\":{\"kind\":\"grpc\",\"service\":\"s\",\"period_s\":1,"
             "\"failure_threshold\":1}",
             harness_hello());
    harness_put(&h, 8, "", container);
    harness_start(&h);
    assert_int_equal(check(&h, 7).state, REVISION_STARTED);
    harness_wait_log(&h, "STARTUP HTTP probe of container");
    struct msg_revision_state answer = check(&h, 8);
    assert_int_equal(answer.state, REVISION_FAILED);
    assert_says(answer.text, "the STARTUP gRPC probe");
    assert_int_equal(board_count(h.board, 7, INSTANCE_READY), 1);
    harness_close(&h);
}

static void a_program_is_born_with_its_environment_and_nothing_of_ours(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    setenv("HOMERUN_SECRET", "leaked", 1);
    harness_put(
        &h, 7, "",
        SHELL(
            "env | sed 's/^/E:/'; ls -m /proc/self/fd | sed 's/^/F:/'; "
            "grep NoNewPrivs /proc/self/status; echo A:$0:$1; ulimit -n; pwd; exit 0") ",\"args\":["
                                                                                       "\"zero\","
                                                                                       "\"one\"],"
                                                                                       "\"env\":{"
                                                                                       "\"A\":"
                                                                                       "\"B\","
                                                                                       "\"HOME\":"
                                                                                       "\"/"
                                                                                       "h\","
                                                                                       "\"PORT\":"
                                                                                       "\"1\",\"K_"
                                                                                       "SERVICE\":"
                                                                                       "\"mine\"}");
    harness_start(&h);
    check(&h, 7);
    static const char *const there[] = {"\"E:K_SERVICE=hello\"",
                                        "\"E:K_REVISION=hello-00001-abc\"",
                                        "\"E:K_CONFIGURATION=hello\"",
                                        "\"E:HOME=/h\"",
                                        "\"E:A=B\"",
                                        "\"E:PORT=",
                                        "\"E:TMPDIR=/tmp\"",
                                        "\"F:0, 1, 2, 3\"",
                                        "NoNewPrivs:\\t1\"",
                                        "\"A:zero:one\"",
                                        "\"text\":\"/\""};
    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        harness_wait_log(&h, there[i]);
    }
    assert_false(harness_log_has(&h, "HOMERUN"));
    assert_false(harness_log_has(&h, "E:PORT=1\""));
    assert_false(harness_log_has(&h, "mine"));
    assert_false(harness_log_has(&h, "GOOGLE_CLOUD_PROJECT")); /* as on Cloud Run */
    harness_close(&h);
}

static void sidecars_start_in_order_and_the_end_of_one_is_the_end_of_all(void **state)
{
    (void)state;
    struct harness h;
    char json[2048];
    harness_open(&h, 900);
    snprintf(
        json, sizeof(json),
        "{\"revision_id\":7,\"revision\":\"r\",\"service\":\"s\",\"project\":\"p\",\"region\":"
        "\"l\",\"containers\":[{\"name\":\"web\",\"port\":8080,%s,\"depends_on\":[\"side\"]},"
        "{\"name\":\"side\",%s,\"rules\":{\"allowEnv\":[\"WHO\"]},\"env\":{\"WHO\":\"side\"}}]}",
        harness_hello(), SHELL("echo side-port=$PORT; trap 'exit 0' TERM; sleep 1000 & wait"));
    harness_put_json(&h, 7, json);
    snprintf(json, sizeof(json),
             "{\"revision_id\":8,\"revision\":\"r\",\"service\":\"s\",\"project\":\"p\",\"region\":"
             "\"l\",\"containers\":[{\"name\":\"web\",\"port\":8080,%s},{\"name\":\"side\",%s,"
             "\"env\":{\"PORT\":\"8888\"},\"startup_probe\":{\"kind\":\"tcp\",\"port\":1}}]}",
             harness_hello(), SHELL("echo own-port=$PORT; exit 4"));
    harness_put_json(&h, 8, json);
    snprintf(json, sizeof(json),
             "{\"revision_id\":9,\"revision\":\"r\",\"service\":\"s\",\"project\":\"p\",\"region\":"
             "\"l\",\"containers\":[{\"name\":\"web\",\"port\":8080,%s,\"depends_on\":[\"web\"]}]}",
             harness_hello());
    harness_put_json(&h, 9, json);
    harness_start(&h);
    assert_int_equal(check(&h, 7).state, REVISION_STARTED);
    harness_wait_log(&h, "\"text\":\"side-port=\"");
    assert_says(check(&h, 8).text, "container \"side\" exited with status 4");
    harness_wait_log(&h, "\"text\":\"own-port=8888\"");
    assert_says(check(&h, 9).text, "its containers depend on each other");
    harness_close(&h);
}

static void a_flood_of_output_is_cut_and_counted_and_the_file_stays_small(void **state)
{
    (void)state;
    struct harness h;
    harness_open(&h, 900);
    harness_put(&h, 7, "",
                SHELL("yes 0123456789012345678901234567890123456789 | head -c 60000000; echo done; "
                      "exit 0"));
    harness_start(&h);
    assert_int_equal(check(&h, 7).state, REVISION_FAILED);
    harness_wait_log(&h, "lines of output were dropped");
    FILE *log = fopen(h.log_path, "re");
    fseek(log, 0, SEEK_END);
    assert_true(ftell(log) < 17 * 1024 * 1024);
    fclose(log);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_revision_is_started_and_kept),
        cmocka_unit_test(a_program_that_exits_is_noticed_at_once_with_its_last_words),
        cmocka_unit_test(a_program_that_is_not_there_or_not_one_says_so),
        cmocka_unit_test(a_program_that_does_not_listen_fails_its_probe),
        cmocka_unit_test(an_unknown_revision_fails_its_check_and_its_waiters),
        cmocka_unit_test(who_waits_for_a_program_that_never_starts_is_told_each_time),
        cmocka_unit_test(http_and_grpc_probes_ask_the_program_itself),
        cmocka_unit_test(a_program_is_born_with_its_environment_and_nothing_of_ours),
        cmocka_unit_test(sidecars_start_in_order_and_the_end_of_one_is_the_end_of_all),
        cmocka_unit_test(a_flood_of_output_is_cut_and_counted_and_the_file_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
