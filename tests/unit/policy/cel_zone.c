/* Time zones: every file of this machine's tz database, against the C library, which reads the same
 * files in its own way; and files that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/zone_file.h"
#include "policy/cel.h"
#include "policy/cel_time.h"

#define LIST "/usr/share/zoneinfo/tzdata.zi"

enum { INSTANTS = 300 };

static uint64_t random_state = 88172645463325252U;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Hours and days say all there is: minutes and years hang on them. */
static bool agrees(int64_t time_s, const struct cel_zone *zone)
{
    struct tm here;
    time_t at = (time_t)time_s;
    assert_non_null(localtime_r(&at, &here));
    return cel_zone_offset(time_s, zone) == (int32_t)here.tm_gmtoff &&
           cel_field_of(time_s * 1000000, CEL_HOURS, zone) == here.tm_hour &&
           cel_field_of(time_s * 1000000, CEL_DATE, zone) == here.tm_mday &&
           cel_field_of(time_s * 1000000, CEL_FULL_YEAR, zone) == here.tm_year + 1900;
}

static void check_at(const char *name, int64_t time_s, const struct cel_zone *zone)
{
    if (!agrees(time_s, zone)) {
        struct tm here;
        time_t at = (time_t)time_s;
        localtime_r(&at, &here);
        fail_msg("%s at %lld: %d, not %ld", name, (long long)time_s, cel_zone_offset(time_s, zone),
                 here.tm_gmtoff);
    }
}

/* By chance in two centuries, and for each change in them the seconds around it. */
static void check_zone(const char *name, const struct cel_zone *zone)
{
    const int64_t day = 86400;
    const int64_t first = -70 * 365 * day; /* 1900, before the first changes of most */
    const int64_t last = 130 * 365 * day;
    setenv("TZ", name, 1);
    tzset();
    for (int i = 0; i < INSTANTS; i++) {
        check_at(name, first + (int64_t)(random_next() % (uint64_t)(last - first)), zone);
    }
    for (int64_t from = first; from < last; from += 20 * day) {
        int64_t low = from;
        int64_t high = from + 20 * day;
        if (cel_zone_offset(low, zone) == cel_zone_offset(high, zone)) {
            continue;
        }
        while (high - low > 1) {
            int64_t middle = low + (high - low) / 2;
            bool before = cel_zone_offset(middle, zone) == cel_zone_offset(from, zone);
            low = before ? middle : low;
            high = before ? high : middle;
        }
        check_at(name, low, zone);
        check_at(name, high, zone);
    }
}

static bool zone_of(struct arena *arena, struct slice name, struct cel_zone *out)
{
    struct slice file;
    struct error err;
    struct buffer bytes = BUFFER_INIT(64 * 1024);
    bool read = zone_file_read(arena, name, &file, &err) && cel_zone_emit_file(&bytes, file);
    if (read) {
        read = cel_zone_at(arena_slice(arena, buffer_slice(&bytes)), out);
    }
    buffer_done(&bytes);
    return read;
}

/* tzdata.zi names each zone in a line that begins with Z, each other name of one with L. */
static void every_zone_of_this_machine_has_the_times_that_the_c_library_gives_it(void **state)
{
    (void)state;
    FILE *list = fopen(LIST, "r");
    char line[1024];
    unsigned count = 0;
    if (list == NULL) {
        print_message("skipped: %s is not there (package tzdata)\n", LIST);
        skip();
    }
    while (fgets(line, sizeof(line), list) != NULL) {
        auto_arena arena = {0};
        char name[128];
        struct cel_zone zone;
        if (sscanf(line, "Z %127s", name) != 1 && sscanf(line, "L %*s %127s", name) != 1) {
            continue;
        }
        if (!zone_of(&arena, slice_of(name), &zone)) {
            fail_msg("%s: not read", name);
        }
        check_zone(name, &zone);
        count++;
    }
    fclose(list);
    assert_true(count > 400);
}

static void what_is_no_zone_is_not_opened(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "Europe",
        "Europe/",
        "/Europe/Berlin",
        "Europe//Berlin",
        "../zoneinfo/UTC",
        "localtime",
        "posixrules",
        "right/UTC",
        "tzdata.zi",
        "Europe/../UTC",
        "europe/berlin",
        "Europe/Nowhere",
        "Europe/Berlin.",
        "EUROPE/BERLIN",
    };
    auto_arena arena = {0};
    struct cel_zone zone;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (zone_of(&arena, slice_of(names[i]), &zone)) {
            fail_msg("%s is taken as a zone", names[i]);
        }
    }
    assert_false(zone_of(&arena, SLICE("UTC\0x"), &zone));
}

/* Each byte of a file changed, and each length: read or refused, but whole. */
static void a_damaged_file_is_refused_or_read_within_its_bounds(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice file;
    struct error err;
    if (!zone_file_read(&arena, SLICE("Europe/Berlin"), &file, &err)) {
        print_message("skipped: %s\n", err.text);
        skip();
    }
    for (size_t i = 0; i < file.len; i++) {
        char *bytes = malloc(file.len);
        assert_non_null(bytes);
        memcpy(bytes, file.data, file.len);
        bytes[i] ^= 0x55;
        for (int cut = 0; cut < 2; cut++) {
            struct buffer out = BUFFER_INIT(64 * 1024);
            struct cel_zone zone;
            struct slice given = {bytes, cut ? i : file.len};
            if (cel_zone_emit_file(&out, given)) {
                assert_false(cut);
                assert_true(cel_zone_at(buffer_slice(&out), &zone));
                cel_zone_offset(0, &zone);
                cel_zone_offset(INT64_MAX / 2000000, &zone);
            }
            buffer_done(&out);
        }
        free(bytes);
    }
}

/* A time zone that a condition names often lies in its program once. */
static void a_zone_lies_in_a_program_once(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice once, twice;
    struct error err;
    assert_true(
        cel_compile(&arena, SLICE("request.time.getHours('Asia/Kolkata') > 8"), &once, &err));
    assert_true(cel_compile(&arena,
                            SLICE("request.time.getHours('Asia/Kolkata') > 8 && "
                                  "request.time.getHours('Asia/Kolkata') < 9"),
                            &twice, &err));
    assert_true(twice.len < once.len + 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_zone_of_this_machine_has_the_times_that_the_c_library_gives_it),
        cmocka_unit_test(what_is_no_zone_is_not_opened),
        cmocka_unit_test(a_damaged_file_is_refused_or_read_within_its_bounds),
        cmocka_unit_test(a_zone_lies_in_a_program_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
