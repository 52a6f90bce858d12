#include "control/run/metrics.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

enum { LEVELS = 3, LOOK_S = 10 };

/* 400 bytes a row: 8 MiB each. */
static const struct {
    const char *name;
    unsigned span_s;
    uint32_t rows;
    int64_t period_s; /* the longest that is answered from it */
} levels[LEVELS] = {
    {"metrics/10s", LOOK_S, 20000, 3600},
    {"metrics/1m", 60, 20000, 24 * 3600},
    {"metrics/10m", 600, 20000, 7 * 24 * 3600},
};

struct known {
    uint64_t service;
    /* As of the look that is being worked on, and of the last that was kept. Most services sleep,
     * and nobody may ever have called them: NULL then. */
    struct meter_counts *now, *last;
    struct meter_running running;
    uint64_t last_cpu_us;
    struct metrics_row *sums[LEVELS]; /* of the levels but the first; NULL: nothing yet */
    double requests_per_s, refused_per_s;
};

struct metrics {
    struct control *control;
    struct meter *meter;
    struct metrics_file *files[LEVELS];
    struct map *known;       /* by the eight bytes of the service's id */
    uv_timer_t *timer;       /* on the heap: it outlives this until the loop has closed it */
    int64_t begun_s[LEVELS]; /* the interval that is being filled */
    bool failing, full;      /* said so once */
};

static struct slice key_of(const uint64_t *service)
{
    return (struct slice){(const char *)service, sizeof(*service)};
}

static struct known *known_of(struct metrics *metrics, uint64_t service)
{
    struct known *known = map_find(metrics->known, key_of(&service));
    if (known != NULL || service == 0) {
        return known;
    }
    if (map_count(metrics->known) >= METRICS_SERVICES_MAX) {
        if (!metrics->full) {
            log_warn("metrics: more than %d services: further ones have none",
                     METRICS_SERVICES_MAX);
        }
        metrics->full = true;
        return NULL;
    }
    known = mem_new(struct known);
    known->service = service;
    map_put(metrics->known, key_of(&service), known);
    return known;
}

static void for_each(struct metrics *metrics, void (*visit)(struct metrics *, struct known *))
{
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(metrics->known, &at, &key, &value)) {
        visit(metrics, value);
    }
}

/* ---- a look at the meter ---- */

static const struct meter_counts nothing;

static const struct meter_counts *counts_of(const struct meter_counts *counts)
{
    return counts == NULL ? &nothing : counts;
}

static void forget_now(struct metrics *metrics, struct known *known)
{
    (void)metrics;
    free(known->now);
    known->now = NULL;
}

static void forget_running(struct metrics *metrics, struct known *known)
{
    forget_now(metrics, known);
    known->running = (struct meter_running){0};
}

static void add_counts(void *ctx, uint64_t service, const struct meter_counts *counts)
{
    struct known *known = known_of(ctx, service);
    if (known == NULL) {
        return;
    }
    if (known->now == NULL) {
        known->now = mem_new(struct meter_counts);
    }
    struct meter_counts *now = known->now;
    for (size_t i = 0; i < METER_CLASSES; i++) {
        now->classes[i] += counts->classes[i];
    }
    for (size_t i = 0; i < METER_REASONS; i++) {
        now->refused[i] += counts->refused[i];
    }
    for (size_t i = 0; i < METER_LATENCIES; i++) {
        now->latencies[i] += counts->latencies[i];
    }
    now->latency_us += counts->latency_us;
    now->request_bytes += counts->request_bytes;
    now->response_bytes += counts->response_bytes;
}

static void take_running(void *ctx, uint64_t service, const struct meter_running *running)
{
    struct known *known = known_of(ctx, service);
    if (known != NULL) {
        known->running = *running;
    }
}

static void look(struct metrics *metrics)
{
    for_each(metrics, forget_running);
    meter_each_count(metrics->meter, add_counts, metrics);
    meter_each_running(metrics->meter, take_running, metrics);
}

/* ---- what has changed ---- */

/* Sets OUT to what was counted since LAST; true if anything was. */
static bool differences(const uint64_t *now, const uint64_t *last, size_t count, uint32_t *out,
                        uint64_t *sum)
{
    *sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t more = now[i] > last[i] ? now[i] - last[i] : 0;
        out[i] = more < UINT32_MAX ? (uint32_t)more : UINT32_MAX;
        *sum += more;
    }
    return *sum > 0;
}

static uint32_t small(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* The next difference counts from this look. */
static void keep_counts(struct known *known)
{
    free(known->last);
    known->last = known->now;
    known->now = NULL;
    known->last_cpu_us = known->running.cpu_us;
}

/* What KNOWN did since the last look, which it ends; false: nothing. */
static bool row_since(struct known *known, struct metrics_row *row)
{
    uint64_t requests, refused, timed;
    uint64_t cpu_us =
        known->running.cpu_us > known->last_cpu_us ? known->running.cpu_us - known->last_cpu_us : 0;
    const struct meter_counts *now = counts_of(known->now), *last = counts_of(known->last);
    bool any = differences(now->classes, last->classes, METER_CLASSES, row->classes, &requests);
    any |= differences(now->refused, last->refused, METER_REASONS, row->refused, &refused);
    any |= differences(now->latencies, last->latencies, METER_LATENCIES, row->latencies, &timed);
    known->requests_per_s = (double)requests / LOOK_S;
    known->refused_per_s = (double)refused / LOOK_S;
    row->starting = small(known->running.starting);
    row->ready = small(known->running.ready);
    row->draining = small(known->running.draining);
    row->requests = small(known->running.requests);
    row->memory_kib = small(known->running.memory_bytes / 1024);
    row->cpu_ms = small(cpu_us / 1000);
    keep_counts(known);
    return any || row->starting + row->ready + row->draining > 0 || row->cpu_ms > 0;
}

static uint32_t more_of(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void add_row(struct metrics_row *sum, const struct metrics_row *row)
{
    for (size_t i = 0; i < METER_CLASSES; i++) {
        sum->classes[i] += row->classes[i];
    }
    for (size_t i = 0; i < METER_REASONS; i++) {
        sum->refused[i] += row->refused[i];
    }
    for (size_t i = 0; i < METER_LATENCIES; i++) {
        sum->latencies[i] += row->latencies[i];
    }
    sum->cpu_ms += row->cpu_ms;
    sum->starting = more_of(sum->starting, row->starting);
    sum->ready = more_of(sum->ready, row->ready);
    sum->draining = more_of(sum->draining, row->draining);
    sum->requests = more_of(sum->requests, row->requests);
    sum->memory_kib = more_of(sum->memory_kib, row->memory_kib);
}

static void write_row(struct metrics *metrics, unsigned level, struct metrics_row *row,
                      const struct known *known)
{
    struct error err = {0};
    row->service = known->service;
    row->span_s = levels[level].span_s;
    row->time_s = metrics->begun_s[level];
    bool good = metrics_file_add(metrics->files[level], row, &err);
    if (!good && !metrics->failing) {
        log_warn("metrics: %s", err.text);
    }
    metrics->failing = !good;
}

static void keep_one(struct metrics *metrics, struct known *known)
{
    struct metrics_row row = {0};
    if (!row_since(known, &row)) {
        return;
    }
    for (unsigned level = 1; level < LEVELS; level++) {
        if (known->sums[level] == NULL) {
            known->sums[level] = mem_new(struct metrics_row);
        }
        add_row(known->sums[level], &row);
    }
    write_row(metrics, 0, &row, known);
}

static void write_sum(struct metrics *metrics, struct known *known, unsigned level)
{
    if (known->sums[level] != NULL) {
        write_row(metrics, level, known->sums[level], known);
        free(known->sums[level]);
        known->sums[level] = NULL;
    }
}

static void write_sums(struct metrics *metrics, unsigned level)
{
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(metrics->known, &at, &key, &value)) {
        write_sum(metrics, value, level);
    }
}

static void keep(struct metrics *metrics)
{
    /* The timer comes just after the end of an interval. */
    int64_t now_s = clock_wall_us() / 1000000;
    look(metrics);
    metrics->begun_s[0] = now_s - now_s % LOOK_S - LOOK_S;
    for_each(metrics, keep_one);
    for (unsigned level = 1; level < LEVELS; level++) {
        int64_t begun_s = now_s - now_s % levels[level].span_s;
        if (begun_s != metrics->begun_s[level]) {
            write_sums(metrics, level);
            metrics->begun_s[level] = begun_s;
        }
    }
}

static void wait_for_next(uv_timer_t *timer);

static void on_timer(uv_timer_t *timer)
{
    keep(timer->data);
    wait_for_next(timer);
}

/* Until the end of this interval of the wall clock, so that all points lie in one grid. */
static void wait_for_next(uv_timer_t *timer)
{
    int64_t into_ms = clock_wall_us() / 1000 % (LOOK_S * 1000);
    uv_timer_start(timer, on_timer, (uint64_t)(LOOK_S * 1000 - into_ms + 1), 0);
}

/* ---- the start and the end ---- */

static void begin_from_here(struct metrics *metrics, struct known *known)
{
    (void)metrics;
    keep_counts(known);
}

struct metrics *metrics_new(struct control *control, struct error *err)
{
    auto_arena arena = {0};
    struct metrics *metrics = mem_new(struct metrics);
    metrics->control = control;
    metrics->known = map_new();
    int fd = ipc_inherited("meter");
    bool good = fd >= 0 || error_set(err, STATUS_FAILED_PRECONDITION, "the meter is missing");
    metrics->meter = good ? meter_map(fd, false, err) : NULL;
    good = metrics->meter != NULL &&
           file_make_dir(settings_path(&control->settings, &arena, "metrics"), 0700, err);
    int64_t now_s = clock_wall_us() / 1000000;
    for (unsigned level = 0; good && level < LEVELS; level++) {
        metrics->begun_s[level] = now_s - now_s % levels[level].span_s;
        metrics->files[level] = metrics_file_open(
            settings_path(&control->settings, &arena, levels[level].name), levels[level].rows, err);
        good = metrics->files[level] != NULL;
    }
    if (!good) {
        metrics_free(metrics);
        return NULL;
    }
    look(metrics);
    for_each(metrics, begin_from_here);
    metrics->timer = mem_new(uv_timer_t);
    uv_timer_init(control->loop, metrics->timer);
    metrics->timer->data = metrics;
    uv_unref((uv_handle_t *)metrics->timer);
    wait_for_next(metrics->timer);
    return metrics;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void free_one(struct metrics *metrics, struct known *known)
{
    (void)metrics;
    for (unsigned level = 0; level < LEVELS; level++) {
        free(known->sums[level]);
    }
    free(known->now);
    free(known->last);
    free(known);
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    if (metrics->timer != NULL) {
        keep(metrics);
        for (unsigned level = 1; level < LEVELS; level++) {
            write_sums(metrics, level);
        }
        uv_close((uv_handle_t *)metrics->timer, on_closed);
    }
    for (unsigned level = 0; level < LEVELS; level++) {
        metrics_file_close(metrics->files[level]);
    }
    for_each(metrics, free_one);
    map_free(metrics->known);
    meter_unmap(metrics->meter);
    free(metrics);
}

/* ---- questions ---- */

const struct metrics_row *metrics_rows(struct metrics *metrics, struct arena *arena,
                                       uint64_t service, int64_t period_s, unsigned *span_s,
                                       size_t *count)
{
    unsigned level = 0;
    while (level + 1 < LEVELS && period_s > levels[level].period_s) {
        level++;
    }
    *span_s = levels[level].span_s;
    const struct metrics_row *kept =
        metrics_file_rows(metrics->files[level], arena, service,
                          clock_wall_us() / 1000000 - period_s, METRICS_POINTS_MAX, count);
    const struct known *known = map_find(metrics->known, key_of(&service));
    if (known == NULL || known->sums[level] == NULL) {
        return kept;
    }
    /* The interval that is being filled. */
    struct metrics_row *rows = arena_alloc(arena, (*count + 1) * sizeof(*rows));
    memcpy(rows, kept, *count * sizeof(*rows));
    rows[*count] = *known->sums[level];
    rows[*count].time_s = metrics->begun_s[level];
    (*count)++;
    return rows;
}

void metrics_each_now(struct metrics *metrics,
                      void (*visit)(void *ctx, const struct metrics_now *now), void *ctx)
{
    size_t at = 0;
    struct slice key;
    void *value;
    look(metrics);
    while (map_next(metrics->known, &at, &key, &value)) {
        const struct known *known = value;
        visit(ctx, &(struct metrics_now){known->service, counts_of(known->now), &known->running,
                                         known->requests_per_s, known->refused_per_s});
    }
    for_each(metrics, forget_now);
}

int64_t metrics_quantile_us(const uint32_t buckets[METER_LATENCIES], double part)
{
    uint64_t all = 0, below = 0;
    for (unsigned i = 0; i < METER_LATENCIES; i++) {
        all += buckets[i];
    }
    double wanted = part * (double)all;
    for (unsigned i = 0; i < METER_LATENCIES; i++) {
        if (buckets[i] > 0 && (double)(below + buckets[i]) >= wanted) {
            int64_t from = i == 0 ? 0 : meter_latency_bound_us(i - 1);
            int64_t to = i == METER_LATENCIES - 1 ? from : meter_latency_bound_us(i);
            double inside = (wanted - (double)below) / buckets[i];
            return from + (int64_t)((double)(to - from) * (inside < 0 ? 0 : inside));
        }
        below += buckets[i];
    }
    return 0;
}

void metrics_each_instance(const struct metrics *metrics,
                           void (*visit)(void *ctx, const struct meter_instance *instance),
                           void *ctx)
{
    if (metrics != NULL) {
        meter_each_instance(metrics->meter, visit, ctx);
    }
}
