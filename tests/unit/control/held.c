/* What is not told before all nodes have it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/publish/held.h"
#include "control/publish/members.h"

static void what_all_have_is_let_go(void **state)
{
    struct held held = {0};
    (void)state;
    held_add(&held, "a");
    assert_true(held_has(&held, "a", 7)); /* its change has no number yet */
    assert_null(held_take(&held, 7));
    assert_true(held_applied(&held, 8));
    assert_false(held_applied(&held, 9));
    held_add(&held, "b");
    assert_true(held_has(&held, "a", 7));
    assert_false(held_has(&held, "a", 8));
    assert_false(held_has(&held, "c", 0));
    char *key = held_take(&held, 8);
    assert_string_equal(key, "a");
    free(key);
    assert_null(held_take(&held, 8));
    assert_true(held_has(&held, "b", 8));
    assert_false(held_has(&held, "b", UINT64_MAX)); /* there is nobody else */
    held_done(&held);
    assert_false(held_has(&held, "b", 0));
}

static void the_newest_are_kept(void **state)
{
    struct held held = {0};
    char name[16];
    (void)state;
    for (int i = 0; i < HELD_MAX + 2; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        held_add(&held, name);
    }
    assert_false(held_has(&held, "k1", 0));
    assert_true(held_has(&held, "k2", 0) && held_has(&held, name, 0));
    held_done(&held);
}

static void the_slowest_that_serves_counts(void **state)
{
    struct members members = {.count = 3};
    (void)state;
    members.all[0].row = (struct store_node){.name = "own", .applied = 1, .serves = true};
    members.all[1].row = (struct store_node){.name = "b", .applied = 5, .serves = true};
    members.all[2].row = (struct store_node){.name = "c", .applied = 4, .serves = true};
    assert_int_equal(members_everywhere(&members, "own"), 4);
    members.all[2].row.serves = false;
    assert_int_equal(members_everywhere(&members, "own"), 5);
    members.all[1].row.serves = false;
    assert_true(members_everywhere(&members, "own") == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_all_have_is_let_go),
        cmocka_unit_test(the_newest_are_kept),
        cmocka_unit_test(the_slowest_that_serves_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
