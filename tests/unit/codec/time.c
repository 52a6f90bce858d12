#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static void a_time_is_read_and_written_in_utc_with_six_digits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *expect; /* NULL: refused */
    } cases[] = {
        {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"},
        {"2026-02-28T23:59:59.123456Z", "2026-02-28T23:59:59.123456Z"},
        {"2024-02-29t12:00:00.5z", "2024-02-29T12:00:00.500000Z"},
        {"2024-02-29T12:00:00.123456789Z", "2024-02-29T12:00:00.123456Z"},
        {"2026-01-01T01:30:00+02:00", "2025-12-31T23:30:00.000000Z"},
        {"2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00.000000Z"},
        {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"},
        {"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
        {"1900-02-28T00:00:00Z", "1900-02-28T00:00:00.000000Z"},
        {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"},
        {"1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.900000Z"},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"},
        {"2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00.000000Z"},
        {"2016-12-31T22:59:60Z", NULL},
        {"1900-02-29T00:00:00Z", NULL},
        {"2026-02-29T00:00:00Z", NULL},
        {"2026-13-01T00:00:00Z", NULL},
        {"2026-00-01T00:00:00Z", NULL},
        {"2026-01-00T00:00:00Z", NULL},
        {"2026-01-01T24:00:00Z", NULL},
        {"2026-01-01T00:60:00Z", NULL},
        {"2026-01-01T00:00:61Z", NULL},
        {"2026-01-01T00:00:00", NULL},
        {"2026-01-01T00:00:00.Z", NULL},
        {"2026-01-01T00:00:00.1234567891Z", NULL},
        {"2026-01-01 00:00:00Z", NULL},
        {"2026-01-01T00:00:00+0100", NULL},
        {"2026-01-01T00:00:00+24:00", NULL},
        {"2026-01-01T00:00:00Zx", NULL},
        {"2026-1-1T0:0:0Z", NULL},
        {"+026-01-01T00:00:00Z", NULL},
        {"0001-01-01T00:00:00+01:00", NULL},
        {"9999-12-31T23:59:59-00:01", NULL},
        {"0000-01-01T00:00:00Z", NULL},
        {"2026-01-01", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        int64_t us = 1;
        bool good = time_read(slice_of(cases[i].text), &us);
        if (good != (cases[i].expect != NULL)) {
            fail_msg("\"%s\" was %s", cases[i].text, good ? "read" : "refused");
        }
        if (good) {
            assert_string_equal(arena_string(&arena, time_text(&arena, us)), cases[i].expect);
        }
    }
}

static void known_moments_have_known_numbers(void **state)
{
    (void)state;
    int64_t us;
    assert_true(time_read(SLICE("2001-09-09T01:46:40Z"), &us));
    assert_true(us == INT64_C(1000000000000000));
    assert_true(time_read(SLICE("1969-12-31T23:59:59.999999Z"), &us));
    assert_true(us == -1);
}

static void every_day_goes_there_and_back(void **state)
{
    (void)state;
    auto_arena arena = {0};
    for (int64_t day = -719162; day <= 2932896; day += 13) {
        int64_t us;
        struct slice text = time_text(&arena, day * INT64_C(86400000000) + 1);
        assert_true(time_read(text, &us));
        assert_true(us == day * INT64_C(86400000000) + 1);
        arena_reset(&arena);
    }
}

static void a_duration_is_seconds_with_a_fraction(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
        const char *expect; /* NULL: refused */
    } cases[] = {
        {"0s", 0, "0s"},
        {"3.5s", 3500000, "3.500s"},
        {"-3.5s", -3500000, "-3.500s"},
        {"300s", 300000000, "300s"},
        {"0.000001s", 1, "0.000001s"},
        {"1.123456789s", 1123456, "1.123456s"},
        {"-0.25s", -250000, "-0.250s"},
        {"315576000000s", INT64_C(315576000000000000), "315576000000s"},
        {"315576000000.1s", 0, NULL},
        {"9999999999999s", 0, NULL},
        {"3", 0, NULL},
        {"s", 0, NULL},
        {".5s", 0, NULL},
        {"3.s", 0, NULL},
        {"+3s", 0, NULL},
        {"3 s", 0, NULL},
        {"3m", 0, NULL},
        {"3ss", 0, NULL},
        {"1e3s", 0, NULL},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        int64_t us = 0;
        bool good = duration_read(slice_of(cases[i].text), &us);
        if (good != (cases[i].expect != NULL)) {
            fail_msg("\"%s\" was %s", cases[i].text, good ? "read" : "refused");
        }
        if (good) {
            assert_true(us == cases[i].us);
            assert_string_equal(arena_string(&arena, duration_text(&arena, us)), cases[i].expect);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_read_and_written_in_utc_with_six_digits),
        cmocka_unit_test(known_moments_have_known_numbers),
        cmocka_unit_test(every_day_goes_there_and_back),
        cmocka_unit_test(a_duration_is_seconds_with_a_fraction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
