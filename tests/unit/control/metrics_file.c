#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/run/metrics.h"

enum { ROWS = 700 }; /* more than is read at once, and no multiple of it */

static char path[64];

static int begin(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/homerun-metrics-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

static struct metrics_file *open_file(uint32_t rows)
{
    struct error err = {0};
    struct metrics_file *file = metrics_file_open(path, rows, &err);
    assert_non_null(file);
    return file;
}

/* Row number N is of second 10 N, and of services 1 and 2 in turn. */
static void add_rows(struct metrics_file *file, unsigned from, unsigned to)
{
    struct error err = {0};
    for (unsigned i = from; i < to; i++) {
        struct metrics_row row = {
            .time_s = 10 * i, .span_s = 10, .service = 1 + i % 2, .cpu_ms = i};
        assert_true(metrics_file_add(file, &row, &err));
    }
}

/* The rows of service 1 since SINCE_S are FIRST, FIRST + 2, … LAST. */
static void assert_rows(struct metrics_file *file, int64_t since_s, size_t max, unsigned first,
                        unsigned last)
{
    auto_arena arena = {0};
    size_t count;
    const struct metrics_row *rows = metrics_file_rows(file, &arena, 1, since_s, max, &count);
    assert_int_equal(count, (last - first) / 2 + 1);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rows[i].cpu_ms, first + 2 * i);
        assert_int_equal(rows[i].service, 1);
    }
}

static void rows_come_back_oldest_first_and_of_one_service_alone(void **state)
{
    (void)state;
    struct metrics_file *file = open_file(ROWS);
    auto_arena arena = {0};
    size_t count;
    metrics_file_rows(file, &arena, 1, 0, 100, &count);
    assert_int_equal(count, 0);
    add_rows(file, 0, 601);
    assert_rows(file, 0, 1000, 0, 600);
    assert_rows(file, 3000, 1000, 300, 600);
    assert_rows(file, 3001, 1000, 302, 600);
    assert_rows(file, 6000, 1000, 600, 600);
    metrics_file_rows(file, &arena, 1, 6001, 100, &count);
    assert_int_equal(count, 0);
    metrics_file_rows(file, &arena, 3, 0, 100, &count);
    assert_int_equal(count, 0);
    assert_rows(file, 0, 3, 596, 600); /* the newest */
    metrics_file_close(file);
}

static void the_newest_take_the_place_of_the_oldest(void **state)
{
    (void)state;
    for (unsigned all = ROWS - 1; all < 4 * ROWS; all += 333) {
        assert_int_equal(truncate(path, 0), 0);
        struct metrics_file *file = open_file(ROWS);
        add_rows(file, 0, all);
        unsigned first = all > ROWS ? all - ROWS : 0;
        assert_rows(file, 0, 1000, first + first % 2, (all - 1) - (all - 1) % 2);
        metrics_file_close(file);
    }
}

static void a_file_goes_on_where_it_was_and_one_of_another_shape_begins_anew(void **state)
{
    (void)state;
    struct metrics_file *file = open_file(ROWS);
    add_rows(file, 0, 10);
    metrics_file_close(file);
    file = open_file(ROWS);
    add_rows(file, 10, 20);
    assert_rows(file, 0, 100, 0, 18);
    metrics_file_close(file);
    file = open_file(ROWS / 2);
    add_rows(file, 20, 21);
    assert_rows(file, 0, 100, 20, 20);
    metrics_file_close(file);
}

static void a_file_that_was_cut_gives_what_is_left(void **state)
{
    (void)state;
    auto_arena arena = {0};
    size_t count;
    struct metrics_file *file = open_file(ROWS);
    add_rows(file, 0, 600);
    assert_int_equal(truncate(path, 1000), 0);
    metrics_file_rows(file, &arena, 1, 0, 1000, &count);
    assert_true(count <= 2);
    metrics_file_close(file);
}

static void quantiles_lie_in_their_bucket(void **state)
{
    (void)state;
    uint32_t buckets[METER_LATENCIES] = {0};
    assert_int_equal(metrics_quantile_us(buckets, 0.5), 0);
    buckets[meter_latency_bucket(1000)] = 98;
    buckets[meter_latency_bucket(50000)] = 2;
    assert_in_range(metrics_quantile_us(buckets, 0.5), 768, 1024);
    assert_in_range(metrics_quantile_us(buckets, 0.98), 768, 1024);
    assert_in_range(metrics_quantile_us(buckets, 0.99), 49152, 65536);
    memset(buckets, 0, sizeof(buckets));
    buckets[METER_LATENCIES - 1] = 1;
    assert_int_equal(metrics_quantile_us(buckets, 0.99),
                     meter_latency_bound_us(METER_LATENCIES - 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_come_back_oldest_first_and_of_one_service_alone, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_newest_take_the_place_of_the_oldest, begin, end),
        cmocka_unit_test_setup_teardown(
            a_file_goes_on_where_it_was_and_one_of_another_shape_begins_anew, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_was_cut_gives_what_is_left, begin, end),
        cmocka_unit_test(quantiles_lie_in_their_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
