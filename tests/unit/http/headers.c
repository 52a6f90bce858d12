#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/message.h"

static void fields_are_found_in_the_order_they_came(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct http_headers headers = {0};
    assert_null(http_headers_find(&headers, SLICE("a")));
    assert_true(http_headers_add(&headers, &arena, SLICE("a"), SLICE("1")));
    assert_true(http_headers_add(&headers, &arena, SLICE("b"), SLICE("2")));
    assert_true(http_headers_add(&headers, &arena, SLICE("a"), SLICE("3")));
    assert_true(slice_is(http_headers_find(&headers, SLICE("a"))->value, "1"));
    assert_int_equal(http_headers_count(&headers, SLICE("a")), 2);
    assert_int_equal(http_headers_count(&headers, SLICE("c")), 0);
}

static void the_256th_field_is_the_last(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct http_headers headers = {0};
    for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++) {
        assert_true(http_headers_add(&headers, &arena, SLICE("n"),
                                     slice_of(arena_printf(&arena, "%u", i))));
    }
    assert_false(http_headers_add(&headers, &arena, SLICE("n"), SLICE("x")));
    assert_int_equal(headers.count, HTTP_HEADERS_MAX);
    assert_true(slice_is(headers.items[255].value, "255"));
    assert_true(slice_is(headers.items[0].value, "0"));
}

static void what_connection_lists_belongs_to_the_hop(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct http_headers headers = {0};
    http_headers_add(&headers, &arena, SLICE("connection"), SLICE("close, X-Mine"));
    http_headers_add(&headers, &arena, SLICE("connection"), SLICE("other ,host,,content-length"));
    static const struct {
        struct slice name;
        bool expect;
    } cases[] = {
        {SLICE_INIT("connection"), true},
        {SLICE_INIT("keep-alive"), true},
        {SLICE_INIT("upgrade"), true},
        {SLICE_INIT("te"), true},
        {SLICE_INIT("x-mine"), true},
        {SLICE_INIT("other"), true},
        {SLICE_INIT("host"), false},
        {SLICE_INIT("content-length"), false},
        {SLICE_INIT("x-min"), false},
        {SLICE_INIT("authorization"), false},
        {SLICE_INIT("trailer"), false},
        {SLICE_INIT("proxy-connection"), true},
        {SLICE_INIT("transfer-encoding"), true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(http_header_is_hop_by_hop(&headers, cases[i].name), cases[i].expect);
    }
}

static void a_registered_status_has_its_name(void **state)
{
    (void)state;
    assert_true(slice_is(http_reason(403), "Forbidden"));
    assert_true(slice_is(http_reason(431), "Request Header Fields Too Large"));
    assert_true(slice_is(http_reason(299), ""));
    assert_true(slice_is(http_reason(-1), ""));
    assert_true(slice_is(http_reason(100000), ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_in_the_order_they_came),
        cmocka_unit_test(the_256th_field_is_the_last),
        cmocka_unit_test(what_connection_lists_belongs_to_the_hop),
        cmocka_unit_test(a_registered_status_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
