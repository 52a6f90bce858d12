/* Conditions of custom constraints: a table to read aloud, and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "policy/cel_custom.h"
#include "policy/pattern.h"

static const char *table_path;

#define TEXT(literal)                                                                              \
    {                                                                                              \
        .kind = VALUE_STRING, .text = SLICE_INIT(literal)                                          \
    }
#define MAP(the_names, the_items)                                                                  \
    {                                                                                              \
        .kind = VALUE_MAP, .names = (the_names), .items = (the_items),                             \
        .count = sizeof(the_names) / sizeof((the_names)[0])                                        \
    }
#define LIST(the_items, the_count)                                                                 \
    {                                                                                              \
        .kind = VALUE_LIST, .items = (the_items), .count = (the_count)                             \
    }

static const struct slice note_names[] = {SLICE_INIT("run.googleapis.com/ingress"),
                                          SLICE_INIT("team")};
static const struct cel_value notes[] = {TEXT("all"), TEXT("web")};
static const struct slice metadata_names[] = {SLICE_INIT("name"),       SLICE_INIT("annotations"),
                                              SLICE_INIT("generation"), SLICE_INIT("weight"),
                                              SLICE_INIT("nothing"),    SLICE_INIT("off")};
static const struct cel_value metadata[] = {
    TEXT("hello"),
    MAP(note_names, notes),
    {.kind = VALUE_INT, .number = 3},
    {.kind = VALUE_DOUBLE, .real = 1.5},
    {.kind = VALUE_NULL},
    {.kind = VALUE_BOOL, .number = 0},
};
static const struct cel_value ports[] = {{.kind = VALUE_INT, .number = 8080}};
static const struct slice container_names[] = {SLICE_INIT("image"), SLICE_INIT("ports")};
static const struct cel_value first[] = {TEXT("homerun.test/a:1"), LIST(ports, 1)};
static const struct cel_value second[] = {TEXT("homerun.test/b:2"), LIST(NULL, 0)};
static const struct cel_value containers[] = {MAP(container_names, first),
                                              MAP(container_names, second)};
static const struct slice spec_names[] = {SLICE_INIT("containers")};
static const struct cel_value spec[] = {LIST(containers, 2)};
static const struct slice names[] = {SLICE_INIT("metadata"), SLICE_INIT("spec")};
static const struct cel_value parts[] = {MAP(metadata_names, metadata), MAP(spec_names, spec)};
static const struct cel_value service = MAP(names, parts);

static const char *answer_of(struct arena *arena, struct slice expression)
{
    static const char *const words[] = {"false", "true", "error"};
    struct error err = {0};
    const struct custom_program *program = cel_custom_compile(arena, expression, &err);
    if (program == NULL) {
        assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
        return arena_printf(arena, "refused: %s", err.text);
    }
    return words[cel_custom_eval(program, &service, arena)];
}

static void conditions_mean_what_the_table_says(void **state)
{
    (void)state;
    auto_arena file = {0};
    struct slice text, line;
    struct error err;
    assert_true(file_read(&file, table_path, 1 << 20, &text, &err));
    unsigned wrong = 0, rows = 0;
    for (unsigned number = 1; slice_cut(&text, '\n', &line); number++) {
        auto_arena arena = {0};
        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }
        ptrdiff_t at = slice_find_last(line, '|');
        while (at > 0 && !slice_starts(slice_from(line, (size_t)at - 1), SLICE(" | "))) {
            at = slice_find_last(slice_upto(line, (size_t)at), '|');
        }
        assert_true(at > 0);
        struct slice wanted = slice_trim(slice_from(line, (size_t)at + 1));
        struct slice expression = slice_trim(slice_upto(line, (size_t)at));
        struct slice answer = slice_of(answer_of(&arena, expression));
        bool refused = slice_starts(wanted, SLICE("refused: "));
        if (refused ? !slice_starts(answer, wanted) : !slice_equal(answer, wanted)) {
            print_error("line %u: %.*s\n  wanted %.*s\n  was    %.*s\n", number,
                        SLICE_ARG(expression), SLICE_ARG(wanted), SLICE_ARG(answer));
            wrong++;
        }
        rows++;
    }
    assert_true(rows > 100);
    assert_int_equal(wrong, 0);
}

static void a_condition_has_a_thousand_characters_at_most(void **state)
{
    (void)state;
    auto_arena arena = {0};
    char text[CEL_CUSTOM_SOURCE_MAX + 1];
    memset(text, ' ', sizeof(text));
    memcpy(text, "true", 4);
    assert_string_equal(answer_of(&arena, (struct slice){text, sizeof(text) - 1}), "true");
    assert_true(strstr(answer_of(&arena, (struct slice){text, sizeof(text)}), "over 1000") != NULL);
}

static void nesting_ends_somewhere(void **state)
{
    (void)state;
    auto_arena arena = {0};
    static const char *const openers[] = {"(", "!", "-", "[", "size(", "true ? true : "};
    for (size_t i = 0; i < sizeof(openers) / sizeof(openers[0]); i++) {
        const char *text = "";
        while (strlen(text) + strlen(openers[i]) < 900) {
            text = arena_printf(&arena, "%s%s", text, openers[i]);
        }
        assert_true(strstr(answer_of(&arena, slice_of(text)), "nested too deeply") != NULL);
    }
}

static void macros_within_macros_come_to_an_end(void **state)
{
    (void)state;
    auto_arena arena = {0};
    const char *list = "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]";
    const char *text = "true";
    static const char variables[] = "abcdefgh";
    for (size_t i = 0; i < 6; i++) {
        text = arena_printf(&arena, "%s.all(%c, %s)", list, variables[i], text);
    }
    assert_string_equal(answer_of(&arena, slice_of(text)), "error");
    text = "size(resource.metadata.name) > 0";
    for (int i = 0; i < 3; i++) {
        text = arena_printf(&arena, "[0,0,0,0,0,0,0,0,0,0,0,0].map(x%d, %s).size() > 0", i, text);
    }
    assert_string_equal(answer_of(&arena, slice_of(text)), "true");
}

static void matching_counts_by_pattern_and_text(void **state)
{
    (void)state;
    auto_arena arena = {0};
    const char *list = "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]";
    const char *text = arena_printf(
        &arena, "%s.all(a, %s.all(b, %s.all(c, 'x'.matches('(x?){180}'))))", list, list, list);
    assert_string_equal(answer_of(&arena, slice_of(text)), "error");
}

static void no_pattern_takes_long(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    char text[4096];
    memset(text, 'a', sizeof(text));
    static const char *const patterns[] = {"^(a+)+$b", "^(a|a|a)*b$", "^(a*)*b$", "(a?){90}b",
                                           "^((a{1,9}){1,9}){1,9}b$"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        const struct pattern *pattern = pattern_compile(&arena, slice_of(patterns[i]), &err);
        if (pattern == NULL) {
            fail_msg("%s: %s", patterns[i], err.text);
        }
        assert_false(pattern_find(pattern, (struct slice){text, sizeof(text)}, &arena));
    }
}

/* The last step, which says that it matches, is one of those that are counted. */
static void a_pattern_has_so_many_steps_at_most(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    const char *text = arena_printf(&arena, "((aaaaaaaaaa){20}){9}%0199d", 0);
    const struct pattern *largest = pattern_compile(&arena, slice_of(text), &err);
    assert_non_null(largest);
    assert_int_equal(pattern_steps(largest), PATTERN_STEPS_MAX);
    assert_false(pattern_find(largest, SLICE("aaaa"), &arena));
    text = arena_printf(&arena, "((aaaaaaaaaa){20}){9}%0200d", 0);
    assert_null(pattern_compile(&arena, slice_of(text), &err));
    assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "too large"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_mean_what_the_table_says),
        cmocka_unit_test(a_condition_has_a_thousand_characters_at_most),
        cmocka_unit_test(nesting_ends_somewhere),
        cmocka_unit_test(macros_within_macros_come_to_an_end),
        cmocka_unit_test(matching_counts_by_pattern_and_text),
        cmocka_unit_test(no_pattern_takes_long),
        cmocka_unit_test(a_pattern_has_so_many_steps_at_most),
    };
    table_path = argc > 1 ? argv[1] : "cel_custom.table";
    return cmocka_run_group_tests_name("cel_custom", tests, NULL, NULL);
}
