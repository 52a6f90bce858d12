/* Whom a change waits for, and for how long: by rows and a clock that are arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "control/publish/members.h"

enum { LEASE_MS = 4000, LEASE_US = LEASE_MS * 1000 };

static struct store_node row(const char *name, int64_t epoch, int64_t beat, uint64_t applied)
{
    struct store_node row = {
        .epoch = epoch, .beat = beat, .applied = applied, .lease_ms = LEASE_MS, .serves = true};
    snprintf(row.name, sizeof(row.name), "%s", name);
    return row;
}

/* The rows of a and b, asked for as question number ASKED, at NOW_US. */
static void take(struct members *members, struct store_node a, struct store_node b, uint64_t asked,
                 int64_t now_us)
{
    struct store_view view = {.nodes = {a, b}, .count = 2};
    members_take(members, &view, asked, now_us);
}

static bool hear(struct members *members, int what, const char *name, int64_t epoch,
                 uint64_t number)
{
    struct store_heard heard = {.number = number, .member = {.epoch = epoch}};
    heard.what = what;
    snprintf(heard.member.name, sizeof(heard.member.name), "%s", name);
    return members_hear(members, &heard);
}

static struct awaited change(uint64_t number, uint64_t asked)
{
    return (struct awaited){.number = number,
                            .asked = asked,
                            .known = true,
                            .count = 1,
                            .pending = {{.name = "b", .epoch = 7}}};
}

static void a_node_ends_before_the_others_stop_waiting_for_it(void **state)
{
    (void)state;
    struct members members = {0};
    int64_t asked_us = 1000;
    /* The earliest that another sees this renewal is when it was sent. */
    take(&members, row("a", 1, 1, 0), row("b", 7, 1, 0), 1, asked_us);
    int64_t ends_us = members_lease_end(asked_us, LEASE_US);
    assert_int_equal(ends_us, asked_us + LEASE_US / 10 * 9);
    int64_t over_us = members_silent_us(members_find(&members, "b"));
    assert_int_equal(over_us, asked_us + LEASE_US);
    /* Its clock may be slower than ours by a tenth. */
    assert_true((ends_us - asked_us) * 10 / 9 <= over_us - asked_us);
}

static void silence_is_counted_from_when_a_row_was_first_seen_as_it_is(void **state)
{
    (void)state;
    struct members members = {0};
    struct store_node own = row("a", 1, 1, 0);
    take(&members, own, row("b", 7, 5, 0), 1, 1000);
    take(&members, own, row("b", 7, 5, 0), 2, 2000);
    assert_int_equal(members_find(&members, "b")->seen_us, 1000);
    take(&members, own, row("b", 7, 6, 0), 3, 3000); /* it has renewed */
    assert_int_equal(members_find(&members, "b")->seen_us, 3000);
    take(&members, own, row("b", 8, 6, 0), 4, 4000); /* it has joined anew */
    assert_int_equal(members_find(&members, "b")->seen_us, 4000);
    take(&members, own, row("b", 8, 5, 0), 5, 5000); /* a failover has forgotten a renewal */
    assert_int_equal(members_find(&members, "b")->seen_us, 5000);
}

static void who_has_applied_a_change_or_a_later_one_is_not_waited_for(void **state)
{
    (void)state;
    struct members members = {0};
    take(&members, row("a", 1, 1, 9), row("b", 7, 1, 9), 1, 1000);
    struct awaited before = change(10, 1), same = change(9, 1), after = change(8, 1);
    assert_false(members_settle(&members, &before, "a"));
    assert_true(members_settle(&members, &same, "a"));
    assert_true(members_settle(&members, &after, "a"));
    assert_true(hear(&members, HEARD_APPLIED, "b", 7, 10));
    assert_true(members_settle(&members, &before, "a"));
}

static void what_was_heard_is_not_undone_by_older_rows(void **state)
{
    (void)state;
    struct members members = {0};
    struct store_node own = row("a", 1, 1, 9);
    take(&members, own, row("b", 7, 1, 9), 1, 1000);
    assert_true(hear(&members, HEARD_APPLIED, "b", 7, 12));
    assert_true(hear(&members, HEARD_APPLIED, "b", 7, 11)); /* out of order */
    take(&members, own, row("b", 7, 2, 10), 2, 2000);
    assert_int_equal(members_find(&members, "b")->row.applied, 12);
}

static void what_an_earlier_life_of_a_node_has_applied_does_not_count(void **state)
{
    (void)state;
    struct members members = {0};
    struct store_node own = row("a", 1, 1, 9);
    take(&members, own, row("b", 7, 1, 12), 1, 1000);
    take(&members, own, row("b", 8, 2, 3), 2, 2000); /* joined anew, from an older state */
    assert_int_equal(members_find(&members, "b")->row.applied, 3);
    assert_true(hear(&members, HEARD_APPLIED, "b", 7, 12)); /* said before, and heard late */
    assert_int_equal(members_find(&members, "b")->row.applied, 3);
    struct awaited awaited = change(12, 1);
    assert_false(members_settle(&members, &awaited, "a"));
}

static void who_was_passed_over_is_not_waited_for_by_rows_of_after_the_commit(void **state)
{
    (void)state;
    struct members members = {.asked = 1};
    struct store_node over = row("b", 8, 1, 0);
    over.serves = false;
    take(&members, row("a", 1, 1, 9), over, 1, 1000);
    /* The rows were on their way when the change was committed: it may have joined meanwhile. */
    struct awaited awaited = change(10, members.asked);
    assert_false(members_settle(&members, &awaited, "a"));
    take(&members, row("a", 1, 1, 9), over, ++members.asked, 2000);
    assert_true(members_settle(&members, &awaited, "a"));
}

static void who_has_no_row_is_waited_for_until_the_rows_are_of_after_the_commit(void **state)
{
    (void)state;
    struct members members = {.asked = 3};
    struct store_view alone = {.nodes = {row("a", 1, 1, 9)}, .count = 1};
    members_take(&members, &alone, 3, 1000);
    struct awaited awaited = change(10, 3); /* b had joined just before the commit */
    assert_false(members_settle(&members, &awaited, "a"));
    take(&members, row("a", 1, 1, 9), row("b", 7, 1, 9), 4, 2000);
    assert_false(members_settle(&members, &awaited, "a"));
    members_take(&members, &alone, 5, 3000); /* it has left */
    assert_true(members_settle(&members, &awaited, "a"));
}

static void who_served_at_the_commit_is_learnt_from_rows_of_after_it(void **state)
{
    (void)state;
    struct members members = {.asked = 1};
    take(&members, row("a", 1, 1, 9), row("b", 7, 1, 9), 1, 1000);
    struct awaited awaited = {.number = 10, .asked = 1, .known = false};
    assert_false(members_settle(&members, &awaited, "a")); /* nobody is pending: it is not known */
    take(&members, row("a", 1, 1, 10), row("b", 7, 2, 9), 2, 2000);
    assert_false(members_settle(&members, &awaited, "a"));
    assert_int_equal(awaited.count, 1);
    assert_string_equal(awaited.pending[0].name, "b"); /* we ourselves have it */
    hear(&members, HEARD_APPLIED, "b", 7, 10);
    assert_true(members_settle(&members, &awaited, "a"));
}

static void what_cannot_be_told_by_what_is_known_is_asked_for(void **state)
{
    (void)state;
    struct members members = {0};
    take(&members, row("a", 1, 1, 9), row("b", 7, 1, 9), 1, 1000);
    assert_false(hear(&members, HEARD_APPLIED, "c", 1, 10));
    assert_false(hear(&members, HEARD_GONE, "b", 7, 0));
    assert_true(members_find(&members, "b")->row.serves);
}

static void a_full_cluster_has_room_for_all_its_members(void **state)
{
    (void)state;
    struct members members = {.asked = 1};
    struct store_view view = {.count = STORE_NODES_MAX};
    for (size_t i = 0; i < STORE_NODES_MAX; i++) {
        char name[24];
        snprintf(name, sizeof(name), "n%zu", i);
        view.nodes[i] = row(name, 1, 1, 0);
    }
    members_take(&members, &view, 2, 1000);
    struct awaited awaited = {.number = 1, .asked = 1, .count = STORE_NODES_MAX};
    assert_false(members_settle(&members, &awaited, "n0"));
    assert_int_equal(awaited.count, STORE_NODES_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_ends_before_the_others_stop_waiting_for_it),
        cmocka_unit_test(silence_is_counted_from_when_a_row_was_first_seen_as_it_is),
        cmocka_unit_test(who_has_applied_a_change_or_a_later_one_is_not_waited_for),
        cmocka_unit_test(what_was_heard_is_not_undone_by_older_rows),
        cmocka_unit_test(what_an_earlier_life_of_a_node_has_applied_does_not_count),
        cmocka_unit_test(who_was_passed_over_is_not_waited_for_by_rows_of_after_the_commit),
        cmocka_unit_test(who_has_no_row_is_waited_for_until_the_rows_are_of_after_the_commit),
        cmocka_unit_test(who_served_at_the_commit_is_learnt_from_rows_of_after_it),
        cmocka_unit_test(what_cannot_be_told_by_what_is_known_is_asked_for),
        cmocka_unit_test(a_full_cluster_has_room_for_all_its_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
