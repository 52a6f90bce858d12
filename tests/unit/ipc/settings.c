#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/settings.h"

static void settings_come_out_as_they_went_in_and_can_be_read_again(void **state)
{
    (void)state;
    struct settings in, out;
    struct error err;
    settings_default(&in);
    snprintf(in.data, sizeof(in.data), "/var/lib/home run=1");
    snprintf(in.internal, sizeof(in.internal), "10.0.0.0/8,fd00::/8");
    in.idle_s = 7;
    in.strict_paths = 1;
    int fd = memfd_create("settings", MFD_CLOEXEC);
    assert_true(settings_write(&in, fd, &err));
    for (int i = 0; i < 2; i++) {
        assert_true(settings_read(&out, fd, &err));
        assert_string_equal(out.data, in.data);
        assert_string_equal(out.internal, in.internal);
        assert_string_equal(out.domain, "run.localhost");
        assert_int_equal(out.idle_s, 7);
        assert_int_equal(out.strict_paths, 1);
        assert_int_equal(out.plain, 0);
    }
    close(fd);
}

static void settings_pass_through_a_pipe(void **state)
{
    (void)state;
    struct settings in, out;
    struct error err;
    settings_default(&in);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_true(settings_write(&in, fds[1], &err));
    close(fds[1]);
    assert_true(settings_read(&out, fds[0], &err));
    assert_string_equal(out.region, in.region);
    close(fds[0]);
}

static void a_value_that_could_forge_another_line_is_not_written(void **state)
{
    (void)state;
    struct settings in;
    struct error err;
    settings_default(&in);
    snprintf(in.domain, sizeof(in.domain), "a\nplain=1");
    int fd = memfd_create("settings", MFD_CLOEXEC);
    assert_false(settings_write(&in, fd, &err));
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    close(fd);
}

static void expect_refused(const char *lines)
{
    int fds[2];
    struct settings out;
    struct error err;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], lines, strlen(lines)), strlen(lines));
    close(fds[1]);
    assert_false(settings_read(&out, fds[0], &err));
    close(fds[0]);
}

static void lines_that_are_no_settings_are_refused(void **state)
{
    (void)state;
    expect_refused("plain\n");
    expect_refused("colour=blue\n");
    expect_refused("idle_s=-1\n");
    expect_refused("idle_s=\n");
    expect_refused("idle_s=9999999999\n");
    expect_refused("engine=0123456789abcdef\n"); /* one more than its place */
    expect_refused("region=a\tb\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_come_out_as_they_went_in_and_can_be_read_again),
        cmocka_unit_test(settings_pass_through_a_pipe),
        cmocka_unit_test(a_value_that_could_forge_another_line_is_not_written),
        cmocka_unit_test(lines_that_are_no_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
