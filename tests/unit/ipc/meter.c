#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/meter.h"

struct sums {
    uint64_t service; /* the one that is asked for */
    struct meter_counts counts;
    unsigned rows;
    struct meter_running running;
};

static void sum_counts(void *ctx, uint64_t service, const struct meter_counts *counts)
{
    struct sums *sums = ctx;
    if (service != sums->service) {
        return;
    }
    sums->rows++;
    for (size_t i = 0; i < METER_CLASSES; i++) {
        sums->counts.classes[i] += counts->classes[i];
    }
    for (size_t i = 0; i < METER_REASONS; i++) {
        sums->counts.refused[i] += counts->refused[i];
    }
    for (size_t i = 0; i < METER_LATENCIES; i++) {
        sums->counts.latencies[i] += counts->latencies[i];
    }
    sums->counts.latency_us += counts->latency_us;
    sums->counts.response_bytes += counts->response_bytes;
}

static struct sums sums_of(const struct meter *meter, uint64_t service)
{
    struct sums sums = {.service = service};
    meter_each_count(meter, sum_counts, &sums);
    return sums;
}

static void take_running(void *ctx, uint64_t service, const struct meter_running *running)
{
    struct sums *sums = ctx;
    if (service == sums->service) {
        sums->running = *running;
    }
}

static struct meter *open_meter(int *fd, bool writes)
{
    struct error err = {0};
    *fd = *fd < 0 ? meter_create(&err) : *fd;
    struct meter *meter = meter_map(*fd, writes, &err);
    assert_non_null(meter);
    return meter;
}

static void each_request_is_counted_once_by_class_reason_and_latency(void **state)
{
    (void)state;
    int fd = -1;
    struct meter *worker = open_meter(&fd, true), *control = open_meter(&fd, false);
    const struct meter_request requests[] = {
        {200, -1, 100, 5, 7},  {204, -1, 130, 0, 0},
        {302, -1, 1000, 0, 0}, {404, -1, 64, 0, 0},
        {500, -1, 64, 0, 0},   {403, 9, 64, 0, 0},
        {401, 10, 64, 0, 0},   {403, 9, 64, 0, 0},
        {0, -1, 64, 0, 0},     {999, METER_REASONS, 64, 0, 0},
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        meter_count(worker, i % 2, 42, &requests[i]);
    }
    struct sums sums = sums_of(control, 42);
    assert_int_equal(sums.rows, 2);
    const uint64_t classes[METER_CLASSES] = {0, 2, 1, 4, 3};
    assert_memory_equal(sums.counts.classes, classes, sizeof(classes));
    assert_int_equal(sums.counts.refused[9], 2);
    assert_int_equal(sums.counts.refused[10], 1);
    uint64_t timed = 0;
    for (size_t i = 0; i < METER_LATENCIES; i++) {
        timed += sums.counts.latencies[i];
    }
    assert_int_equal(timed, 7); /* what the gate refused has no latency of the service */
    assert_int_equal(sums.counts.latency_us, 100 + 130 + 1000 + 4 * 64);
    assert_int_equal(sums.counts.response_bytes, 7);
    assert_int_equal(sums_of(control, 43).rows, 0);
    meter_unmap(worker);
    meter_unmap(control);
    close(fd);
}

static void a_successor_goes_on_in_the_rows_of_its_predecessor(void **state)
{
    (void)state;
    int fd = -1;
    const struct meter_request one = {200, -1, 64, 0, 0};
    for (int life = 0; life < 3; life++) {
        struct meter *worker = open_meter(&fd, true);
        for (uint64_t service = 1; service <= 100; service++) {
            meter_count(worker, 3, service, &one);
        }
        meter_unmap(worker);
    }
    struct meter *control = open_meter(&fd, false);
    for (uint64_t service = 1; service <= 100; service++) {
        struct sums sums = sums_of(control, service);
        assert_int_equal(sums.rows, 1);
        assert_int_equal(sums.counts.classes[1], 3);
    }
    meter_unmap(control);
    close(fd);
}

static void more_services_than_rows_are_counted_together(void **state)
{
    (void)state;
    int fd = -1;
    struct meter *worker = open_meter(&fd, true);
    const struct meter_request one = {200, -1, 64, 0, 0};
    for (uint64_t service = 1; service <= 2 * METER_SERVICES; service++) {
        meter_count(worker, 0, service, &one);
    }
    assert_int_equal(sums_of(worker, METER_SERVICES - 1).counts.classes[1], 1);
    assert_int_equal(sums_of(worker, METER_SERVICES).rows, 0);
    assert_int_equal(sums_of(worker, 0).counts.classes[1], METER_SERVICES + 1);
    meter_unmap(worker);
    close(fd);
}

static void what_runs_no_longer_is_none_and_its_cpu_time_stays(void **state)
{
    (void)state;
    int fd = -1;
    struct meter *engine = open_meter(&fd, true);
    const uint64_t here = 7;
    struct sums sums = {.service = here};
    meter_running_begin(engine);
    meter_running_add(engine, here,
                      &(struct meter_running){.ready = 1, .memory_bytes = 5, .cpu_us = 9});
    meter_running_add(engine, here, &(struct meter_running){.ready = 1, .cpu_us = 1});
    meter_running_end(engine);
    meter_each_running(engine, take_running, &sums);
    assert_int_equal(sums.running.ready, 2);
    assert_int_equal(sums.running.memory_bytes, 5);
    meter_running_begin(engine);
    meter_running_end(engine);
    meter_each_running(engine, take_running, &sums);
    assert_int_equal(sums.running.ready, 0);
    assert_int_equal(sums.running.memory_bytes, 0);
    assert_int_equal(sums.running.cpu_us, 10);
    meter_unmap(engine);
    close(fd);
}

struct seen {
    unsigned count;
    struct meter_instance last;
};

static void see_instance(void *ctx, const struct meter_instance *instance)
{
    struct seen *seen = ctx;
    seen->count++;
    seen->last = *instance;
}

static void instances_of_the_last_look_are_told_and_no_others(void **state)
{
    (void)state;
    int fd = -1;
    struct meter *engine = open_meter(&fd, true), *control = open_meter(&fd, false);
    struct seen seen = {0};
    struct meter_instance one = {.state = METER_READY, .port = 8080, .requests = 3};
    memset(one.id, 'i', sizeof(one.id)); /* without an end: it is not believed */
    meter_running_begin(engine);
    meter_instance_add(engine, &one);
    meter_instance_add(engine, &(struct meter_instance){.id = "second", .since_us = 7});
    meter_running_end(engine);
    meter_each_instance(control, see_instance, &seen);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.last.id, "second");
    assert_int_equal(seen.last.since_us, 7);
    meter_running_begin(engine);
    meter_instance_add(engine, &one);
    meter_running_end(engine);
    seen = (struct seen){0};
    meter_each_instance(control, see_instance, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(strlen(seen.last.id), sizeof(one.id) - 1);
    assert_int_equal(seen.last.port, 8080);
    assert_int_equal(seen.last.requests, 3);
    meter_running_begin(engine);
    for (int i = 0; i < METER_INSTANCES + 5; i++) {
        meter_instance_add(engine, &one);
    }
    meter_running_end(engine);
    seen = (struct seen){0};
    meter_each_instance(control, see_instance, &seen);
    assert_int_equal(seen.count, METER_INSTANCES);
    meter_unmap(engine);
    meter_unmap(control);
    close(fd);
}

static void buckets_are_two_for_each_doubling_and_hold_what_is_below_their_bound(void **state)
{
    (void)state;
    int64_t below = 0;
    for (unsigned bucket = 0; bucket + 1 < METER_LATENCIES; bucket++) {
        int64_t bound = meter_latency_bound_us(bucket);
        assert_true(bound > below);
        assert_int_equal(meter_latency_bucket(bound - 1), bucket);
        assert_int_equal(meter_latency_bucket(bound), bucket + 1);
        assert_int_equal(meter_latency_bucket(below), bucket);
        below = bound;
    }
    assert_int_equal(meter_latency_bound_us(1), 192);
    assert_int_equal(meter_latency_bound_us(2), 256);
    assert_int_equal(meter_latency_bucket(INT64_MAX), METER_LATENCIES - 1);
    assert_int_equal(meter_latency_bucket(-1), 0);
    assert_true(meter_latency_bound_us(METER_LATENCIES - 1) == INT64_MAX);
}

static void a_segment_of_another_size_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    int fd = board_create(&err);
    assert_null(meter_map(fd, true, &err));
    assert_non_null(strstr(err.text, "version"));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_is_counted_once_by_class_reason_and_latency),
        cmocka_unit_test(a_successor_goes_on_in_the_rows_of_its_predecessor),
        cmocka_unit_test(more_services_than_rows_are_counted_together),
        cmocka_unit_test(what_runs_no_longer_is_none_and_its_cpu_time_stays),
        cmocka_unit_test(instances_of_the_last_look_are_told_and_no_others),
        cmocka_unit_test(buckets_are_two_for_each_doubling_and_hold_what_is_below_their_bound),
        cmocka_unit_test(a_segment_of_another_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
