#include "control/run/metrics_wire.h"

#include <stddef.h>

/* Both structs are nothing but numbers in a row; whose are of another length is of another version.
 */
enum {
    ROW_BYTES = offsetof(struct metrics_row, spare) - offsetof(struct metrics_row, classes),
    ROW_NUMBERS = ROW_BYTES / sizeof(uint32_t),
    COUNTS_NUMBERS = sizeof(struct meter_counts) / sizeof(uint64_t),
    RUNNING_NUMBERS = sizeof(struct meter_running) / sizeof(uint64_t),
    LAYOUT = ROW_NUMBERS * 100000 + COUNTS_NUMBERS * 100 + RUNNING_NUMBERS,
};

/* Most numbers are 0: lists say "place, number, place, number …". */
static json_t *numbers_write(const uint64_t *numbers, size_t count)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] != 0) {
            json_array_append_new(out, json_integer((json_int_t)i));
            json_array_append_new(out, json_integer((json_int_t)numbers[i]));
        }
    }
    return out;
}

static bool numbers_read(const json_t *list, uint64_t *out, size_t count)
{
    size_t length = json_array_size(list);
    memset(out, 0, count * sizeof(*out));
    for (size_t i = 0; i + 1 < length; i += 2) {
        json_int_t at = json_integer_value(json_array_get(list, i));
        json_int_t number = json_integer_value(json_array_get(list, i + 1));
        if (at < 0 || (size_t)at >= count || number < 0) {
            return false;
        }
        out[at] = (uint64_t)number;
    }
    return json_is_array(list) && length % 2 == 0;
}

/* ---- over time ---- */

static uint32_t small(uint64_t number)
{
    return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

static json_t *row_write(const struct metrics_row *row)
{
    uint32_t kept[ROW_NUMBERS];
    uint64_t numbers[ROW_NUMBERS];
    memcpy(kept, (const char *)row + offsetof(struct metrics_row, classes), ROW_BYTES);
    for (size_t i = 0; i < ROW_NUMBERS; i++) {
        numbers[i] = kept[i];
    }
    return json_pack("{sI so}", "t", (json_int_t)row->time_s, "n",
                     numbers_write(numbers, ROW_NUMBERS));
}

static bool row_read(const json_t *value, struct metrics_row *out)
{
    uint32_t kept[ROW_NUMBERS];
    uint64_t numbers[ROW_NUMBERS];
    *out = (struct metrics_row){.time_s = json_number(value, "t", -1)};
    if (out->time_s < 0 || !numbers_read(json_object_get(value, "n"), numbers, ROW_NUMBERS)) {
        return false;
    }
    for (size_t i = 0; i < ROW_NUMBERS; i++) {
        kept[i] = small(numbers[i]);
    }
    memcpy((char *)out + offsetof(struct metrics_row, classes), kept, ROW_BYTES);
    return true;
}

json_t *metrics_rows_write(const struct metrics_row *rows, size_t count)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(out, row_write(&rows[i]));
    }
    return json_pack("{si so}", "layout", LAYOUT, "rows", out);
}

static void add_numbers(uint32_t *sum, const uint32_t *more, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum[i] = small((uint64_t)sum[i] + more[i]);
    }
}

/* Of what runs: one number of two nodes. */
static uint32_t together(uint32_t a, uint32_t b, bool pods)
{
    return pods ? (a > b ? a : b) : small((uint64_t)a + b);
}

static void add_row(struct metrics_row *sum, const struct metrics_row *more, bool pods)
{
    add_numbers(sum->classes, more->classes, METER_CLASSES);
    add_numbers(sum->refused, more->refused, METER_REASONS);
    add_numbers(sum->latencies, more->latencies, METER_LATENCIES);
    sum->requests = small((uint64_t)sum->requests + more->requests);
    sum->starting = together(sum->starting, more->starting, pods);
    sum->ready = together(sum->ready, more->ready, pods);
    sum->draining = together(sum->draining, more->draining, pods);
    sum->memory_kib = together(sum->memory_kib, more->memory_kib, pods);
    sum->cpu_ms = together(sum->cpu_ms, more->cpu_ms, pods);
}

static bool rows_read(struct arena *arena, const json_t *value, struct metrics_row **out,
                      size_t *count)
{
    const json_t *rows = json_object_get(value, "rows");
    *count = json_array_size(rows);
    if (json_number(value, "layout", 0) != LAYOUT || *count > METRICS_POINTS_MAX + 1) {
        return false;
    }
    *out = arena_array(arena, struct metrics_row, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        if (!row_read(json_array_get(rows, i), &(*out)[i])) {
            return false;
        }
    }
    return true;
}

bool metrics_rows_merge(struct arena *arena, const struct metrics_row **rows, size_t *count,
                        const json_t *other, bool pods)
{
    struct metrics_row *more;
    size_t more_count, a = 0, b = 0, made = 0;
    if (other == NULL) {
        return true;
    }
    if (!rows_read(arena, other, &more, &more_count)) {
        return false;
    }
    struct metrics_row *out = arena_array(arena, struct metrics_row, *count + more_count + 1);
    while (a < *count || b < more_count) {
        bool ours = b == more_count || (a < *count && (*rows)[a].time_s <= more[b].time_s);
        const struct metrics_row *next = ours ? &(*rows)[a++] : &more[b++];
        if (made > 0 && out[made - 1].time_s == next->time_s) {
            add_row(&out[made - 1], next, pods);
        } else {
            out[made++] = *next;
        }
    }
    *rows = out;
    *count = made;
    return true;
}

/* ---- now ---- */

json_t *metrics_now_write(const struct metrics_now *now)
{
    uint64_t counts[COUNTS_NUMBERS], running[RUNNING_NUMBERS];
    memcpy(counts, now->counts, sizeof(counts));
    memcpy(running, now->running, sizeof(running));
    return json_pack("{si sI so so}", "layout", LAYOUT, "service", (json_int_t)now->service,
                     "counts", numbers_write(counts, COUNTS_NUMBERS), "running",
                     numbers_write(running, RUNNING_NUMBERS));
}

bool metrics_now_read(const json_t *value, struct meter_counts *counts,
                      struct meter_running *running, struct metrics_now *out)
{
    uint64_t counted[COUNTS_NUMBERS], runs[RUNNING_NUMBERS];
    *out = (struct metrics_now){.service = (uint64_t)json_number(value, "service", 0),
                                .counts = counts,
                                .running = running};
    if (json_number(value, "layout", 0) != LAYOUT ||
        !numbers_read(json_object_get(value, "counts"), counted, COUNTS_NUMBERS) ||
        !numbers_read(json_object_get(value, "running"), runs, RUNNING_NUMBERS)) {
        return false;
    }
    memcpy(counts, counted, sizeof(counted));
    memcpy(running, runs, sizeof(runs));
    return true;
}
