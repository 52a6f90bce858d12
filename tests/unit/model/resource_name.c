/* Names of resources, taken apart and put together in one place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/resource_name.h"

static const char *const good[] = {
    "projects/demo",
    "projects/demo/locations/us-central1",
    "projects/demo/locations/us-central1/services/hello",
    "projects/demo/locations/us-central1/services/hello/revisions/hello-00001-abc",
    "projects/123456789012/locations/-/services/hello",
    "projects/demo/locations/us-central1/operations/3f2a",
};

static const char *const bad[] = {
    "",
    "projects",
    "projects/",
    "projects/demo/",
    "/projects/demo",
    "projects//locations/l",
    "projects/demo/locations",
    "projects/demo/locations/",
    "projects/demo/services/hello",
    "projects/demo/locations/l/services/",
    "projects/demo/locations/l/services//revisions/r",
    "projects/demo/locations/l/services/s/revisions/r/",
    "projects/demo/locations/l/services/s/revisions/r/x",
    "projects/demo/locations/l/services/s/services/s",
    "projects/demo/locations/l/revisions/r",
    "projects/demo/locations/l/operations/o/revisions/r",
    "projects/demo/locations/l/jobs/j",
    "Projects/demo",
    "folders/1",
};

static void what_is_taken_apart_is_put_together_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        auto_arena arena = {0};
        struct resource_name name;
        assert_true(resource_name_read(&arena, slice_of(good[i]), &name));
        assert_string_equal(resource_name_text(&arena, &name), good[i]);
    }
}

static void the_parts_have_names(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct resource_name name;
    assert_true(resource_name_read(&arena, slice_of(good[3]), &name));
    assert_string_equal(name.project, "demo");
    assert_string_equal(name.location, "us-central1");
    assert_string_equal(name.service, "hello");
    assert_string_equal(name.revision, "hello-00001-abc");
    assert_null(name.operation);
    name.revision = NULL;
    assert_string_equal(resource_name_prefix(&arena, &name, "revisions"),
                        "projects/demo/locations/us-central1/services/hello/revisions/");
}

static void another_name_is_none_and_leaves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        auto_arena arena = {0};
        struct resource_name name = {.project = "untouched"};
        if (resource_name_read(&arena, slice_of(bad[i]), &name)) {
            fail_msg("'%s' is taken", bad[i]);
        }
        assert_string_equal(name.project, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_apart_is_put_together_again),
        cmocka_unit_test(the_parts_have_names),
        cmocka_unit_test(another_name_is_none_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
