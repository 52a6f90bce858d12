/* What the supervisor is made of, each by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../scratch.h"
#include "base/file.h"
#include "supervisor/crew.h"
#include "supervisor/data_folder.h"
#include "supervisor/first_start.h"
#include "supervisor/journal.h"
#include "supervisor/ready_file.h"

static void the_first_death_is_made_good_at_once_and_later_ones_wait_longer(void **state)
{
    static const unsigned waits[] = {0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    (void)state;
    for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        assert_int_equal(crew_backoff_ms(i), waits[i]);
    }
    assert_int_equal(crew_backoff_ms(UINT32_MAX), 5000);
}

static void the_ready_file_escapes_what_json_must(void **state)
{
    (void)state;
    struct settings settings;
    settings_default(&settings);
    snprintf(settings.data, sizeof(settings.data), "/a \"b\"\\c");
    struct ready_process processes[] = {{PROCESS_CONTROL, 7}, {PROCESS_INGRESS, 8}};
    struct buffer text = BUFFER_INIT(65536);
    ready_file_text(&text, &settings, processes, 2);
    struct slice all = buffer_slice(&text);
    assert_true(slice_find_slice(all, SLICE("\"data\": \"/a \\\"b\\\"\\\\c\"")) > 0);
    assert_true(slice_find_slice(all, SLICE("{\"role\": \"control\", \"pid\": 7},")) > 0);
    assert_true(slice_find_slice(all, SLICE("{\"role\": \"ingress\", \"pid\": 8}\n")) > 0);
    assert_true(slice_find_slice(all, SLICE("owner@demo.iam.gserviceaccount.com")) > 0);
    buffer_done(&text);
}

static void a_log_that_is_too_long_becomes_the_old_one_and_its_writers_go_on(void **state)
{
    (void)state;
    char dir[] = "/tmp/homerun-test-XXXXXX";
    assert_non_null(scratch_new(dir));
    char folder[128], path[160];
    snprintf(folder, sizeof(folder), "%s/log", dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    struct error err = {0};
    struct journal_log log = {.fd = data_folder_log(dir, "x", &err)};
    assert_true(log.fd >= 0);
    snprintf(log.path, sizeof(log.path), "%s/x", folder);
    int other = fcntl(log.fd, F_DUPFD_CLOEXEC, 3); /* another process's, not handed over yet */
    assert_int_equal(write(log.fd, "first\n", 6), 6);
    assert_false(journal_rotate(&log, 6)); /* not longer than that: stays */
    assert_int_equal(write(log.fd, "second\n", 7), 7);
    assert_true(journal_rotate(&log, 6));
    assert_int_equal(write(log.fd, "third\n", 6), 6);
    assert_int_equal(write(other, "late\n", 5), 5);
    close(other);

    struct arena arena = {0};
    struct slice text;
    assert_true(file_read(&arena, log.path, 1000, &text, &err));
    assert_true(slice_is(text, "third\n"));
    snprintf(path, sizeof(path), "%s/x.1", folder);
    assert_true(file_read(&arena, path, 1000, &text, &err));
    assert_true(slice_is(text, "first\nsecond\nlate\n"));
    arena_done(&arena);
    close(log.fd);
    unlink(path);
    unlink(log.path);
    rmdir(folder);
    rmdir(dir);
}

static void older_logs_move_up_until_the_last_falls_off(void **state)
{
    (void)state;
    char dir[] = "/tmp/homerun-test-XXXXXX";
    assert_non_null(scratch_new(dir));
    struct error err = {0};
    struct journal_log log = {.older = 3};
    snprintf(log.path, sizeof(log.path), "%s/x", dir);
    log.fd = open(log.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (unsigned i = 0; i < 5; i++) {
        dprintf(log.fd, "%u\n", i);
        assert_true(journal_rotate(&log, 0));
    }
    static const char *const texts[] = {"", "4\n", "3\n", "2\n"};
    struct arena arena = {0};
    for (unsigned i = 0; i < 4; i++) {
        char path[64];
        struct slice text;
        snprintf(path, sizeof(path), i == 0 ? "%s/x" : "%s/x.%u", dir, i);
        assert_true(file_read(&arena, path, 10, &text, &err));
        assert_true(slice_is(text, texts[i]));
        unlink(path);
    }
    arena_done(&arena);
    close(log.fd);
    assert_int_equal(rmdir(dir), 0);
}

/* The rows that keep the processes apart: a change here is a change of the threat model. */
static void make_file(const char *dir, const char *name)
{
    char path[160];
    struct error err;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_true(file_write(path, SLICE("x"), 0600, &err));
}

static bool has_file(const char *dir, const char *name)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* LATE: a file that this start has made, besides its keys. */
static void refuse_first_start(const char *dir, const char *late)
{
    char signer[128];
    struct first_start first = first_start_look(dir);
    snprintf(signer, sizeof(signer), "%s/signer", dir);
    mkdir(signer, 0700);
    make_file(signer, "issuers");
    make_file(dir, late);
    first_start_undo(&first, dir);
}

static void a_first_start_that_is_refused_takes_its_keys_along_but_no_others(void **state)
{
    char dir[] = "/tmp/homerun-test-XXXXXX";
    (void)state;
    assert_non_null(scratch_new(dir));
    make_file(dir, "owner.json"); /* of an operator */
    refuse_first_start(dir, "copy.db");
    assert_true(has_file(dir, "owner.json"));
    assert_false(has_file(dir, "copy.db") || has_file(dir, "signer"));
    refuse_first_start(dir, "installation"); /* a record has been begun by these keys */
    assert_true(has_file(dir, "signer/issuers") && has_file(dir, "installation"));
    refuse_first_start(dir, "copy.db"); /* it is no first start any more */
    assert_true(has_file(dir, "copy.db"));
}

static void no_process_holds_what_belongs_to_another(void **state)
{
    (void)state;
    for (unsigned i = 0; i < role_rights_count; i++) {
        const struct role_rights *rights = &role_rights[i];
        enum process_role role = rights->role;
        bool api = (rights->holds >> HOLD_API & 1) != 0;
        bool services = (rights->holds >> HOLD_HTTPS & 1) != 0;
        assert_int_equal(api, role == PROCESS_CONTROL);
        assert_int_equal(services, role == PROCESS_INGRESS);
        assert_int_equal((rights->holds >> HOLD_METADATA & 1) != 0, role == PROCESS_METADATA);
        assert_int_equal(rights->may_gain, role == PROCESS_ENGINE);
        assert_int_equal(rights->many, role == PROCESS_INGRESS);
        bool fetcher = role == PROCESS_FETCHER;
        assert_int_equal(rights->on_demand, fetcher);
        assert_true(!fetcher || (rights->holds == 0 && rights->bare && !rights->wakes));
        assert_true(i == 0 || rights->stage >= role_rights[i - 1].stage);
    }
    for (unsigned e = 0; e < EDGES; e++) {
        bool signer = edges[e].a == PROCESS_SIGNER || edges[e].b == PROCESS_SIGNER;
        bool engine = edges[e].a == PROCESS_ENGINE || edges[e].b == PROCESS_ENGINE;
        bool metadata = edges[e].a == PROCESS_METADATA || edges[e].b == PROCESS_METADATA;
        assert_false(signer &&
                     engine); /* ingress may ask for the doors' assertions: signer/answer.c */
        assert_false(signer && metadata);
        bool fetcher = edges[e].a == PROCESS_FETCHER || edges[e].b == PROCESS_FETCHER;
        assert_true(!fetcher || edges[e].a == PROCESS_CONTROL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_death_is_made_good_at_once_and_later_ones_wait_longer),
        cmocka_unit_test(the_ready_file_escapes_what_json_must),
        cmocka_unit_test(a_log_that_is_too_long_becomes_the_old_one_and_its_writers_go_on),
        cmocka_unit_test(older_logs_move_up_until_the_last_falls_off),
        cmocka_unit_test(a_first_start_that_is_refused_takes_its_keys_along_but_no_others),
        cmocka_unit_test(no_process_holds_what_belongs_to_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
