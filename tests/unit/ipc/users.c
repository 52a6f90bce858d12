#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ipc/users.h"

static void the_numbers_are_those_that_the_namespace_has(void **state)
{
    (void)state;
    static const struct {
        const char *uid_map, *gid_map;
        uid_t first;
    } cases[] = {
        {"         0          0 4294967295\n", "         0          0 4294967295\n", 2000000000},
        {"0 100000 65536\n", "0 100000 65536\n", 60600},
        {"0 1000 1\n1 100000 65536\n", "0 1000 1\n1 100000 65536\n", 60600},
        {"0 0 4294967295\n", "0 100000 65536\n", 60600},
        {"0 1000 1\n", "0 1000 1\n", 65534},
        {"0 0 60601\n", "0 0 60601\n", 65534},
        {"60600 5 560\n", "60600 5 559\n", 65534},
        {"", "", 65534},
        {"words\n\n", "0 0 99999999999999999999\n", 65534},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct users users = users_in(cases[i].uid_map, cases[i].gid_map);
        assert_int_equal(users.first, cases[i].first);
        assert_int_equal(users.count > USERS_OURS, users.first != 65534);
    }
}

static void a_process_that_was_told_nothing_becomes_nobody(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "0", "-1", "x", "4294967295", "99999999999999999999"};
    unsetenv("HOMERUN_USER");
    assert_int_equal(users_inherited(), 65534);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("HOMERUN_USER", bad[i], 1);
        assert_int_equal(users_inherited(), 65534);
    }
    setenv("HOMERUN_USER", "2000000003", 1);
    assert_int_equal(users_inherited(), 2000000003);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_are_those_that_the_namespace_has),
        cmocka_unit_test(a_process_that_was_told_nothing_becomes_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
