#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/denial_index.h"

enum { MILLION = 1000000 };

static struct slice id_of(char out[32], unsigned number)
{
    int length = snprintf(out, 32, "d-%020u", number);
    return (struct slice){out, (size_t)length};
}

static bool has(int fd, unsigned number)
{
    char text[32];
    struct denial_entry found[DENIAL_FOUND_MAX];
    unsigned count = denial_index_find(fd, id_of(text, number), found);
    return count == 1 && found[0].offset == number && found[0].file == number % 7;
}

static void each_of_a_million_is_found_where_it_stands(void **state)
{
    (void)state;
    char text[32];
    int fd = memfd_create("index", MFD_CLOEXEC);
    for (unsigned i = 0; i < MILLION; i++) {
        struct denial_entry entry = {.time_s = i / 100, .file = i % 7, .offset = i};
        assert_true(denial_index_put(fd, id_of(text, i), entry));
    }
    unsigned lost = 0;
    for (unsigned i = 0; i < MILLION; i += 10) {
        lost += !has(fd, i);
    }
    assert_in_range(lost, 0, MILLION / 10000); /* where a place was full, its oldest */
    for (unsigned i = MILLION - 10000; i < MILLION; i++) {
        assert_true(has(fd, i));
    }
    assert_false(has(fd, MILLION));
    size_t whole = (size_t)DENIAL_PLACES * DENIAL_ENTRIES * sizeof(struct denial_entry);
    assert_in_range(lseek(fd, 0, SEEK_END), 1, (off_t)whole);
    close(fd);
}

static void the_newest_entry_of_an_id_comes_first_and_the_oldest_of_a_place_goes(void **state)
{
    (void)state;
    char text[32];
    struct denial_entry found[DENIAL_FOUND_MAX];
    int fd = memfd_create("index", MFD_CLOEXEC);
    for (unsigned i = 0; i < 2 * DENIAL_ENTRIES; i++) {
        struct denial_entry entry = {.time_s = i, .offset = i};
        assert_true(denial_index_put(fd, id_of(text, 1), entry));
    }
    assert_int_equal(denial_index_find(fd, id_of(text, 1), found), DENIAL_FOUND_MAX);
    for (unsigned i = 0; i < DENIAL_FOUND_MAX; i++) {
        assert_in_range(found[i].time_s, DENIAL_ENTRIES, 2 * DENIAL_ENTRIES);
        assert_true(i == 0 || found[i].time_s < found[i - 1].time_s);
    }
    close(fd);
}

static void a_file_that_cannot_be_written_or_read_finds_nothing(void **state)
{
    (void)state;
    char text[32];
    struct denial_entry found[DENIAL_FOUND_MAX];
    assert_false(denial_index_put(-1, id_of(text, 1), (struct denial_entry){.time_s = 1}));
    assert_int_equal(denial_index_find(-1, id_of(text, 1), found), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_a_million_is_found_where_it_stands),
        cmocka_unit_test(the_newest_entry_of_an_id_comes_first_and_the_oldest_of_a_place_goes),
        cmocka_unit_test(a_file_that_cannot_be_written_or_read_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
