/* The spellings of a path that containers read in two ways, one row each (docs/access.md, K2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/path.h"

static void a_path_that_all_servers_read_alike_has_a_normal_form(void **state)
{
    (void)state;
    static const struct {
        struct slice path;
        const char *expect;
    } rows[] = {
        {SLICE_INIT("/"), "/"},
        {SLICE_INIT("/a/b"), "/a/b"},
        {SLICE_INIT("/a/b/"), "/a/b/"},
        {SLICE_INIT("/?a//b;../"), "/"},
        {SLICE_INIT("/a#//"), "/a"},
        {SLICE_INIT("/%61dmin"), "/admin"},
        {SLICE_INIT("/a%20b?c=%2f"), "/a b"},
        {SLICE_INIT("/..."), "/..."},
        {SLICE_INIT("/.hidden/..x/x.."), "/.hidden/..x/x.."},
        {SLICE_INIT("/a+b"), "/a+b"},
        {SLICE_INIT("/a:b@c!$&'()*,=~_-"), "/a:b@c!$&'()*,=~_-"},
        {SLICE_INIT("/100%25"), "/100%"},
        {SLICE_INIT("/100%25/x"), "/100%/x"},
        {SLICE_INIT("/50%25%20off"), "/50% off"},
        {SLICE_INIT("/caf%C3%A9"), "/caf\xc3\xa9"},
        {SLICE_INIT("/caf\xc3\xa9"), "/caf\xc3\xa9"},
        {SLICE_INIT("/%F0%9F%98%80"), "/\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_arena arena = {0};
        struct slice out;
        bool fine = path_normal(&arena, rows[i].path, &out) == PATH_FINE;
        if (fine != (rows[i].expect != NULL)) {
            fail_msg("\"%s\" was %s", rows[i].path.data, fine ? "taken" : "refused");
        }
        if (fine) {
            assert_string_equal(arena_string(&arena, out), rows[i].expect);
        }
    }
}

static void a_path_that_can_be_read_in_two_ways_has_none(void **state)
{
    (void)state;
    static const struct {
        struct slice path;
        enum path_fault fault;
    } rows[] = {
        /* no path */
        {SLICE_INIT(""), PATH_NOT_ABSOLUTE},
        {SLICE_INIT("a"), PATH_NOT_ABSOLUTE},
        {SLICE_INIT("*"), PATH_NOT_ABSOLUTE},
        {SLICE_INIT("?a"), PATH_NOT_ABSOLUTE},
        {SLICE_INIT("\\a"), PATH_NOT_ABSOLUTE},
        {SLICE_INIT("%2fa"), PATH_NOT_ABSOLUTE},
        /* empty segments: folded by file servers */
        {SLICE_INIT("//"), PATH_EMPTY_SEGMENT},
        {SLICE_INIT("//secret/f"), PATH_EMPTY_SEGMENT},
        {SLICE_INIT("///secret/f"), PATH_EMPTY_SEGMENT},
        {SLICE_INIT("/a//b"), PATH_EMPTY_SEGMENT},
        {SLICE_INIT("/a//"), PATH_EMPTY_SEGMENT},
        {SLICE_INIT("//?x"), PATH_EMPTY_SEGMENT},
        /* dot segments, however they are written */
        {SLICE_INIT("/."), PATH_DOT_SEGMENT},
        {SLICE_INIT("/./a"), PATH_DOT_SEGMENT},
        {SLICE_INIT("/a/."), PATH_DOT_SEGMENT},
        {SLICE_INIT("/.//secret/f"), PATH_DOT_SEGMENT},
        {SLICE_INIT("/.."), PATH_DOT_SEGMENT},
        {SLICE_INIT("/a/../b"), PATH_DOT_SEGMENT},
        {SLICE_INIT("/a/.."), PATH_DOT_SEGMENT},
        {SLICE_INIT("/a/%2e%2e/b"), PATH_DOT_SEGMENT},
        {SLICE_INIT("/a/.%2E/b"), PATH_DOT_SEGMENT},
        {SLICE_INIT("/a/%2e/b"), PATH_DOT_SEGMENT},
        {SLICE_INIT("/a/%2E%2e?"), PATH_DOT_SEGMENT},
        /* parameters: cut off by Java's servers */
        {SLICE_INIT("/a;v=1/b"), PATH_PARAMETERS},
        {SLICE_INIT("/secret;/f"), PATH_PARAMETERS},
        {SLICE_INIT("/;a/secret"), PATH_PARAMETERS},
        {SLICE_INIT("/a/..;x/b"), PATH_PARAMETERS},
        {SLICE_INIT("/a/.;/b"), PATH_PARAMETERS},
        {SLICE_INIT("/a/..%3b/b"), PATH_PARAMETERS},
        {SLICE_INIT("/a%3Bb"), PATH_PARAMETERS},
        /* backslashes */
        {SLICE_INIT("/a\\b"), PATH_BACKSLASH},
        {SLICE_INIT("/\\secret"), PATH_BACKSLASH},
        {SLICE_INIT("/..\\secret"), PATH_BACKSLASH},
        {SLICE_INIT("/a%5cb"), PATH_BACKSLASH},
        {SLICE_INIT("/a%5Cb"), PATH_BACKSLASH},
        /* separators from escapes */
        {SLICE_INIT("/a%2fb"), PATH_ENCODED_MARK},
        {SLICE_INIT("/a%2Fb"), PATH_ENCODED_MARK},
        {SLICE_INIT("/%2fsecret"), PATH_ENCODED_MARK},
        {SLICE_INIT("/a/..%2fsecret"), PATH_ENCODED_MARK},
        {SLICE_INIT("/secret%3f.png"), PATH_ENCODED_MARK},
        {SLICE_INIT("/secret%23.png"), PATH_ENCODED_MARK},
        /* twice encoded */
        {SLICE_INIT("/a%252fb"), PATH_ENCODED_TWICE},
        {SLICE_INIT("/%252e%252e/b"), PATH_ENCODED_TWICE},
        {SLICE_INIT("/a%25252fb"), PATH_ENCODED_TWICE},
        {SLICE_INIT("/%2561dmin"), PATH_ENCODED_TWICE},
        {SLICE_INIT("/a%25%32%66b"), PATH_ENCODED_TWICE},
        {SLICE_INIT("/a%2%35b"), PATH_BROKEN_ESCAPE},
        /* broken escapes */
        {SLICE_INIT("/a%"), PATH_BROKEN_ESCAPE},
        {SLICE_INIT("/a%4"), PATH_BROKEN_ESCAPE},
        {SLICE_INIT("/a%zz"), PATH_BROKEN_ESCAPE},
        {SLICE_INIT("/a%2/b"), PATH_BROKEN_ESCAPE},
        {SLICE_INIT("/a%u002fb"), PATH_BROKEN_ESCAPE},
        {SLICE_INIT("/a% 2fb"), PATH_BROKEN_ESCAPE},
        /* control characters */
        {SLICE_INIT("/a%00"), PATH_CONTROL},
        {SLICE_INIT("/secret%00.png"), PATH_CONTROL},
        {SLICE_INIT("/a\0b"), PATH_CONTROL},
        {SLICE_INIT("/sec%09ret"), PATH_CONTROL},
        {SLICE_INIT("/a%0d%0ab"), PATH_CONTROL},
        {SLICE_INIT("/a%7f"), PATH_CONTROL},
        {SLICE_INIT("/a%c2%85"), PATH_CONTROL},
        /* overlong and otherwise broken UTF-8 */
        {SLICE_INIT("/a%c0%afb"), PATH_NOT_UTF8},
        {SLICE_INIT("/%c0%ae%c0%ae/b"), PATH_NOT_UTF8},
        {SLICE_INIT("/a%e0%80%afb"), PATH_NOT_UTF8},
        {SLICE_INIT("/a%f0%80%80%afb"), PATH_NOT_UTF8},
        {SLICE_INIT("/a%f8%80%80%80%afb"), PATH_NOT_UTF8},
        {SLICE_INIT("/a%c1%9cb"), PATH_NOT_UTF8},
        {SLICE_INIT("/caf%e9"), PATH_NOT_UTF8},
        {SLICE_INIT("/a%ed%a0%80"), PATH_NOT_UTF8},
        {SLICE_INIT("/a%f4%90%80%80"), PATH_NOT_UTF8},
        {SLICE_INIT("/a%c3"), PATH_NOT_UTF8},
        {SLICE_INIT("/a%c3/%a9"), PATH_NOT_UTF8},
        {SLICE_INIT("/a\xaf"), PATH_NOT_UTF8},
        /* characters that become separators by normalisation */
        {SLICE_INIT("/a%ef%bc%8fb"), PATH_LOOKALIKE},
        {SLICE_INIT("/a\xef\xbc\x8f"
                    "b"),
         PATH_LOOKALIKE},
        {SLICE_INIT("/%ef%bc%8e%ef%bc%8e/b"), PATH_LOOKALIKE},
        {SLICE_INIT("/%e2%80%a5/b"), PATH_LOOKALIKE},
        {SLICE_INIT("/a%e2%88%95b"), PATH_LOOKALIKE},
        {SLICE_INIT("/a%e2%81%84b"), PATH_LOOKALIKE},
        {SLICE_INIT("/a%cd%beb"), PATH_LOOKALIKE},
        {SLICE_INIT("/a%ef%bc%bcb"), PATH_LOOKALIKE},
        {SLICE_INIT("/a%ef%bc%852fb"), PATH_LOOKALIKE},
        {SLICE_INIT("/a%ef%bc%9bb"), PATH_LOOKALIKE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_arena arena = {0};
        struct slice out;
        enum path_fault fault = path_normal(&arena, rows[i].path, &out);
        if (fault != rows[i].fault) {
            fail_msg("row %zu, \"%s\": %s", i, rows[i].path.data,
                     fault == PATH_FINE ? "taken" : path_fault_text(fault));
        }
        assert_true(path_fault_text(fault)[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_that_all_servers_read_alike_has_a_normal_form),
        cmocka_unit_test(a_path_that_can_be_read_in_two_ways_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
