#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "policy/cel.h"
#include "policy/cel_program.h"
#include "policy/cel_time.h"

static const char *table_path;

/* ---- the table ---- */

static enum cel_tag has_tag(void *ctx, bool by_id, struct slice key, struct slice value)
{
    (void)ctx;
    bool held = by_id ? slice_is(key, "tagKeys/1") : slice_is(key, "7/env");
    held = held && (value.len == 0 || slice_is(value, by_id ? "tagValues/2" : "prod"));
    return slice_is(key, "7/broken") ? CEL_TAG_UNREADABLE : held ? CEL_TAG_HELD : CEL_TAG_ABSENT;
}

static struct cel_env usual(void)
{
    struct cel_env env = {
        .host = SLICE("hello-1.europe-west1.run.localhost"),
        .path = SLICE("/a/x"),
        .resource_name = SLICE("projects/p/locations/l/services/hello"),
        .resource_type = SLICE("run.googleapis.com/Service"),
        .resource_service = SLICE("run.googleapis.com"),
        .has_tag = has_tag,
        .modified_role_count = -1,
    };
    assert_true(cel_timestamp_parse(SLICE("2026-01-15T10:30:45.678Z"), &env.time_us));
    return env;
}

static void set_roles(struct arena *arena, struct cel_env *env, struct slice list)
{
    struct slice *roles = arena_array(arena, struct slice, 8);
    env->modified_role_count = 0;
    while (slice_cut(&list, ',', &roles[env->modified_role_count])) {
        env->modified_role_count++;
    }
    env->modified_roles = roles;
}

static struct cel_env env_of(struct arena *arena, struct slice words)
{
    struct slice word;
    assert_true(slice_cut(&words, ' ', &word));
    struct cel_env env = usual();
    if (slice_is(word, "nothing")) {
        env = (struct cel_env){.time_us = env.time_us, .modified_role_count = -1};
    } else {
        assert_true(slice_is(word, "usual"));
    }
    while (slice_cut(&words, ' ', &word)) {
        struct slice name;
        assert_true(slice_cut(&word, '=', &name));
        if (slice_is(name, "time")) {
            assert_true(cel_timestamp_parse(word, &env.time_us));
        } else if (slice_is(name, "path")) {
            env.path = word;
        } else if (slice_is(name, "roles")) {
            set_roles(arena, &env, word);
        } else {
            fail_msg("unknown attribute in the table: %.*s", SLICE_ARG(name));
        }
    }
    return env;
}

/* The last column off the end of *LINE: expressions may contain bars, but not " | ". */
static struct slice cut_column(struct slice *line)
{
    ptrdiff_t at = -1;
    for (size_t i = 0; i + 3 <= line->len; i++) {
        if (memcmp(line->data + i, " | ", 3) == 0) {
            at = (ptrdiff_t)i;
        }
    }
    assert_true(at > 0);
    struct slice column = slice_trim(slice_from(*line, (size_t)at + 3));
    *line = slice_upto(*line, (size_t)at);
    return column;
}

static const char *answer_of(struct arena *arena, struct slice expression,
                             const struct cel_env *env)
{
    static const char *const names[] = {"false", "true", "error"};
    struct error err = {0};
    struct slice program;
    if (!cel_compile(arena, expression, &program, &err)) {
        assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
        return arena_printf(arena, "refused: %s", err.text);
    }
    return names[cel_eval(program, env, arena)];
}

/* docs/access.md: K1, K3, K4 */
static void conditions_mean_what_the_table_says(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice text;
    struct slice line;
    struct error err;
    assert_true(file_read(&arena, table_path, 1 << 20, &text, &err));
    unsigned wrong = 0;
    unsigned rows = 0;
    for (unsigned number = 1; slice_cut(&text, '\n', &line); number++) {
        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }
        struct slice wanted = cut_column(&line);
        struct slice words = cut_column(&line);
        struct cel_env env = env_of(&arena, words);
        struct slice answer = slice_of(answer_of(&arena, slice_trim(line), &env));
        bool refused = slice_starts(wanted, SLICE("refused: "));
        if (refused ? !slice_starts(answer, wanted) : !slice_equal(answer, wanted)) {
            print_error("line %u: %.*s\n  wanted %.*s\n  was    %.*s\n", number, SLICE_ARG(line),
                        SLICE_ARG(wanted), SLICE_ARG(answer));
            wrong++;
        }
        rows++;
    }
    assert_true(rows > 150);
    assert_int_equal(wrong, 0);
}

/* ---- limits ---- */

static bool compiles(const char *text, struct error *err)
{
    auto_arena arena = {0};
    struct slice program;
    return cel_compile(&arena, slice_of(text), &program, err);
}

/* FIRST, then TIMES times MORE, then LAST. */
static const char *repeated(struct arena *arena, const char *first, const char *more,
                            unsigned times, const char *last)
{
    const char *text = first;
    for (unsigned i = 0; i < times; i++) {
        text = arena_printf(arena, "%s%s", text, more);
    }
    return arena_printf(arena, "%s%s", text, last);
}

static void twelve_logical_operators_are_the_limit(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    assert_true(compiles(repeated(&arena, "true", " || true", 12, ""), &err));
    assert_false(compiles(repeated(&arena, "true", " || true", 13, ""), &err));
    assert_string_equal(err.text, "1:102: more than 12 logical operators");
    assert_true(compiles(repeated(&arena, "", "!", 12, "true"), &err));
    assert_false(compiles(repeated(&arena, "", "!", 13, "true"), &err));
}

static void a_list_holds_a_hundred_elements_and_no_more(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    assert_true(compiles(repeated(&arena, "1 in [", "7,", 99, "1]"), &err));
    assert_true(compiles(repeated(&arena, "1 in [", "7,", 100, "]"), &err));
    assert_false(compiles(repeated(&arena, "1 in [", "7,", 100, "1]"), &err));
    assert_string_equal(err.text, "1:6: a list of more than 100 elements");
}

static void an_expression_has_two_kibibytes_at_most(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    assert_true(compiles(repeated(&arena, "true", " ", 2044, ""), &err));
    assert_false(compiles(repeated(&arena, "true", " ", 2045, ""), &err));
    assert_string_equal(err.text, "1:1: longer than 2048 bytes");
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    const char *deep = repeated(&arena, "", "(", 25, repeated(&arena, "true", ")", 25, ""));
    const char *deeper = repeated(&arena, "", "(", 40, repeated(&arena, "true", ")", 40, ""));
    assert_true(compiles(deep, &err));
    assert_false(compiles(deeper, &err));
    assert_non_null(strstr(err.text, "nested too deeply"));
    assert_false(compiles(repeated(&arena, "", "-", 1000, "1 == 1"), &err));
    assert_false(compiles(repeated(&arena, "1 == 1", "+(1", 300, ""), &err));
    assert_false(compiles(repeated(&arena, "", "[", 1000, ""), &err));
}

static void a_mistake_on_the_second_line_is_shown_there(void **state)
{
    (void)state;
    struct error err;
    assert_false(compiles("true && // first\n  foo.bar", &err));
    assert_string_equal(err.text, "2:3: unknown attribute 'foo.bar'");
}

static void a_nul_ends_no_expression(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice program;
    struct error err;
    assert_false(cel_compile(&arena, SLICE("true\0|| x"), &program, &err));
    assert_false(cel_compile(&arena, SLICE("\"\0\" == \"\""), &program, &err));
    assert_false(cel_compile(&arena, SLICE_NONE, &program, &err));
}

/* ---- programs ---- */

static struct slice compiled(struct arena *arena, const char *text)
{
    struct slice program;
    struct error err;
    assert_true(cel_compile(arena, slice_of(text), &program, &err));
    return program;
}

static void a_program_says_whether_it_reads_the_path(void **state)
{
    (void)state;
    auto_arena arena = {0};
    assert_true(cel_reads_path(compiled(&arena, "true || request.path == \"/\"")));
    assert_false(cel_reads_path(compiled(&arena, "request.host == \"request.path\"")));
    assert_false(cel_reads_path(SLICE_NONE));
}

static void a_program_that_hides_that_it_reads_the_path_never_grants(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct cel_env env = usual();
    struct slice program = compiled(&arena, "request.path == \"/a/x\"");
    assert_int_equal(cel_eval(program, &env, &arena), CEL_TRUE);
    char *bytes = arena_string(&arena, program);
    bytes[1] = 0;
    struct slice hidden = {bytes, program.len};
    assert_false(cel_reads_path(hidden));
    assert_int_equal(cel_eval(hidden, &env, &arena), CEL_ERROR);
}

static void a_program_may_lie_anywhere(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct cel_env env = usual();
    struct slice program = compiled(&arena, "request.path in [\"/b\", \"/a/x\"] && 2 in [1, 2]");
    char place[512] = {0};
    for (size_t shift = 0; shift < 9; shift++) {
        memcpy(place + shift, program.data, program.len);
        struct slice moved = {place + shift, program.len};
        assert_int_equal(cel_eval(moved, &env, &arena), CEL_TRUE);
    }
}

static void a_program_that_is_cut_never_grants(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct cel_env env = usual();
    struct slice program = compiled(&arena, "resource.matchTag(\"7/env\", \"prod\") == "
                                            "(request.time.getHours(\"Europe/Berlin\") > 9)");
    assert_int_equal(cel_eval(program, &env, &arena), CEL_TRUE);
    for (size_t length = 0; length < program.len; length++) {
        assert_int_not_equal(cel_eval(slice_upto(program, length), &env, &arena), CEL_TRUE);
    }
}

/* OPS with a head before it. */
static struct slice program_of(struct arena *arena, struct slice ops)
{
    char *bytes = arena_alloc(arena, CEL_HEAD_BYTES + ops.len);
    bytes[0] = CEL_PROGRAM_VERSION;
    bytes[2] = (char)(ops.len & 0xff);
    bytes[3] = (char)(ops.len >> 8);
    memcpy(bytes + CEL_HEAD_BYTES, ops.data, ops.len);
    return (struct slice){bytes, CEL_HEAD_BYTES + ops.len};
}

static void bytes_that_no_compiler_made_are_an_error(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct cel_env env = usual();
    static const struct {
        const char *what;
        struct slice ops;
    } rows[] = {
        {"no such operation", SLICE_INIT("\xff")},
        {"\"and\" of nothing", SLICE_INIT("\x0d")},
        {"a jump without a value", SLICE_INIT("\x0b\x01\x00")},
        {"a jump over the end", SLICE_INIT("\x01\x00\x0b\x01\x00")},
        {"two values are left", SLICE_INIT("\x01\x01\x01\x01")},
        {"an int is left", SLICE_INIT("\x02\x01\x00\x00\x00\x00\x00\x00\x00")},
        {"a string over the end", SLICE_INIT("\x05\xff\xff"
                                             "a")},
        {"no such attribute", SLICE_INIT("\x08\x63")},
        {"\"not\" of a string", SLICE_INIT("\x05\x01\x00"
                                           "a"
                                           "\x09")},
        {"a tag's value that is empty", SLICE_INIT("\x1c\x02\x01\x00k\x00\x00")},
    };
    assert_int_equal(cel_eval(program_of(&arena, SLICE("\x01\x01")), &env, &arena), CEL_TRUE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (cel_eval(program_of(&arena, rows[i].ops), &env, &arena) != CEL_ERROR) {
            fail_msg("%s", rows[i].what);
        }
    }
    assert_int_equal(cel_eval(SLICE("\x01\x00\x02\x00\x01\x01"), &env, &arena), CEL_ERROR);
    assert_int_equal(cel_eval(SLICE("\x02\x00\x00\x00"), &env, &arena), CEL_ERROR);
    assert_int_equal(cel_eval(SLICE("\x02\x00\x03\x00\x01\x01"), &env, &arena), CEL_ERROR);
}

static void more_values_than_the_stack_holds_are_an_error(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct cel_env env = usual();
    char filled[2 * (CEL_STACK_MAX + 1)];
    memset(filled, OP_BOOL, sizeof(filled));
    struct slice program = program_of(&arena, (struct slice){filled, sizeof(filled)});
    assert_int_equal(cel_eval(program, &env, &arena), CEL_ERROR);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_mean_what_the_table_says),
        cmocka_unit_test(twelve_logical_operators_are_the_limit),
        cmocka_unit_test(a_list_holds_a_hundred_elements_and_no_more),
        cmocka_unit_test(an_expression_has_two_kibibytes_at_most),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(a_mistake_on_the_second_line_is_shown_there),
        cmocka_unit_test(a_nul_ends_no_expression),
        cmocka_unit_test(a_program_says_whether_it_reads_the_path),
        cmocka_unit_test(a_program_that_hides_that_it_reads_the_path_never_grants),
        cmocka_unit_test(a_program_may_lie_anywhere),
        cmocka_unit_test(a_program_that_is_cut_never_grants),
        cmocka_unit_test(bytes_that_no_compiler_made_are_an_error),
        cmocka_unit_test(more_values_than_the_stack_holds_are_an_error),
    };
    table_path = argc > 1 ? argv[1] : "cel.table";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
