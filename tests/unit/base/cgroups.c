#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cgroups.h"

static void our_own_group_is_that_of_version_2(void **state)
{
    (void)state;
    static const struct {
        const char *text, *own;
    } rows[] = {
        {"0::/user.slice/user-1000.slice/session-2.scope\n",
         "/user.slice/user-1000.slice/session-2.scope"},
        {"12:pids:/a\n1:name=systemd:/b\n0::/c\n", "/c"},
        {"0::/a b\n", "/a b"},
        {"0::/\n", "/"},
        {"12:pids:/a\n1:name=systemd:/b\n", ""}, /* of version 1 */
        {"10::/a\n", ""},
        {"0::a\n", ""},
        {"0:", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice own = cgroups_own(slice_of(rows[i].text));
        assert_true(slice_is(own, rows[i].own));
    }
}

static void what_control_groups_lack_is_named(void **state)
{
    static const struct {
        const char *there, *lacks;
    } rows[] = {
        {"cpuset cpu io memory hugetlb pids rdma\n", ""},
        {"cpu memory pids\n", ""},
        {"cpu memory pids", ""},
        {"cpuset io memory pids\n", "cpu"},
        {"memory pids\n", "cpu"},
        {"hugetlb\n", "cpu, memory, pids"},
        {"\n", "cpu, memory, pids"},
        {"", "cpu, memory, pids"},
    };
    auto_arena arena = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(cgroups_lack(&arena, slice_of(rows[i].there)), rows[i].lacks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_group_is_that_of_version_2),
        cmocka_unit_test(what_control_groups_lack_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
