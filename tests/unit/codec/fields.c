#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static const char *const colours[] = {"COLOUR_UNSPECIFIED", "RED", "BLUE", NULL};

static const struct field port_fields[] = {
    {.name = "containerPort", .kind = FIELD_INT32, .flags = FIELD_REQUIRED, .min = 1, .max = 65535},
    {.name = "name", .kind = FIELD_STRING},
    {0},
};

static const struct field container_fields[] = {
    {.name = "image", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1, .max = 20},
    {.name = "args", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "ports", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = port_fields},
    {0},
};

static const struct field spec_fields[] = {
    {.name = "containers", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = container_fields},
    {.name = "maxInstanceCount", .kind = FIELD_INT32},
    {.name = "timeout", .kind = FIELD_DURATION},
    {0},
};

static const struct field top_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_IMMUTABLE},
    {.name = "invokerIamDisabled", .kind = FIELD_BOOL},
    {.name = "spec", .kind = FIELD_OBJECT, .fields = spec_fields},
    {.name = "labels", .kind = FIELD_MAP, .item = FIELD_STRING},
    {.name = "generation", .kind = FIELD_INT64},
    {.name = "small", .kind = FIELD_INT32},
    {.name = "ratio", .kind = FIELD_DOUBLE},
    {.name = "colour", .kind = FIELD_ENUM, .names = colours},
    {.name = "when", .kind = FIELD_TIME},
    {.name = "data", .kind = FIELD_BYTES},
    {.name = "free", .kind = FIELD_ANY},
    {.name = "open", .kind = FIELD_OBJECT},
    {.name = "atLeast", .kind = FIELD_INT32, .min = 5},
    {.name = "uid", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "connector",
     .kind = FIELD_STRING,
     .flags = FIELD_REFUSED,
     .note = "there is no VPC on one machine."},
    {0},
};

struct read_case {
    struct slice text;
    const char *expect; /* compact form, or the whole error */
    const char *field;
};

static void good_objects_come_out_in_normal_form(void **state)
{
    (void)state;
    static const struct read_case cases[] = {
        {SLICE_INIT("{}"), "{}", NULL},
        {SLICE_INIT("{\"name\":\"\",\"labels\":{},\"invokerIamDisabled\":false}"),
         "{\"name\":\"\",\"labels\":{},\"invokerIamDisabled\":false}", NULL},
        {SLICE_INIT("{\"invoker_iam_disabled\":true,\"spec\":{\"max_instance_count\":3}}"),
         "{\"invokerIamDisabled\":true,\"spec\":{\"maxInstanceCount\":3}}", NULL},
        {SLICE_INIT("{\"labels\":{\"snake_case\":\"x\",\"a/b.c\":\"\"}}"),
         "{\"labels\":{\"snake_case\":\"x\",\"a/b.c\":\"\"}}", NULL},
        {SLICE_INIT("{\"generation\":\"9223372036854775807\",\"small\":\"-7\"}"),
         "{\"generation\":9223372036854775807,\"small\":-7}", NULL},
        {SLICE_INIT("{\"generation\":3.0,\"ratio\":1}"), "{\"generation\":3,\"ratio\":1.0}", NULL},
        {SLICE_INIT("{\"colour\":2}"), "{\"colour\":\"BLUE\"}", NULL},
        {SLICE_INIT("{\"colour\":\"RED\"}"), "{\"colour\":\"RED\"}", NULL},
        {SLICE_INIT("{\"when\":\"2026-01-01T01:00:00+01:00\"}"),
         "{\"when\":\"2026-01-01T00:00:00.000000Z\"}", NULL},
        {SLICE_INIT("{\"spec\":{\"timeout\":\"1.50s\"}}"), "{\"spec\":{\"timeout\":\"1.500s\"}}",
         NULL},
        {SLICE_INIT("{\"data\":\"_-8\"}"), "{\"data\":\"/+8=\"}", NULL},
        {SLICE_INIT("{\"free\":{\"a_b\":[null]},\"open\":{\"c_d\":1}}"),
         "{\"free\":{\"a_b\":[null]},\"open\":{\"c_d\":1}}", NULL},
        {SLICE_INIT("{\"free\":null,\"name\":null,\"spec\":null}"), "{\"free\":null}", NULL},
        {SLICE_INIT("{\"uid\":{\"anything\":1},\"connector\":\"\"}"), "{}", NULL},
        {SLICE_INIT("{\"spec\":{\"containers\":[{\"image\":\"i\",\"ports\":[{\"container_port\":"
                    "8080}]}]}}"),
         "{\"spec\":{\"containers\":[{\"image\":\"i\",\"ports\":[{\"containerPort\":8080}]}]}}",
         NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        auto_json *value = json_read(cases[i].text, &err);
        auto_json *out = fields_read(top_fields, value, "", &err);
        assert_string_equal(err.text, "");
        assert_string_equal(arena_string(&arena, json_write(&arena, out)), cases[i].expect);
    }
}

static void the_first_fault_names_its_field(void **state)
{
    (void)state;
    static const struct read_case cases[] = {
        {SLICE_INIT("{\"spec\":{\"containers\":[{\"imgae\":\"x\"}]}}"),
         "Unknown field \"spec.containers[0].imgae\".", "spec.containers[0].imgae"},
        {SLICE_INIT("{\"max__x\":1}"), "Unknown field \"max__x\".", "max__x"},
        {SLICE_INIT("{\"Name\":1}"), "Unknown field \"Name\".", "Name"},
        {SLICE_INIT("{\"invoker_iamDisabled\":true}"), "Unknown field \"invoker_iamDisabled\".",
         "invoker_iamDisabled"},
        {SLICE_INIT("{\"name\":7}"), "Field \"name\" must be a string, found a number.", "name"},
        {SLICE_INIT("{\"spec\":[]}"), "Field \"spec\" must be an object, found a list.", "spec"},
        {SLICE_INIT("{\"labels\":{\"a\":null}}"),
         "Field \"labels.a\" must be a string, found null.", "labels.a"},
        {SLICE_INIT("{\"labels\":{\"a.b/c\":true}}"),
         "Field \"labels[\"a.b/c\"]\" must be a string, found a boolean.", "labels[\"a.b/c\"]"},
        {SLICE_INIT("{\"spec\":{\"containers\":{}}}"),
         "Field \"spec.containers\" must be a list, found an object.", "spec.containers"},
        {SLICE_INIT("{\"spec\":{\"containers\":[null]}}"),
         "Field \"spec.containers[0]\" must be an object, found null.", "spec.containers[0]"},
        {SLICE_INIT("{\"spec\":{\"containers\":[{\"image\":\"i\"},{}]}}"),
         "Field \"spec.containers[1].image\" is required.", "spec.containers[1].image"},
        {SLICE_INIT("{\"spec\":{\"containers\":[{\"image\":\"\"}]}}"),
         "Field \"spec.containers[0].image\" must have between 1 and 20 characters.",
         "spec.containers[0].image"},
        {SLICE_INIT("{\"spec\":{\"containers\":[{\"image\":\"i\",\"ports\":[{\"containerPort\":0}]}"
                    "]}}"),
         "Field \"spec.containers[0].ports[0].containerPort\" must be between 1 and 65535.",
         "spec.containers[0].ports[0].containerPort"},
        {SLICE_INIT("{\"spec\":{\"containers\":[{\"image\":\"i\",\"args\":[\"a\",1]}]}}"),
         "Field \"spec.containers[0].args[1]\" must be a string, found a number.",
         "spec.containers[0].args[1]"},
        {SLICE_INIT("{\"small\":2147483648}"),
         "Field \"small\" must be between -2147483648 and 2147483647.", "small"},
        {SLICE_INIT("{\"small\":1.5}"), "Field \"small\" must be a whole number.", "small"},
        {SLICE_INIT("{\"generation\":1e300}"), "Field \"generation\" must be a whole number.",
         "generation"},
        {SLICE_INIT("{\"small\":\"x\"}"), "Field \"small\" must be a whole number, found a string.",
         "small"},
        {SLICE_INIT("{\"atLeast\":4}"), "Field \"atLeast\" must be at least 5.", "atLeast"},
        {SLICE_INIT("{\"invokerIamDisabled\":\"true\"}"),
         "Field \"invokerIamDisabled\" must be true or false, found a string.",
         "invokerIamDisabled"},
        {SLICE_INIT("{\"colour\":\"GREEN\"}"),
         "Field \"colour\" must be one of COLOUR_UNSPECIFIED, RED, BLUE, found \"GREEN\".",
         "colour"},
        {SLICE_INIT("{\"colour\":3}"),
         "Field \"colour\" must be one of COLOUR_UNSPECIFIED, RED, BLUE, found 3.", "colour"},
        {SLICE_INIT("{\"colour\":-1}"),
         "Field \"colour\" must be one of COLOUR_UNSPECIFIED, RED, BLUE, found -1.", "colour"},
        {SLICE_INIT("{\"when\":\"now\"}"),
         "Field \"when\" must be a time as in \"2026-01-31T12:00:00Z\".", "when"},
        {SLICE_INIT("{\"spec\":{\"timeout\":300}}"),
         "Field \"spec.timeout\" must be a duration, found a number.", "spec.timeout"},
        {SLICE_INIT("{\"spec\":{\"timeout\":\"5m\"}}"),
         "Field \"spec.timeout\" must be a duration in seconds, as in \"300s\".", "spec.timeout"},
        {SLICE_INIT("{\"data\":\"?\"}"), "Field \"data\" must be base64.", "data"},
        {SLICE_INIT("{\"connector\":\"c\"}"),
         "Field \"connector\" is not supported: there is no VPC on one machine.", "connector"},
        {SLICE_INIT("{\"invokerIamDisabled\":true,\"invoker_iam_disabled\":false}"),
         "Field \"invokerIamDisabled\" is given twice: as \"invokerIamDisabled\" and as "
         "\"invoker_iam_disabled\".",
         "invokerIamDisabled"},
        {SLICE_INIT("{\"invoker_iam_disabled\":true,\"invokerIamDisabled\":null}"),
         "Field \"invokerIamDisabled\" is given twice: as \"invokerIamDisabled\" and as "
         "\"invoker_iam_disabled\".",
         "invokerIamDisabled"},
        {SLICE_INIT("[]"), "The value must be an object, found a list.", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        auto_json *value = json_read(cases[i].text, &err);
        assert_non_null(value);
        assert_null(fields_read(top_fields, value, "", &err));
        assert_string_equal(err.text, cases[i].expect);
        assert_string_equal(err.field, cases[i].field);
        assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
    }
}

static void a_prefix_stands_before_every_path(void **state)
{
    (void)state;
    struct error err = {0};
    auto_json *value = json_read(SLICE("{\"containers\":[{\"x\":1}]}"), NULL);
    assert_null(fields_read(spec_fields, value, "spec.template", &err));
    assert_string_equal(err.field, "spec.template.containers[0].x");
    auto_json *list = json_array();
    assert_null(fields_read(spec_fields, list, "spec.template", &err));
    assert_string_equal(err.text, "Field \"spec.template\" must be an object, found a list.");
    assert_null(fields_read(spec_fields, NULL, "", &err));
}

static void length_is_counted_in_characters(void **state)
{
    (void)state;
    struct error err = {0};
    auto_json *value = json_read(SLICE("{\"image\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3"
                                       "\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}"),
                                 NULL);
    auto_json *out = fields_read(container_fields, value, "", &err);
    assert_non_null(out);
}

static void the_input_is_left_as_it_was(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *value = json_read(SLICE("{\"free\":{\"a\":[1]}}"), NULL);
    auto_json *out = fields_read(top_fields, value, "", NULL);
    json_put(out, "free.a", json_integer(2));
    assert_true(slice_is(json_write(&arena, value), "{\"free\":{\"a\":[1]}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_objects_come_out_in_normal_form),
        cmocka_unit_test(the_first_fault_names_its_field),
        cmocka_unit_test(a_prefix_stands_before_every_path),
        cmocka_unit_test(length_is_counted_in_characters),
        cmocka_unit_test(the_input_is_left_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
