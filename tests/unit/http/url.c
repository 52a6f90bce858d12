#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/html.h"
#include "http/percent.h"
#include "http/query.h"
#include "http/url.h"

static void an_authority_is_a_host_and_perhaps_a_port(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        const char *host; /* NULL: refused */
        uint16_t port;
    } cases[] = {
        {SLICE_INIT("example.com"), "example.com", 0},
        {SLICE_INIT("EXAMPLE.Com.:8443"), "example.com", 8443},
        {SLICE_INIT("a_b-1.run.localhost"), "a_b-1.run.localhost", 0},
        {SLICE_INIT("127.0.0.1:1"), "127.0.0.1", 1},
        {SLICE_INIT("[::1]:65535"), "::1", 65535},
        {SLICE_INIT("[0:0::0:1]"), "::1", 0},
        {SLICE_INIT("[2001:DB8::A]"), "2001:db8::a", 0},
        {SLICE_INIT(""), NULL, 0},
        {SLICE_INIT("."), NULL, 0},
        {SLICE_INIT(".a"), NULL, 0},
        {SLICE_INIT("a..b"), NULL, 0},
        {SLICE_INIT("a.."), NULL, 0},
        {SLICE_INIT(":80"), NULL, 0},
        {SLICE_INIT("a:"), NULL, 0},
        {SLICE_INIT("a:0"), NULL, 0},
        {SLICE_INIT("a:080"), NULL, 0},
        {SLICE_INIT("a:65536"), NULL, 0},
        {SLICE_INIT("a:+80"), NULL, 0},
        {SLICE_INIT("a:80:80"), NULL, 0},
        {SLICE_INIT("a:8 "), NULL, 0},
        {SLICE_INIT("user@a"), NULL, 0},
        {SLICE_INIT("a/b"), NULL, 0},
        {SLICE_INIT("a b"), NULL, 0},
        {SLICE_INIT("a%2e"), NULL, 0},
        {SLICE_INIT("a\0b"), NULL, 0},
        {SLICE_INIT("\xc3\xa9.com"), NULL, 0},
        {SLICE_INIT("::1"), NULL, 0},
        {SLICE_INIT("[::1"), NULL, 0},
        {SLICE_INIT("[::1]x"), NULL, 0},
        {SLICE_INIT("[::1%25eth0]"), NULL, 0},
        {SLICE_INIT("[v1.x]"), NULL, 0},
        {SLICE_INIT("[]"), NULL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct slice host;
        uint16_t port = 7;
        bool good = url_authority(&arena, cases[i].text, &host, &port);
        if (good != (cases[i].host != NULL)) {
            fail_msg("\"%s\" was %s", cases[i].text.data, good ? "read" : "refused");
        }
        if (good) {
            assert_string_equal(arena_string(&arena, host), cases[i].host);
            assert_int_equal(port, cases[i].port);
        }
    }
}

static void a_host_of_254_characters_is_none(void **state)
{
    (void)state;
    auto_arena arena = {0};
    char name[256];
    struct slice host;
    uint16_t port;
    memset(name, 'a', sizeof(name));
    assert_true(url_authority(&arena, (struct slice){name, 253}, &host, &port));
    assert_false(url_authority(&arena, (struct slice){name, 254}, &host, &port));
}

static void a_target_is_a_path_and_a_query(void **state)
{
    (void)state;
    static const struct {
        struct slice target;
        const char *path;
        const char *query;
    } cases[] = {
        {SLICE_INIT("/"), "/", ""},        {SLICE_INIT("/a?b=c?d"), "/a", "b=c?d"},
        {SLICE_INIT("/a?"), "/a", ""},     {SLICE_INIT("/a#x?y"), "/a", ""},
        {SLICE_INIT("/a?q#x"), "/a", "q"}, {SLICE_INIT(""), "", ""},
        {SLICE_INIT("*"), "*", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(slice_is(url_path(cases[i].target), cases[i].path));
        assert_true(slice_is(url_query(cases[i].target), cases[i].query));
    }
}

static void escapes_are_decoded_or_refused(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        bool plus;
        const char *expect;
    } cases[] = {
        {SLICE_INIT("a%20b%2Fc%c3%A9"), false, "a b/c\xc3\xa9"},
        {SLICE_INIT("a+b"), false, "a+b"},
        {SLICE_INIT("a+b%2b"), true, "a b+"},
        {SLICE_INIT(""), true, ""},
        {SLICE_INIT("%"), false, NULL},
        {SLICE_INIT("a%2"), false, NULL},
        {SLICE_INIT("a%g0"), false, NULL},
        {SLICE_INIT("a%0g"), false, NULL},
        {SLICE_INIT("%00"), false, NULL},
        {SLICE_INIT("a\0"), false, NULL},
        {SLICE_INIT("%%41"), false, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct slice out;
        bool good = url_decode(&arena, cases[i].text, cases[i].plus, &out);
        assert_int_equal(good, cases[i].expect != NULL);
        if (good) {
            assert_string_equal(arena_string(&arena, out), cases[i].expect);
        }
    }
}

static void encoding_leaves_only_unreserved_characters(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice text = SLICE("aZ09-._~ /?%\xc3\xa9+\0");
    struct slice coded = url_encode(&arena, text);
    assert_true(slice_is(coded, "aZ09-._~%20%2F%3F%25%C3%A9%2B%00"));
}

static void a_query_parameter_is_found_by_its_decoded_name(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice query = SLICE("a=1&up%64ate_mask=x%2Cy+z&&flag&bad=%zz&a=2");
    struct slice out;
    assert_true(url_query_find(&arena, query, "a", &out) && slice_is(out, "1"));
    assert_true(url_query_find(&arena, query, "update_mask", &out) && slice_is(out, "x,y z"));
    assert_true(url_query_find(&arena, query, "flag", &out) && slice_is(out, ""));
    assert_false(url_query_find(&arena, query, "bad", &out));
    assert_false(url_query_find(&arena, query, "none", &out));
    assert_false(url_query_find(&arena, SLICE(""), "", &out));
}

static void markup_becomes_entities(void **state)
{
    (void)state;
    auto_arena arena = {0};
    assert_true(slice_is(html_escape(&arena, SLICE("<a href=\"x\">'&'</a>\xc3\xa9")),
                         "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;\xc3\xa9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_authority_is_a_host_and_perhaps_a_port),
        cmocka_unit_test(a_host_of_254_characters_is_none),
        cmocka_unit_test(a_target_is_a_path_and_a_query),
        cmocka_unit_test(escapes_are_decoded_or_refused),
        cmocka_unit_test(encoding_leaves_only_unreserved_characters),
        cmocka_unit_test(a_query_parameter_is_found_by_its_decoded_name),
        cmocka_unit_test(markup_becomes_entities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
