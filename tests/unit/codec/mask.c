#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static const struct field scaling_fields[] = {
    {.name = "maxInstanceCount", .kind = FIELD_INT32},
    {.name = "minInstanceCount", .kind = FIELD_INT32},
    {0},
};

static const struct field template_fields[] = {
    {.name = "timeout", .kind = FIELD_STRING},
    {.name = "scaling", .kind = FIELD_OBJECT, .fields = scaling_fields},
    {.name = "containers", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = scaling_fields},
    {0},
};

static const struct field service_fields[] = {
    {.name = "name", .kind = FIELD_STRING},
    {.name = "invokerIamDisabled", .kind = FIELD_BOOL},
    {.name = "labels", .kind = FIELD_MAP, .item = FIELD_STRING},
    {.name = "template", .kind = FIELD_OBJECT, .fields = template_fields},
    {.name = "uid", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

#define OLD                                                                                        \
    "{\"name\":\"n\",\"uid\":\"u\",\"labels\":{\"a\":\"1\",\"b.c\":\"2\"},"                        \
    "\"template\":{\"timeout\":\"1s\",\"scaling\":{\"maxInstanceCount\":1}}}"

static void what_the_mask_names_is_copied_or_removed(void **state)
{
    (void)state;
    static const struct {
        const char *mask;
        const char *from;
        const char *expect; /* NULL: refused */
    } cases[] = {
        {"invokerIamDisabled", "{\"invokerIamDisabled\":true,\"name\":\"x\"}",
         "{\"name\":\"n\",\"uid\":\"u\",\"labels\":{\"a\":\"1\",\"b.c\":\"2\"},"
         "\"template\":{\"timeout\":\"1s\",\"scaling\":{\"maxInstanceCount\":1}},"
         "\"invokerIamDisabled\":true}"},
        {"name , labels", "{\"labels\":{\"z\":\"9\"}}",
         "{\"uid\":\"u\",\"labels\":{\"z\":\"9\"},"
         "\"template\":{\"timeout\":\"1s\",\"scaling\":{\"maxInstanceCount\":1}}}"},
        {"template.scaling.max_instance_count,template.timeout,labels",
         "{\"template\":{\"scaling\":{\"maxInstanceCount\":7}}}",
         "{\"name\":\"n\",\"uid\":\"u\",\"template\":{\"scaling\":{\"maxInstanceCount\":7}}}"},
        {"template.scaling.minInstanceCount,labels", "{}",
         "{\"name\":\"n\",\"uid\":\"u\","
         "\"template\":{\"timeout\":\"1s\",\"scaling\":{\"maxInstanceCount\":1}}}"},
        {"labels.b.c,labels.d,template", "{\"labels\":{\"d\":\"4\"}}",
         "{\"name\":\"n\",\"uid\":\"u\",\"labels\":{\"a\":\"1\",\"d\":\"4\"}}"},
        {"labels.`b.c`,template.*", "{\"labels\":{\"b.c\":\"5\"},\"template\":{}}",
         "{\"name\":\"n\",\"uid\":\"u\",\"labels\":{\"a\":\"1\",\"b.c\":\"5\"},\"template\":{}}"},
        {"*", "{\"name\":\"m\"}", "{\"name\":\"m\",\"uid\":\"u\"}"},
        {"uid", "{}", OLD},
        {"", "{\"name\":\"m\"}", OLD},
        {"name,nothing", "{}", NULL},
        {"template.nothing", "{}", NULL},
        {"name.more", "{}", NULL},
        {"template.containers.x", "{}", NULL},
        {"template.", "{}", NULL},
        {".name", "{}", NULL},
        {"name,,uid", "{}", NULL},
        {"Name", "{}", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        auto_json *into = json_read(SLICE(OLD), NULL);
        auto_json *from = json_read(slice_of(cases[i].from), NULL);
        bool good = mask_merge(service_fields, slice_of(cases[i].mask), into, from, &err);
        if (good != (cases[i].expect != NULL)) {
            fail_msg("mask \"%s\": %s", cases[i].mask, good ? "taken" : err.text);
        }
        assert_string_equal(arena_string(&arena, json_write(&arena, into)),
                            good ? cases[i].expect : OLD);
    }
}

static void an_unknown_path_is_named(void **state)
{
    (void)state;
    struct error err = {0};
    auto_json *into = json_object();
    assert_false(mask_merge(service_fields, SLICE("name,template.x"), into, into, &err));
    assert_string_equal(err.text, "The field mask names \"template.x\", which is not a field.");
    assert_string_equal(err.field, "template.x");
    assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
}

static void a_parent_that_is_missing_is_made(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *into = json_object();
    auto_json *from =
        json_read(SLICE("{\"template\":{\"scaling\":{\"maxInstanceCount\":2}}}"), NULL);
    assert_true(
        mask_merge(service_fields, SLICE("template.scaling.maxInstanceCount"), into, from, NULL));
    assert_true(slice_is(json_write(&arena, into),
                         "{\"template\":{\"scaling\":{\"maxInstanceCount\":2}}}"));
}

static void a_mask_touches_what_is_above_and_below(void **state)
{
    (void)state;
    static const struct {
        const char *mask;
        const char *path;
        bool expect;
    } cases[] = {
        {"template", "template.timeout", true},
        {"template.timeout", "template", true},
        {"template.timeout", "template.scaling", false},
        {"name,invoker_iam_disabled", "invokerIamDisabled", true},
        {"names", "name", false},
        {"name", "names", false},
        {"*", "name", true},
        {"", "name", false},
        {"template.*", "template.timeout", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(mask_touches(slice_of(cases[i].mask), cases[i].path), cases[i].expect);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_mask_names_is_copied_or_removed),
        cmocka_unit_test(an_unknown_path_is_named),
        cmocka_unit_test(a_parent_that_is_missing_is_made),
        cmocka_unit_test(a_mask_touches_what_is_above_and_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
