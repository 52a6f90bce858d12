/* What several nodes say becomes one answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "control/api/peer_questions.h"
#include "control/run/metrics_wire.h"

static json_t *parsed(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

/* TEXTS, up to NULL; "-": it did not answer. */
static void say(struct peer_answers *out, const char *const *texts)
{
    *out = (struct peer_answers){0};
    for (; texts[out->count] != NULL; out->count++) {
        struct peer_answer *one = &out->all[out->count];
        snprintf(one->node, sizeof(one->node), "n%zu", out->count);
        one->body = texts[out->count][0] == '-' ? NULL : parsed(texts[out->count]);
    }
}

static void let_go(struct peer_answers *answers)
{
    for (size_t i = 0; i < answers->count; i++) {
        json_decref(answers->all[i].body);
    }
}

/* A log in short: times and names. */
static const char *log_of(struct arena *arena, const char *own, const char *const *texts,
                          size_t max)
{
    struct peer_answers others;
    auto_json *mine = parsed(own);
    const char *out = "";
    say(&others, texts);
    auto_json *all = logs_merge(arena, mine, &others, max);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *entry = json_array_get(all, i);
        out = arena_printf(arena, "%s%s%s ", out, json_text_or(entry, "timestamp", ""),
                           json_text_or(entry, "insertId", ""));
    }
    let_go(&others);
    return out;
}

#define ENTRY(time, id) "{\"timestamp\":\"" time "\",\"insertId\":\"" id "\"}"

static void logs_are_one_by_time_and_without_holes(void **state)
{
    (void)state;
    auto_arena arena = {0};
    const char *own = "[" ENTRY("5", "a") "," ENTRY("2", "b") "]";
    const char *const whole[] = {"{\"entries\":[" ENTRY("6", "c") "," ENTRY("2", "d") "]}",
                                 "-",
                                 "{}",
                                 "[]",
                                 "{\"entries\":{}}",
                                 "7",
                                 NULL};
    assert_string_equal(log_of(&arena, own, whole, 10), "6c 5a 2d 2b ");
    assert_string_equal(log_of(&arena, own, whole, 2), "6c 5a ");
    assert_string_equal(log_of(&arena, "[]", whole, 10), "6c 2d ");
    /* Of a node that had no room for more, nothing is known before 6. */
    const char *const cut[] = {
        "{\"entries\":[" ENTRY("7", "c") "," ENTRY("6", "d") "],\"cut\":true}",
        "{\"entries\":[" ENTRY("6", "e") "," ENTRY("4", "f") "]}", NULL};
    assert_string_equal(log_of(&arena, own, cut, 10), "7c 6e 6d ");
}

static void a_pod_is_one_row_and_other_instances_are_apart(void **state)
{
    (void)state;
    struct peer_answers others;
    auto_json *own = parsed("[{\"id\":\"a\",\"requestsInFlight\":1}]");
    const char *const texts[] = {"[{\"id\":\"a\",\"requestsInFlight\":2},{\"id\":\"b\"}]", "-",
                                 "[5,{\"id\":\"b\"}]", NULL};
    say(&others, texts);
    auto_json *all = instances_merge(own, &others);
    assert_int_equal(json_array_size(all), 2);
    assert_int_equal(json_number(json_array_get(all, 0), "requestsInFlight", 0), 3);
    assert_string_equal(json_text_or(json_array_get(all, 1), "id", ""), "b");
    let_go(&others);
}

static void what_services_do_now_adds_up_and_pods_do_not(void **state)
{
    (void)state;
    static const char text[] =
        "[{\"service\":\"s\",\"instances\":{\"starting\":0,\"ready\":2,\"draining\":1},"
        "\"requestsInFlight\":3,\"requestsPerSecond\":1.5,\"refusedPerSecond\":0.5}]";
    const char *const texts[] = {text, NULL};
    for (int pods = 0; pods < 2; pods++) {
        struct peer_answers others;
        auto_json *own = parsed(text);
        say(&others, texts);
        auto_json *all = overview_merge(own, &others, pods == 1);
        const json_t *row = json_array_get(all, 0);
        assert_int_equal(json_array_size(all), 1);
        assert_int_equal(json_number(row, "instances.ready", 0), pods == 1 ? 2 : 4);
        assert_int_equal(json_number(row, "instances.draining", 0), pods == 1 ? 1 : 2);
        assert_int_equal(json_number(row, "requestsInFlight", 0), 6);
        assert_true(json_real_value(json_object_get(row, "requestsPerSecond")) == 3.0);
        let_go(&others);
    }
}

static void histories_are_one_by_time(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct metrics_row ours[] = {{.time_s = 10, .classes = {0, 7}, .ready = 1},
                                 {.time_s = 30, .refused = {[3] = 2}, .cpu_ms = 5}};
    struct metrics_row theirs[] = {
        {.time_s = 20, .latencies = {[METER_LATENCIES - 1] = 9}},
        {.time_s = 30, .refused = {[3] = UINT32_MAX}, .cpu_ms = 6, .ready = 4, .requests = 1},
    };
    for (int pods = 0; pods < 2; pods++) {
        const struct metrics_row *rows = ours;
        size_t count = 2;
        auto_json *wire = metrics_rows_write(theirs, 2);
        assert_true(metrics_rows_merge(&arena, &rows, &count, wire, pods == 1));
        assert_int_equal(count, 3);
        assert_int_equal(rows[0].time_s, 10);
        assert_int_equal(rows[0].classes[1], 7);
        assert_int_equal(rows[1].latencies[METER_LATENCIES - 1], 9);
        assert_int_equal(rows[2].refused[3], UINT32_MAX); /* the most there is */
        assert_int_equal(rows[2].cpu_ms, pods == 1 ? 6 : 11);
        assert_int_equal(rows[2].ready, 4);
        assert_int_equal(rows[2].requests, 1);
    }
}

static void what_is_of_another_version_or_nonsense_is_refused(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct metrics_row one = {.time_s = 10, .classes = {1}};
    const struct metrics_row *rows = &one;
    size_t count = 1;
    auto_json *wire = metrics_rows_write(&one, 1);
    const char *good = arena_string(&arena, json_write(&arena, wire));
    static const char *const bad[] = {"[]", "{}", "{\"layout\":1,\"rows\":[]}", "null"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        auto_json *value = parsed(bad[i]);
        assert_false(metrics_rows_merge(&arena, &rows, &count, value, false));
    }
    static const char *const places[] = {"[-1,1]", "[999,1]", "[0]", "[0,-4]", "{}"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        auto_json *value = parsed(good);
        json_object_set_new(json_array_get(json_object_get(value, "rows"), 0), "n",
                            parsed(places[i]));
        assert_false(metrics_rows_merge(&arena, &rows, &count, value, false));
    }
    assert_int_equal(count, 1);
    assert_true(metrics_rows_merge(&arena, &rows, &count, NULL, false) && count == 1);
}

static void counts_go_there_and_back(void **state)
{
    (void)state;
    struct meter_counts counts = {.classes = {1, 2, 3, 4, 5}, .latency_us = 1u << 30}, back_counts;
    struct meter_running running = {.ready = 2, .cpu_us = 7}, back_running;
    struct metrics_now back;
    auto_json *wire = metrics_now_write(
        &(struct metrics_now){.service = 42, .counts = &counts, .running = &running});
    assert_true(metrics_now_read(wire, &back_counts, &back_running, &back));
    assert_int_equal(back.service, 42);
    assert_memory_equal(&back_counts, &counts, sizeof(counts));
    assert_memory_equal(&back_running, &running, sizeof(running));
    json_object_set_new(wire, "layout", json_integer(7));
    assert_false(metrics_now_read(wire, &back_counts, &back_running, &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_are_one_by_time_and_without_holes),
        cmocka_unit_test(a_pod_is_one_row_and_other_instances_are_apart),
        cmocka_unit_test(what_services_do_now_adds_up_and_pods_do_not),
        cmocka_unit_test(histories_are_one_by_time),
        cmocka_unit_test(what_is_of_another_version_or_nonsense_is_refused),
        cmocka_unit_test(counts_go_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
