/*
 * What services did, over time: control looks at the meter every ten seconds and keeps what has
 * changed since, in three bounded files under DATA/metrics: an hour or more by ten seconds, a day
 * by minutes, a week by ten minutes. With many busy services the files reach less far back. A
 * restart of control loses the counts since its last look.
 */
#pragma once

#include "control/control.h"
#include "control/run/metrics_file.h"

enum { METRICS_POINTS_MAX = 2000, METRICS_SERVICES_MAX = 4096 };

struct metrics; /* opaque */

/* Begins to look. NULL and *err if the meter or the files cannot be opened. */
struct metrics *metrics_new(struct control *control, struct error *err);
/* Keeps what is not written yet. */
void metrics_free(struct metrics *metrics);

/*
 * What SERVICE did in the last PERIOD_S seconds, oldest first, in ARENA: rows of *span_s seconds
 * each, and none where nothing happened and nothing ran. Of minutes and longer the last may be of
 * an interval that is not over.
 */
const struct metrics_row *metrics_rows(struct metrics *metrics, struct arena *arena,
                                       uint64_t service, int64_t period_s, unsigned *span_s,
                                       size_t *count);

/* A service now. */
struct metrics_now {
    uint64_t service;
    const struct meter_counts *counts; /* since the start */
    const struct meter_running *running;
    double requests_per_s; /* in the last ten seconds */
    double refused_per_s;
};
/* Each service that was ever asked for since the start, or of which something runs, in no order. */
void metrics_each_now(struct metrics *metrics,
                      void (*visit)(void *ctx, const struct metrics_now *now), void *ctx);

/* The latency below which PART (0.95) of what is counted in BUCKETS lies, in µs; 0 if nothing is.
 */
int64_t metrics_quantile_us(const uint32_t buckets[METER_LATENCIES], double part);

/* Once for each instance, as the engine saw it within the last second or so. */
void metrics_each_instance(const struct metrics *metrics,
                           void (*visit)(void *ctx, const struct meter_instance *instance),
                           void *ctx);
