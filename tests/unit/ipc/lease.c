/* Until when a node may decide: by a clock that is an argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ipc/lease.h"

static struct lease *ours, *theirs; /* control's mapping, and a worker's */

static int make(void **state)
{
    struct error err;
    int fd = lease_create(&err);
    (void)state;
    assert_true(fd >= 0);
    ours = lease_map(fd, true, &err);
    theirs = lease_map(fd, false, &err);
    assert_non_null(ours);
    assert_non_null(theirs);
    close(fd);
    return 0;
}

static int end(void **state)
{
    (void)state;
    lease_unmap(ours);
    lease_unmap(theirs);
    return 0;
}

static void a_new_lease_has_never_run(void **state)
{
    (void)state;
    assert_false(lease_runs(theirs));
    assert_false(lease_has_run(theirs));
    assert_false(lease_runs_at(theirs, 0));
    lease_set(ours, 0);
    assert_false(lease_has_run(theirs));
}

static void it_runs_until_its_end_and_not_at_it(void **state)
{
    (void)state;
    lease_set(ours, 1000);
    assert_true(lease_runs_at(theirs, 0));
    assert_true(lease_runs_at(theirs, 999));
    assert_false(lease_runs_at(theirs, 1000));
    assert_false(lease_runs_at(theirs, 1001));
    assert_false(lease_runs_at(theirs, INT64_MAX));
    assert_true(lease_has_run(theirs));
}

static void what_is_set_last_counts_and_nothing_brings_it_back(void **state)
{
    (void)state;
    lease_set(ours, 1000);
    lease_set(ours, 2000);
    assert_true(lease_runs_at(theirs, 1999));
    lease_set(ours, 1500);
    assert_false(lease_runs_at(theirs, 1500));
    lease_set(ours, 0); /* it was passed over */
    assert_false(lease_runs_at(theirs, 0));
    assert_true(lease_has_run(theirs));
}

static void it_is_the_clock_that_nobody_sets(void **state)
{
    (void)state;
    int64_t now_us = clock_boot_us();
    lease_set(ours, now_us);
    assert_false(lease_runs(theirs));
    lease_set(ours, now_us + (int64_t)3600 * 1000000);
    assert_true(lease_runs(theirs));
}

static void who_has_no_cluster_has_no_lease_to_lose(void **state)
{
    (void)state;
    assert_true(lease_runs(NULL));
    assert_true(lease_has_run(NULL));
    assert_false(lease_is_draining(NULL));
    assert_false(lease_is_ending(NULL));
}

static void draining_and_ending_do_not_end_it(void **state)
{
    (void)state;
    lease_set(ours, 1000);
    lease_set_draining(ours, true);
    assert_true(lease_is_draining(theirs));
    lease_set_draining(ours, false);
    assert_false(lease_is_draining(theirs));
    lease_set_ending(ours);
    assert_true(lease_is_ending(theirs));
    assert_true(lease_runs_at(theirs, 999));
}

static void memory_of_another_size_is_refused(void **state)
{
    int ends[2];
    struct error err = {0};
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_null(lease_map(ends[0], false, &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_lease_has_never_run, make, end),
        cmocka_unit_test_setup_teardown(it_runs_until_its_end_and_not_at_it, make, end),
        cmocka_unit_test_setup_teardown(what_is_set_last_counts_and_nothing_brings_it_back, make,
                                        end),
        cmocka_unit_test_setup_teardown(it_is_the_clock_that_nobody_sets, make, end),
        cmocka_unit_test(who_has_no_cluster_has_no_lease_to_lose),
        cmocka_unit_test_setup_teardown(draining_and_ending_do_not_end_it, make, end),
        cmocka_unit_test(memory_of_another_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
