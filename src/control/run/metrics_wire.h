/*
 * Metrics as one node of a cluster tells them to another, and how those of several nodes become
 * one: counts add up, and so do instances, but for pods, which all nodes see.
 */
#pragma once

#include "control/run/metrics.h"

/* What a service did over time: rows of one span. */
json_t *metrics_rows_write(const struct metrics_row *rows, size_t count);
/*
 * ROWS, oldest first, and those of OTHER (as written above; NULL: none) as one list in ARENA,
 * *count of them. PODS: the instances are the same. False: OTHER is of another version, or no such
 * list.
 */
bool metrics_rows_merge(struct arena *arena, const struct metrics_row **rows, size_t *count,
                        const json_t *other, bool pods);

/* A service now, without its rates, and the reading of that, which is valid as long as *counts and
 * *running. */
json_t *metrics_now_write(const struct metrics_now *now);
bool metrics_now_read(const json_t *value, struct meter_counts *counts,
                      struct meter_running *running, struct metrics_now *out);
