#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "codec/codec.h"

struct text_case {
    struct slice text;
    const char *expect; /* as JSON, or the whole error */
};

static void what_yaml_says_is_read(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {SLICE_INIT("a: 1\nb:\n- x\n- y: z\n"), "{\"a\":1,\"b\":[\"x\",{\"y\":\"z\"}]}"},
        {SLICE_INIT("--- # a comment\nname: hello\n...\n"), "{\"name\":\"hello\"}"},
        {SLICE_INIT("{a: [1, 2], \"b\": null}"), "{\"a\":[1,2],\"b\":null}"},
        {SLICE_INIT("{\"json\": [true, 1.5e3, \"x\\u00e9\"]}"),
         "{\"json\":[true,1500.0,\"x\xc3\xa9\"]}"},
        {SLICE_INIT("- true\n- True\n- FALSE\n- yes\n- off\n- tRue\n"),
         "[true,true,false,\"yes\",\"off\",\"tRue\"]"},
        {SLICE_INIT("- ~\n- null\n- Null\n-\n- ''\n- nULL\n"),
         "[null,null,null,null,\"\",\"nULL\"]"},
        {SLICE_INIT("- 0123\n- 0o17\n- 0x1F\n- +7\n- -7\n- 1_000\n- 12:30\n- 0b1\n- -0o7\n"),
         "[123,15,31,7,-7,\"1_000\",\"12:30\",\"0b1\",\"-0o7\"]"},
        {SLICE_INIT("- 1.5\n- .5\n- 2.\n- 1e3\n- -1.5E-3\n- 1.2.3\n- .\n- e3\n- 1e\n"),
         "[1.5,0.5,2.0,1000.0,-0.0015,\"1.2.3\",\".\",\"e3\",\"1e\"]"},
        {SLICE_INIT("- '1'\n- \"true\"\n- !!str 1\n- ! 2\n- |\n  null\n- >-\n  a\n  b\n"),
         "[\"1\",\"true\",\"1\",\"2\",\"null\\n\",\"a b\"]"},
        {SLICE_INIT("1: a\ntrue: b\n1.5: c\n"), "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\"}"},
        {SLICE_INIT("a: &x\n  k: [1]\nb: *x\nc: &x 2\nd: *x\n"),
         "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":2,\"d\":2}"},
        {SLICE_INIT("text"), "\"text\""},
        {SLICE_INIT("- 'it''s'\n- ''''''''\n- 'a  \n\n   b\n  c '\n- ' '\n- '\n  a'\n"),
         "[\"it's\",\"'''\",\"a\\nb c \",\" \",\" a\"]"},
        {SLICE_INIT("- \"\\x41\\u00e9\\U0001F600\\ud83d\\ude00\\e\\_\\/\"\n"),
         "[\"A\xc3\xa9\xf0\x9f\x98\x80\xf0\x9f\x98\x80\\u001b\xc2\xa0/\"]"},
        {SLICE_INIT(
             "- \"a\\\\\t\n  ''b\"\n- \"a \\\n  b\"\n- \"a\\\n\n  \\ b\"\n- \"a\n\n\n b\"\n"),
         "[\"a\\\\ ''b\",\"a b\",\"a\\n b\",\"a\\n\\nb\"]"},
        {SLICE_INIT("\xef\xbb\xbf"
                    "'a''''b': ''"),
         "{\"a''b\":\"\"}"},
        {SLICE_INIT("2026-01-31"), "\"2026-01-31\""},
        {SLICE_INIT("\xef\xbb\xbf"
                    "a: 1"),
         "{\"a\":1}"},
        {SLICE_INIT("a: b: c\n"), NULL},
        {SLICE_INIT("'<<': 1\n"), "{\"<<\":1}"},
        {SLICE_INIT("9223372036854775807"), "9223372036854775807"},
        {SLICE_INIT("url: https://a.test/b#c\n"), "{\"url\":\"https://a.test/b#c\"}"},
        {SLICE_INIT("a: b\n  c\n\n\n  - d # e\nf: g\n"), "{\"a\":\"b c\\n\\n- d\",\"f\":\"g\"}"},
        {SLICE_INIT("a: |\n\n   x\n    y \n\n   z\n\n\nb: |+\n  x\n\nc: |-\n  x\n\n"),
         "{\"a\":\"\\nx\\n y \\n\\nz\\n\",\"b\":\"x\\n\\n\",\"c\":\"x\"}"},
        {SLICE_INIT("a: >\n\n  x\n  y\n\n\n  z\n   deep\n  end\nb: >+2\n   x\n\n"),
         "{\"a\":\"\\nx y\\n\\nz\\n deep\\nend\\n\",\"b\":\" x\\n\\n\"}"},
        {SLICE_INIT("- |\n x\n-\n  - >\n\n  -\n- k: |2\n     x\n"),
         "[\"x\\n\",[\"\",null],{\"k\":\" x\\n\"}]"},
        {SLICE_INIT("a: |\n  no end"), "{\"a\":\"no end\"}"},
        {SLICE_INIT("- - a\n  - b: c\n    d:\n    - e\n-   f: g\n    h:\n\n      i\n- \n"),
         "[[\"a\",{\"b\":\"c\",\"d\":[\"e\"]}],{\"f\":\"g\",\"h\":\"i\"},null]"},
        {SLICE_INIT("? a\n: b\n? c\n? 'd' : e\n? f\n:\n  - g\n"),
         "{\"a\":\"b\",\"c\":null,\"d\":\"e\",\"f\":[\"g\"]}"},
        {SLICE_INIT(
             "a: &x\n  !!map\n  b: !!str\nc: &y !!seq [!!str 1, &z 2]\nd: [*z, *x]\n&n e: 1\n"),
         "{\"a\":{\"b\":\"\"},\"c\":[\"1\",2],\"d\":[2,{\"b\":\"\"}],\"e\":1}"},
        {SLICE_INIT("{a, 'b':1,\"c\":{}, d: [e: f, \"g\":h, ? i],\n\tj\n:\n[,]}"), NULL},
        {SLICE_INIT("{a, 'b':1,\"c\":{}, d: [e: f, \"g\":h],\n\tj\n:\n[x,],} # end\n"),
         "{\"a\":null,\"b\":1,\"c\":{},\"d\":[{\"e\":\"f\"},{\"g\":\"h\"}],\"j\":[\"x\"]}"},
        {SLICE_INIT("%YAML 1.2\n# c\n--- >\n x\n y\n...\n# c\n"), "\"x y\\n\""},
        {SLICE_INIT("a: x\r\n\r\nb: 'y\rz'\r"), "{\"a\":\"x\",\"b\":\"y z\"}"},
        {SLICE_INIT("-a: -b\n?c: :d\n:e: ?f\n"), "{\"-a\":\"-b\",\"?c\":\":d\",\":e\":\"?f\"}"},
        {SLICE_INIT("a: 1\n\t\n \t# c\nb: 2\n"), "{\"a\":1,\"b\":2}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        auto_json *value = yaml_read(cases[i].text, &err);
        if (cases[i].expect == NULL) {
            assert_null(value);
            continue;
        }
        assert_string_equal(err.text, "");
        assert_string_equal(arena_string(&arena, json_write(&arena, value)), cases[i].expect);
    }
}

static void what_is_refused_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {SLICE_INIT(""), "YAML, line 1, column 1: the text is empty."},
        {SLICE_INIT("# nothing\n"), "YAML, line 1, column 1: the text is empty."},
        {SLICE_INIT("a: 1\nb: 2\na: 3\n"),
         "YAML, line 3, column 1: the name \"a\" is given twice."},
        {SLICE_INIT("x:\n  1: a\n  \"1\": b\n"),
         "YAML, line 3, column 4: the name \"1\" is given twice."},
        {SLICE_INIT("a: &x {b: 1}\nc:\n  <<: *x\n"),
         "YAML, line 3, column 3: merge keys (\"<<\") are not supported."},
        {SLICE_INIT("a: 1\n---\nb: 2\n"), "YAML, line 2, column 1: more than one document."},
        {SLICE_INIT("a: *x\n"),
         "YAML, line 1, column 5: an alias of an anchor that is not known here."},
        {SLICE_INIT("a: &x [*x]\n"),
         "YAML, line 1, column 9: an alias of an anchor that is not known here."},
        {SLICE_INIT("[a]: 1\n"), "YAML, line 1, column 1: a name must be a scalar."},
        {SLICE_INIT("~: 1\n"), "YAML, line 1, column 1: a name is missing."},
        {SLICE_INIT("a: !thing 1\n"), "YAML, line 1, column 11: this tag is not supported."},
        {SLICE_INIT("a: !!binary aGk=\n"), "YAML, line 1, column 13: this tag is not supported."},
        {SLICE_INIT("a: 9223372036854775808\n"),
         "YAML, line 1, column 4: this number is out of range; a text needs quotes."},
        {SLICE_INIT("a: .inf\n"),
         "YAML, line 1, column 4: this number is out of range; a text needs quotes."},
        {SLICE_INIT("a: 1e999\n"),
         "YAML, line 1, column 4: this number is out of range; a text needs quotes."},
        {SLICE_INIT("a: \"x\\0y\"\n"), "YAML, line 1, column 5: a NUL character is not allowed."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        auto_json *value = yaml_read(cases[i].text, &err);
        assert_null(value);
        assert_string_equal(err.text, cases[i].expect);
        assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
    }
}

static void broken_syntax_has_line_and_column(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        const char *place;
    } cases[] = {
        {SLICE_INIT("a: 1\nb: [1, 2\n"), "YAML, line "},
        {SLICE_INIT("a:\n\t- x\n"), "YAML, line 2, column "},
        {SLICE_INIT("a: 'x\n"), "YAML, line "},
        {SLICE_INIT("a: 1\n b: 2\n"), "YAML, line 1, column "},
        {SLICE_INIT("a: \"\\q\"\n"), "YAML, line 1, column "},
        {SLICE_INIT("a: 1\nb: \xff\n"), "YAML, line 2, column 4: this is not UTF-8."},
        {SLICE_INIT("a: \x01\n"), "YAML, line 1, column 4: a control character"},
        {SLICE_INIT("a: x\0y\n"), "YAML, line 1, column 5: a control character"},
        {SLICE_INIT("\xff\xfe"
                    "a\0"),
         "YAML, line 1, column 1: this is not UTF-8."},
        {SLICE_INIT("}"), "YAML, line 1, column "},
        {SLICE_INIT("a: @b\n"), "YAML, line 1, column "},
        {SLICE_INIT("a:\n    b: 1\n  c: 2\n"), "YAML, line 3, column 3"},
        {SLICE_INIT("a: 1\n- b\n"), "YAML, line 2, column 1"},
        {SLICE_INIT("- a\nb: 1\n"), "YAML, line 2, column 1"},
        {SLICE_INIT("a: - b\n"), "YAML, line 1, column 4"},
        {SLICE_INIT("a: [b]c\n"), "YAML, line 1, column 7"},
        {SLICE_INIT("a: 'b' c\n"), "YAML, line 1, column 8"},
        {SLICE_INIT("a\nb: c\n"), "YAML, line 1, column 1"},
        {SLICE_INIT("'a\n  b': c\n"), "YAML, line 1, column "},
        {SLICE_INIT("a: [b\n---\n]\n"), "YAML, line 2, column 1"},
        {SLICE_INIT("a: 'b\n---\n'\n"), "YAML, line 1, column 5"},
        {SLICE_INIT("a: |x\n  b\n"), "YAML, line 1, column 5"},
        {SLICE_INIT("a: |\n    \n  b\n"), "YAML, line 3, column 3"},
        {SLICE_INIT("&a &b c\n"), "YAML, line 1, column 4"},
        {SLICE_INIT("&a\n&b\nc\n"), "YAML, line 2, column 1"},
        {SLICE_INIT("&a - b\n"), "YAML, line 1, column 4"},
        {SLICE_INIT("a: &x 1\nb: &y *x\n"), "YAML, line 2, column 8"},
        {SLICE_INIT("a: 1\n...\nb: 2\n"), "YAML, line 3, column 1: more than one document"},
        {SLICE_INIT("%TAG ! a\n---\nb\n"), "YAML, line 1, column 1"},
        {SLICE_INIT("%YAML 1.2\na\n"), "YAML, line 2, column 1"},
        {SLICE_INIT("--- a: b\n"), "YAML, line 1, column 5"},
        {SLICE_INIT("[a b: c d\n, {e f]]"), "YAML, line 2, column 7"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        auto_json *value = yaml_read(cases[i].text, &err);
        assert_null(value);
        if (strncmp(err.text, cases[i].place, strlen(cases[i].place)) != 0) {
            fail_msg("case %zu: %s", i, err.text);
        }
    }
}

static void a_billion_laughs_are_cut_short(void **state)
{
    (void)state;
    struct buffer text = BUFFER_INIT(1 << 20);
    struct error err = {0};
    buffer_add_text(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++) {
        buffer_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) {
            buffer_printf(&text, "%s*a%d", k == 0 ? "" : ",", i - 1);
        }
        buffer_add_text(&text, "]\n");
    }
    assert_null(yaml_read(buffer_slice(&text), &err));
    assert_non_null(strstr(err.text, "aliases stand for more than 10000 values"));
    buffer_done(&text);
}

static void aliases_do_not_get_around_the_depth(void **state)
{
    (void)state;
    struct buffer text = BUFFER_INIT(1 << 20);
    struct error err = {0};
    buffer_add_text(&text, "a0: &a0 [x]\n");
    for (int i = 1; i < 70; i++) {
        buffer_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    }
    assert_null(yaml_read(buffer_slice(&text), &err));
    assert_non_null(strstr(err.text, "more than 64 levels deep"));
    buffer_clear(&text);
    for (int i = 0; i < 65; i++) {
        buffer_add_byte(&text, '[');
    }
    assert_null(yaml_read(buffer_slice(&text), &err));
    buffer_done(&text);
}

static void values_are_counted_before_they_are_built(void **state)
{
    (void)state;
    static const char *const parts[] = {"- a\n", "- {}\n", "- [[]]\n", "- &a {b: }\n", "-\n"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct buffer text = BUFFER_INIT(1 << 20);
        struct error err = {0};
        for (size_t k = 0; k < 2 * CODEC_VALUES_MAX && buffer_add_text(&text, parts[i]); k++) {
        }
        assert_null(yaml_read(buffer_slice(&text), &err));
        assert_non_null(strstr(err.text, "more than 100000 values"));
        buffer_done(&text);
    }
}

static void what_is_too_large_is_not_looked_at(void **state)
{
    (void)state;
    struct error err = {0};
    char *text = malloc((1 << 20) + 1);
    memset(text, 'a', (1 << 20) + 1);
    assert_null(yaml_read((struct slice){text, (1 << 20) + 1}, &err));
    assert_string_equal(err.text, "YAML: more than 1 MiB.");
    free(text);
}

static void yaml_is_written_for_people(void **state)
{
    (void)state;
    static const struct {
        struct slice json;
        const char *expect;
    } cases[] = {
        {SLICE_INIT("{\"kind\":\"Service\",\"metadata\":{\"name\":\"hello\",\"labels\":{}},"
                    "\"spec\":{\"containers\":[{\"image\":\"i:1\",\"env\":[{\"name\":\"A\","
                    "\"value\":\"\"}]},{\"args\":[]}],\"list\":[1,2.5,true,null]}}"),
         "kind: Service\nmetadata:\n  name: hello\n  labels: {}\nspec:\n  containers:\n"
         "  - image: i:1\n    env:\n    - name: A\n      value: ''\n  - args: []\n"
         "  list:\n  - 1\n  - 2.5\n  - true\n  - null\n"},
        {SLICE_INIT("[[1,2],[],{\"a\":[[3]]}]"), "- - 1\n  - 2\n- []\n- a:\n  - - 3\n"},
        {SLICE_INIT("{\"a\":\"true\",\"b\":\"12\",\"c\":\"yes\",\"d\":\"- x\",\"e\":\"a: b\","
                    "\"f\":\"it's\",\"g\":\"a #b\",\"h\":\" x\",\"i\":\"1:30\",\"j\":\"null\"}"),
         "a: 'true'\nb: '12'\nc: 'yes'\nd: '- x'\ne: 'a: b'\nf: it's\ng: 'a #b'\nh: ' x'\n"
         "i: '1:30'\nj: 'null'\n"},
        {SLICE_INIT("{\"text\":\"one\\n\\n  two\\n\",\"cut\":\"one\\ntwo\",\"odd\":\"a\\u0007\\n\","
                    "\"y\":1}"),
         "text: |\n  one\n\n    two\ncut: |-\n  one\n  two\nodd: \"a\\u0007\\n\"\n'y': 1\n"},
        {SLICE_INIT("\"plain\""), "plain\n"},
        {SLICE_INIT("{}"), "{}\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        auto_json *value = json_read(cases[i].json, &err);
        assert_non_null(value);
        struct slice text = yaml_write(&arena, value);
        assert_string_equal(arena_string(&arena, text), cases[i].expect);
        auto_json *again = yaml_read(text, &err);
        assert_string_equal(err.text, "");
        assert_true(json_same(value, again));
    }
}

static void whatever_is_written_reads_back_the_same(void **state)
{
    (void)state;
    static const struct slice texts[] = {
        SLICE_INIT(""),
        SLICE_INIT(" "),
        SLICE_INIT("\n"),
        SLICE_INIT("\n\n"),
        SLICE_INIT("a\n\n"),
        SLICE_INIT("\na"),
        SLICE_INIT(" a\nb"),
        SLICE_INIT("a \nb"),
        SLICE_INIT("a\n b\n  c\n"),
        SLICE_INIT("a\tb"),
        SLICE_INIT("\ta\nb"),
        SLICE_INIT("a\r\nb"),
        SLICE_INIT("---"),
        SLICE_INIT("--- a"),
        SLICE_INIT("..."),
        SLICE_INIT("a\n---\n"),
        SLICE_INIT("a\n...\nb"),
        SLICE_INIT("# a"),
        SLICE_INIT("#\nb"),
        SLICE_INIT("a:"),
        SLICE_INIT(":a"),
        SLICE_INIT("?"),
        SLICE_INIT("? a"),
        SLICE_INIT("-"),
        SLICE_INIT("-a"),
        SLICE_INIT("[a"),
        SLICE_INIT("a]"),
        SLICE_INIT("{a}"),
        SLICE_INIT("*a"),
        SLICE_INIT("&a"),
        SLICE_INIT("!a"),
        SLICE_INIT("%a"),
        SLICE_INIT("@a"),
        SLICE_INIT("`a`"),
        SLICE_INIT("|"),
        SLICE_INIT(">"),
        SLICE_INIT("'"),
        SLICE_INIT("\""),
        SLICE_INIT("\\"),
        SLICE_INIT("\\n"),
        SLICE_INIT("<<"),
        SLICE_INIT("="),
        SLICE_INIT("0x"),
        SLICE_INIT("0x1f"),
        SLICE_INIT("0o7"),
        SLICE_INIT("1e3"),
        SLICE_INIT(".5"),
        SLICE_INIT("."),
        SLICE_INIT("+1"),
        SLICE_INIT(".inf"),
        SLICE_INIT("~"),
        SLICE_INIT("a\xc2\x85"
                   "b"),
        SLICE_INIT("\xe2\x80\xa8"),
        SLICE_INIT("\xef\xbb\xbf"
                   "a"),
        SLICE_INIT("\xf0\x9f\x98\x80"),
        SLICE_INIT("\xc3\xa9"),
        SLICE_INIT("\x7f"),
        SLICE_INIT("a, b"),
        SLICE_INIT("a #"),
        SLICE_INIT("a: "),
        SLICE_INIT("key: |\n  x"),
        SLICE_INIT("\xc2\xa0"),
        SLICE_INIT("a\n\tb"),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        const char *text = arena_string(&arena, texts[i]);
        auto_json *value = json_pack("{s:s,s:[s,[s],{s:s}],s:{s:{s:s}}}", text, text, "list", text,
                                     text, text, text, "deep", "x", "y", text);
        assert_non_null(value);
        struct slice written = yaml_write(&arena, value);
        auto_json *again = yaml_read(written, &err);
        if (again == NULL || !json_same(value, again)) {
            fail_msg("text %zu: %s\n%s", i, err.text, arena_string(&arena, written));
        }
        auto_json *alone = json_string(text);
        auto_json *alone_again = yaml_read(yaml_write(&arena, alone), &err);
        if (!json_same(alone, alone_again)) {
            fail_msg("text %zu alone: %s", i, err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_yaml_says_is_read),
        cmocka_unit_test(what_is_refused_is_refused_with_its_place),
        cmocka_unit_test(broken_syntax_has_line_and_column),
        cmocka_unit_test(a_billion_laughs_are_cut_short),
        cmocka_unit_test(aliases_do_not_get_around_the_depth),
        cmocka_unit_test(values_are_counted_before_they_are_built),
        cmocka_unit_test(what_is_too_large_is_not_looked_at),
        cmocka_unit_test(yaml_is_written_for_people),
        cmocka_unit_test(whatever_is_written_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
