/* Command lines, taken apart; and that what can be typed is what help and completion say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"

enum { WORDS_MAX = 32, TEXT_MAX = 1024 * 1024 };

static char line_copy[1024];
static struct invocation in;
static struct error err;

/* Parses LINE, cut at spaces. */
static bool parse(const char *line)
{
    char *words[WORDS_MAX];
    int count = 0;
    err = (struct error){0};
    snprintf(line_copy, sizeof(line_copy), "%s", line);
    for (char *word = strtok(line_copy, " "); word != NULL; word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    return invocation_parse(&in, count, words, &err);
}

static void assert_says(const char *part)
{
    if (strstr(err.text, part) == NULL) {
        fail_msg("\"%s\" is not in: %s", part, err.text);
    }
}

static void a_flag_takes_its_value_behind_an_equals_sign_or_as_the_next_word(void **state)
{
    (void)state;
    assert_true(parse("up --data=/a --project demo --plain --idle 5"));
    assert_string_equal(in.command->name, "up");
    assert_string_equal(option_text(&in, "data", ""), "/a");
    assert_string_equal(option_text(&in, "project", ""), "demo");
    assert_true(option_given(&in, "plain"));
    assert_false(option_given(&in, "strict-paths"));
    assert_int_equal(option_number(&in, "idle", 900), 5);
    assert_int_equal(option_number(&in, "workers", 3), 3);
}

static void the_last_of_several_values_counts(void **state)
{
    (void)state;
    assert_true(parse("up --data=/a --data=/b"));
    assert_string_equal(option_text(&in, "data", ""), "/b");
}

static void a_list_holds_all_values_of_all_its_flags(void **state)
{
    (void)state;
    static const char *const wanted[] = {"a=1", "b=2", "c=3,4", "d"};
    struct option_walk walk = {0};
    struct slice value;
    size_t i = 0;
    assert_true(parse("deploy x --set-env-vars=a=1,b=2 --set-env-vars ^;^c=3,4;d"));
    while (option_next(&in, "set-env-vars", &walk, &value)) {
        assert_true(i < 4 && slice_is(value, wanted[i]));
        i++;
    }
    assert_int_equal(i, 4);
}

static void the_longest_name_wins(void **state)
{
    (void)state;
    assert_true(parse("services update-traffic hello --to-latest"));
    assert_string_equal(in.command->name, "services update-traffic");
    assert_int_equal(in.argument_count, 1);
    assert_string_equal(in.arguments[0], "hello");
}

static void what_stands_behind_two_dashes_is_the_programs_own(void **state)
{
    (void)state;
    assert_true(parse("images add my --dir=/x -- prog --flag -- x"));
    assert_int_equal(in.rest_count, 4);
    assert_string_equal(in.rest[1], "--flag");
}

static void mistakes_are_told_with_what_is_near(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"deplyo x", "did you mean `homerun deploy`?"},
        {"servces list", "did you mean `homerun services list`?"},
        {"services", "needs a word more"},
        {"zzzzzzzz", "`homerun help` lists them"},
        {"up --dta=x", "did you mean --data?"},
        {"up --data", "--data needs a value"},
        {"up --plain=no", "--plain takes no value"},
        {"up --idle=soon", "that is no number"},
        {"up --engine=xen", "auto|process"},
        {"logs -g x", "has no flag -g"},
        {"deploy -f x", "has no flag -f"},
        {"up now", "cannot take \"now\""},
        {"deploy", "needs SERVICE"},
        {"services describe a b", "cannot take \"b\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(parse(rows[i].line));
        assert_says(rows[i].says);
    }
}

static void help_may_be_asked_for_anywhere(void **state)
{
    (void)state;
    assert_true(parse("deploy --help"));
    assert_true(in.wants_help);
    assert_true(parse("services describe x -h"));
    assert_true(in.wants_help);
}

static void every_command_and_flag_is_in_help_completion_and_manual(void **state)
{
    (void)state;
    struct buffer bash = BUFFER_INIT(TEXT_MAX), man = BUFFER_INIT(TEXT_MAX);
    assert_true(help_completion(&bash, "bash"));
    assert_true(help_completion(&man, "man"));
    assert_false(help_completion(&man, "fish"));
    for (const struct command *command = commands; command->name != NULL; command++) {
        struct buffer help = BUFFER_INIT(TEXT_MAX);
        char line[80];
        help_command(&help, command);
        assert_non_null(command->run);
        assert_true(command->arguments_min <= command->arguments_max);
        snprintf(line, sizeof(line), "%s:", command->name);
        assert_true(slice_find_slice(buffer_slice(&bash), slice_of(line)) > 0);
        for (size_t t = 0; t < FLAG_TABLES && command->flags[t] != NULL; t++) {
            for (const struct flag *flag = command->flags[t]; flag->name != NULL; flag++) {
                snprintf(line, sizeof(line), "--%s", flag->name);
                assert_true(slice_find_slice(buffer_slice(&help), slice_of(line)) > 0);
                assert_true(flag->kind == FLAG_SWITCH || flag->value != NULL);
                assert_ptr_equal(command_flag(command, slice_of(flag->name)), flag);
            }
        }
        buffer_done(&help);
    }
    assert_false(bash.overflow || man.overflow);
    buffer_done(&bash);
    buffer_done(&man);
}

static void assert_fits_the_screen(struct buffer *text)
{
    struct slice rest = buffer_slice(text), line;
    while (slice_cut(&rest, '\n', &line)) {
        size_t columns = 0;
        for (size_t i = 0; i < line.len; i++) {
            columns += ((unsigned char)line.data[i] & 0xc0) != 0x80;
        }
        if (columns > 80) {
            fail_msg("%zu columns: %.*s", columns, SLICE_ARG(line));
        }
    }
    buffer_done(text);
}

static void help_is_no_wider_than_a_screen(void **state)
{
    (void)state;
    struct buffer overview = BUFFER_INIT(TEXT_MAX), group = BUFFER_INIT(TEXT_MAX);
    help_overview(&overview);
    assert_fits_the_screen(&overview);
    assert_true(command_group("services") && !command_group("deploy") && !command_group("serv"));
    help_group(&group, "services");
    assert_true(slice_find_slice(buffer_slice(&group), SLICE("  services list ")) > 0);
    assert_true(slice_find_slice(buffer_slice(&group), SLICE("  revisions list ")) < 0);
    assert_fits_the_screen(&group);
    for (const struct command *command = commands; command->name != NULL; command++) {
        struct buffer help = BUFFER_INIT(TEXT_MAX);
        help_command(&help, command);
        assert_fits_the_screen(&help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flag_takes_its_value_behind_an_equals_sign_or_as_the_next_word),
        cmocka_unit_test(the_last_of_several_values_counts),
        cmocka_unit_test(a_list_holds_all_values_of_all_its_flags),
        cmocka_unit_test(the_longest_name_wins),
        cmocka_unit_test(what_stands_behind_two_dashes_is_the_programs_own),
        cmocka_unit_test(mistakes_are_told_with_what_is_near),
        cmocka_unit_test(help_may_be_asked_for_anywhere),
        cmocka_unit_test(every_command_and_flag_is_in_help_completion_and_manual),
        cmocka_unit_test(help_is_no_wider_than_a_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
