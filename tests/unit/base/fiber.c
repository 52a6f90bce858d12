#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fiber.h"

struct steps {
    int at;
    struct fiber *seen;
    char kept[64];
};

static void three_steps(void *ctx)
{
    struct steps *steps = ctx;
    char local[64] = "on the fiber's own stack";
    steps->seen = fiber_current();
    for (steps->at = 1; steps->at < 3; steps->at++) {
        fiber_suspend();
    }
    memcpy(steps->kept, local, sizeof(local));
}

static void it_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct steps steps = {0};
    struct fiber *fiber = fiber_new();
    assert_false(fiber_run(fiber, three_steps, &steps));
    assert_int_equal(steps.at, 1);
    assert_ptr_equal(steps.seen, fiber);
    assert_null(fiber_current());
    assert_false(fiber_resume(fiber));
    assert_int_equal(steps.at, 2);
    assert_true(fiber_resume(fiber));
    assert_string_equal(steps.kept, "on the fiber's own stack");
    fiber_free(fiber);
}

static void it_can_be_run_again_when_it_has_ended(void **state)
{
    (void)state;
    struct fiber *fiber = fiber_new();
    for (int i = 0; i < 1000; i++) {
        struct steps steps = {0};
        assert_false(fiber_run(fiber, three_steps, &steps));
        assert_false(fiber_resume(fiber));
        assert_true(fiber_resume(fiber));
        assert_int_equal(steps.at, 3);
    }
    fiber_free(fiber);
}

static void two_stand_still_at_once(void **state)
{
    (void)state;
    struct steps first = {0}, second = {0};
    struct fiber *one = fiber_new(), *two = fiber_new();
    assert_false(fiber_run(one, three_steps, &first));
    assert_false(fiber_run(two, three_steps, &second));
    assert_false(fiber_resume(one));
    assert_int_equal(first.at, 2);
    assert_int_equal(second.at, 1);
    assert_true(fiber_resume(one));
    assert_false(fiber_resume(two));
    assert_true(fiber_resume(two));
    fiber_free(one);
    fiber_free(two);
}

static int depth(int left)
{
    volatile char room[4096];
    memset((char *)(uintptr_t)room, left, sizeof(room));
    return left == 0 ? room[0] : depth(left - 1) + room[1];
}

static void go_deep(void *ctx)
{
    *(int *)ctx = depth(*(int *)ctx);
}

static void a_deep_stack_fits_and_a_bottomless_one_ends_the_process(void **state)
{
    (void)state;
    int pages = 1000;
    struct fiber *fiber = fiber_new();
    assert_true(fiber_run(fiber, go_deep, &pages));
    fiber_free(fiber);
    pid_t child = fork();
    if (child == 0) {
        /* The guard page is what must be hit: any other memory of the process would be written. */
        signal(SIGSEGV, SIG_DFL);
        int all = 4000;
        fiber_run(fiber_new(), go_deep, &all);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_on_where_it_stopped),
        cmocka_unit_test(it_can_be_run_again_when_it_has_ended),
        cmocka_unit_test(two_stand_still_at_once),
        cmocka_unit_test(a_deep_stack_fits_and_a_bottomless_one_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
