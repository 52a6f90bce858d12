#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "codec/codec.h"

struct text_case {
    struct slice text;
    const char *expect; /* compact form, or the whole error */
};

static void what_json_says_is_read(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {SLICE_INIT("{}"), "{}"},
        {SLICE_INIT(" [ 1 , -2.5, true,false , null ] "), "[1,-2.5,true,false,null]"},
        {SLICE_INIT("\"just a string\""), "\"just a string\""},
        {SLICE_INIT("7"), "7"},
        {SLICE_INIT("0.1"), "0.1"},
        {SLICE_INIT("1e3"), "1000.0"},
        {SLICE_INIT("1e300"), "1e+300"},
        {SLICE_INIT("0.30000000000000004"), "0.30000000000000004"},
        {SLICE_INIT("9223372036854775807"), "9223372036854775807"},
        {SLICE_INIT("-9223372036854775808"), "-9223372036854775808"},
        {SLICE_INIT("{\"z\":1,\"a\":{\"y\":[]}}"), "{\"z\":1,\"a\":{\"y\":[]}}"},
        {SLICE_INIT("\"\\u00e9\\ud83d\\ude00\\n\\u0001\\\"\\\\\\/\""),
         "\"\xc3\xa9\xf0\x9f\x98\x80\\n\\u0001\\\"\\\\/\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        auto_json *value = json_read(cases[i].text, &err);
        assert_string_equal(err.text, "");
        assert_non_null(value);
        assert_string_equal(arena_string(&arena, json_write(&arena, value)), cases[i].expect);
    }
}

static void what_is_not_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {SLICE_INIT(""), "JSON, line 1, column 1: the text is empty."},
        {SLICE_INIT("  "), "JSON, line 1, column 1: the text is empty."},
        {SLICE_INIT("{\"a\":1,\n \"a\":2}"),
         "JSON, line 2, column 4: the name \"a\" is given twice."},
        {SLICE_INIT("{\"x\":{\"a long name, longer than twenty\":1,"
                    "\"a long name, longer than twenty\":2}}"),
         "JSON, line 1, column 75: the name \"a long name, longer than twenty\" is given twice."},
        {SLICE_INIT("{\"q\\\"\":1,\"q\\\"\":2}"),
         "JSON, line 1, column 14: the name \"q\\\"\" is given twice."},
        {SLICE_INIT("9223372036854775808"), "JSON, line 1, column 19: the number is too large."},
        {SLICE_INIT("1e999"), "JSON, line 1, column 5: the number is too large."},
        {SLICE_INIT("[\"\\u0000\"]"), "JSON, line 1, column 9: a NUL character is not allowed."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        assert_null(json_read(cases[i].text, &err));
        assert_string_equal(err.text, cases[i].expect);
        assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
    }
    static const struct slice others[] = {
        SLICE_INIT("{"),
        SLICE_INIT("[1,]"),
        SLICE_INIT("{\"a\":1} x"),
        SLICE_INIT("01"),
        SLICE_INIT("{a:1}"),
        SLICE_INIT("'a'"),
        SLICE_INIT("\"\xff\""),
        SLICE_INIT("NaN"),
        SLICE_INIT("\"a\nb\""),
        SLICE_INIT("[1]\0"),
        SLICE_INIT("\"\\ud800\""),
        SLICE_INIT("{\"\\u0000\":1}"),
        SLICE_INIT("\xef\xbb\xbf{}"),
        SLICE_INIT("1 2"),
        SLICE_INIT("tru"),
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct error err = {0};
        assert_null(json_read(others[i], &err));
        assert_true(strncmp(err.text, "JSON, line ", 11) == 0);
    }
}

static void depth_ends_at_64_and_brackets_in_strings_do_not_count(void **state)
{
    (void)state;
    char text[300];
    struct error err = {0};
    snprintf(text, sizeof(text), "%.*s%.*s", 64,
             "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 64,
             "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    json_t *deep = json_read(slice_of(text), &err);
    assert_non_null(deep);
    json_decref(deep);
    char deeper[300];
    snprintf(deeper, sizeof(deeper), "[%s]", text);
    assert_null(json_read(slice_of(deeper), &err));
    assert_string_equal(err.text, "JSON, line 1, column 65: more than 64 levels deep.");
    snprintf(deeper, sizeof(deeper), "\"%s\\\"%s\"", text, text);
    json_t *flat = json_read(slice_of(deeper), &err);
    assert_non_null(flat);
    json_decref(flat);
}

static void pretty_is_two_spaces_and_a_newline_at_the_end(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *value = json_read(SLICE("{\"a\":[1,{}],\"b\":{\"c\":[]}}"), NULL);
    assert_string_equal(arena_string(&arena, json_write_pretty(&arena, value)),
                        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}\n");
}

static void a_path_leads_through_names_and_places(void **state)
{
    (void)state;
    auto_json *value =
        json_read(SLICE("{\"spec\":{\"containers\":[{\"image\":\"i\",\"n\":\"12\",\"on\":true}]},"
                        "\"notes\":{\"run.googleapis.com/ingress\":\"all\",\"size\":7}}"),
                  NULL);
    assert_string_equal(json_text(value, "spec.containers[0].image"), "i");
    assert_string_equal(json_text(value, "notes[\"run.googleapis.com/ingress\"]"), "all");
    assert_null(json_text(value, "spec.containers[1].image"));
    assert_null(json_text(value, "spec.containers.image"));
    assert_null(json_text(value, "spec.containers"));
    assert_null(json_at(value, "spec.containers[x]"));
    assert_null(json_at(value, "spec.containers["));
    assert_null(json_at(value, "spec..containers[0]x"));
    assert_null(json_at(NULL, "spec"));
    assert_string_equal(json_text_or(value, "notes.none", "other"), "other");
    assert_int_equal(json_number(value, "spec.containers[0].n", 1), 12);
    assert_int_equal(json_number(value, "notes.size", 1), 7);
    assert_int_equal(json_number(value, "spec.containers[0].image", 1), 1);
    assert_true(json_flag(value, "spec.containers[0].on", false));
    assert_true(json_flag(value, "notes.size", true));
}

static void putting_makes_the_way(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *value = json_object();
    json_put(value, "a.b.c", json_integer(1));
    json_put(value, "a.list[0].x", json_true());
    json_put(value, "a.list[5]", json_integer(2));
    json_put(value, "a.list[1]", json_integer(3));
    json_put(value, "a[\"d.e\"]", json_string("q"));
    json_put(value, "a.b", json_integer(4));
    assert_string_equal(arena_string(&arena, json_write(&arena, value)),
                        "{\"a\":{\"b\":4,\"list\":[{\"x\":true},3],\"d.e\":\"q\"}}");
}

static void bytes_that_are_no_text_become_replacement_characters(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {SLICE_INIT("plain"), "plain"},
        {SLICE_INIT(""), ""},
        {SLICE_INIT("a\xff z"), "a\xef\xbf\xbd z"},
        {SLICE_INIT("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd"},
        {SLICE_INIT("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {SLICE_INIT("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd"},
        {SLICE_INIT("a\0b"), "a\xef\xbf\xbd"
                             "b"},
        {SLICE_INIT("\xf0\x9f\x98\x80\xff"), "\xf0\x9f\x98\x80\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_json *value = json_slice(cases[i].text);
        assert_string_equal(json_string_value(value), cases[i].expect);
    }
    auto_json *nothing = json_slice(SLICE_NONE);
    assert_string_equal(json_string_value(nothing), "");
}

static void the_order_of_names_makes_no_difference(void **state)
{
    (void)state;
    auto_json *a = json_read(SLICE("{\"a\":1,\"b\":[1,2]}"), NULL);
    auto_json *b = json_read(SLICE("{\"b\":[1,2],\"a\":1}"), NULL);
    auto_json *c = json_read(SLICE("{\"b\":[2,1],\"a\":1}"), NULL);
    assert_true(json_same(a, b));
    assert_false(json_same(a, c));
    assert_false(json_same(a, NULL));
    assert_true(json_same(NULL, NULL));
}

static void values_are_counted_before_they_are_built(void **state)
{
    (void)state;
    static const struct {
        const char *part;
        size_t good; /* so many are read */
    } cases[] = {
        {"0", 99999}, {"\",[{\"", 99999}, {"[0]", 49999}, {"{\"a\":0}", 49999}, {"[]", 49999}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t more = 0; more < 2; more++) {
            struct buffer text = BUFFER_INIT(4 << 20);
            struct error err = {0};
            for (size_t k = 0; k < cases[i].good + more; k++) {
                buffer_add_text(&text, k == 0 ? "[" : ",");
                buffer_add_text(&text, cases[i].part);
            }
            buffer_add_byte(&text, ']');
            auto_json *value = json_read(buffer_slice(&text), &err);
            assert_int_equal(value == NULL, more);
            assert_true(more == 0 || strstr(err.text, "more than 100000 values") != NULL);
            buffer_done(&text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_json_says_is_read),
        cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
        cmocka_unit_test(depth_ends_at_64_and_brackets_in_strings_do_not_count),
        cmocka_unit_test(pretty_is_two_spaces_and_a_newline_at_the_end),
        cmocka_unit_test(a_path_leads_through_names_and_places),
        cmocka_unit_test(putting_makes_the_way),
        cmocka_unit_test(bytes_that_are_no_text_become_replacement_characters),
        cmocka_unit_test(the_order_of_names_makes_no_difference),
        cmocka_unit_test(values_are_counted_before_they_are_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
