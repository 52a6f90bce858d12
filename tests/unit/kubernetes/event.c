/* Lines and events of a watch, in pieces of any size, and what is none. */
#include "kubernetes/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct taken {
    char text[256];
    unsigned count, most;
};

static bool on_line(void *ctx, struct slice line)
{
    struct taken *taken = ctx;
    size_t used = strlen(taken->text);
    snprintf(taken->text + used, sizeof(taken->text) - used, "[%.*s]", SLICE_ARG(line));
    return ++taken->count < taken->most;
}

static void lines_are_whole_however_they_come(void **state)
{
    (void)state;
    const char *text = "one\r\n\ntwo\nthree\n\r\nfour";
    for (size_t step = 1; step <= strlen(text); step++) {
        struct kube_lines lines = KUBE_LINES_INIT;
        struct taken taken = {.most = 100};
        for (struct slice rest = slice_of(text); rest.len > 0; rest = slice_from(rest, step)) {
            assert_true(kube_lines_add(&lines, slice_upto(rest, step), on_line, &taken));
        }
        assert_string_equal(taken.text, "[one][two][three]");
        kube_lines_done(&lines);
    }
}

static void who_has_heard_enough_hears_no_more(void **state)
{
    (void)state;
    struct kube_lines lines = KUBE_LINES_INIT;
    struct taken taken = {.most = 2};
    assert_false(kube_lines_add(&lines, SLICE("a\nb\nc\n"), on_line, &taken));
    assert_string_equal(taken.text, "[a][b]");
    kube_lines_done(&lines);
}

static void a_line_without_an_end_has_a_limit(void **state)
{
    (void)state;
    struct kube_lines lines = KUBE_LINES_INIT;
    struct taken taken = {.most = 100};
    static char block[65536];
    size_t total = 0;
    memset(block, 'x', sizeof(block));
    while (kube_lines_add(&lines, (struct slice){block, sizeof(block)}, on_line, &taken)) {
        total += sizeof(block);
        assert_true(total <= KUBE_LINE_BYTES_MAX);
    }
    assert_int_equal(taken.count, 0);
    kube_lines_done(&lines);
}

static void events_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum kube_event_type type;
        const char *version, *message;
        long code;
    } cases[] = {
        {"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}", KUBE_ADDED,
         "7", "", 0},
        {"{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"resourceVersion\":\"8\"}}}",
         KUBE_ADDED, "8", "", 0},
        {"{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}",
         KUBE_DELETED, "9", "", 0},
        {"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"10\"}}}",
         KUBE_BOOKMARK, "10", "", 0},
        {"{\"type\":\"ERROR\",\"object\":{\"code\":410,\"reason\":\"Expired\",\"message\":\"too "
         "old\"}}",
         KUBE_ERROR, "", "too old", 410},
        {"{\"type\":\"ERROR\",\"object\":{}}", KUBE_ERROR, "", "no reason was given", 500},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kube_event event;
        struct error err = {0};
        assert_true(kube_event_read(slice_of(cases[i].line), &event, &err));
        assert_int_equal(event.type, cases[i].type);
        assert_string_equal(event.version, cases[i].version);
        assert_string_equal(event.message, cases[i].message);
        assert_int_equal(event.code, cases[i].code);
        json_decref(event.object);
    }
}

static void what_is_no_event_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"type\":\"ADDED\"}",
        "{\"type\":\"ADDED\",\"object\":null}",
        "{\"type\":\"ADDED\",\"object\":[]}",
        "{\"type\":\"ADDED\",\"object\":{}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":7}}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"\"}}}",
        "{\"type\":\"added\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}",
        "{\"type\":\"BOOKMARK\",\"object\":{}}",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kube_event event = {0};
        struct error err = {0};
        assert_false(kube_event_read(slice_of(cases[i]), &event, &err));
        assert_null(event.object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_whole_however_they_come),
        cmocka_unit_test(who_has_heard_enough_hears_no_more),
        cmocka_unit_test(a_line_without_an_end_has_a_limit),
        cmocka_unit_test(events_are_told_apart),
        cmocka_unit_test(what_is_no_event_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
