/*
 * A bounded history of what services did, in a file: rows of one size in a ring, newest over
 * oldest. A row that a crash has torn is a wrong number and nothing else.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "ipc/meter.h"

/* What one service did, and what ran of it, from time_s on for span_s seconds. */
struct metrics_row {
    int64_t time_s;
    uint64_t service; /* id in the index */
    uint32_t span_s;
    uint32_t classes[METER_CLASSES];
    uint32_t refused[METER_REASONS];
    uint32_t latencies[METER_LATENCIES];
    uint32_t starting, ready, draining, requests; /* the most that were seen */
    uint32_t memory_kib;                          /* the most */
    uint32_t cpu_ms;
    uint32_t spare[3];
};

struct metrics_file; /* opaque */

/* Makes PATH if it is not there, or is of another layout. ROWS: how many it keeps. */
struct metrics_file *metrics_file_open(const char *path, uint32_t rows, struct error *err);
void metrics_file_close(struct metrics_file *file);

bool metrics_file_add(struct metrics_file *file, const struct metrics_row *row, struct error *err);

/*
 * The rows of SERVICE that begin at SINCE_S or later, oldest first, in ARENA; *count of them, at
 * most MAX, the newest. Reads no further back than it has to.
 */
const struct metrics_row *metrics_file_rows(struct metrics_file *file, struct arena *arena,
                                            uint64_t service, int64_t since_s, size_t max,
                                            size_t *count);
