#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/subids.h"

static void the_first_range_of_the_account_that_is_long_enough_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
        uid_t uid;
        uint32_t first; /* 0: none */
    } rows[] = {
        {"me:100000:65536\n", "me", 1000, 100000},
        {"you:100000:65536\nme:165536:65536\n", "me", 1000, 165536},
        {"1000:100000:65536\n", "me", 1000, 100000},
        {"1000:100000:65536", NULL, 1000, 100000},
        {"me:100000:65536\n", NULL, 1000, 0},
        {"me:100000:1000\nme:200000:1048576\n", "me", 1000, 200000},
        {"me:100000:65535\n", "me", 1000, 0},
        {"mee:100000:65536\nm:100000:65536\n", "me", 1000, 0},
        {"10000:100000:65536\n", "me", 1000, 0},
        {"# me:100000:65536\n\n  \nme\nme:\nme:1\nme:x:y\n:1:65536\n", "me", 1000, 0},
        {"me:0:65536\n", "me", 1000, 0}, /* root among them */
        {"me:-1:65536\nme:100000:-1\n", "me", 1000, 0},
        {"me:4294901759:65536\n", "me", 1000, 4294901759},
        {"me:4294901760:65536\n", "me", 1000, 0}, /* with the last number, which is none */
        {"me:4294967296:65536\nme:18446744073709551615:65536\n", "me", 1000, 0},
        {"me:100000:65536:more\n", "me", 1000, 0},
        {"", "me", 1000, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t first = 7;
        bool found = subids_in(slice_of(rows[i].text), rows[i].name, rows[i].uid, &first);
        assert_int_equal(found, rows[i].first != 0);
        assert_int_equal(first, rows[i].first != 0 ? rows[i].first : 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_range_of_the_account_that_is_long_enough_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
