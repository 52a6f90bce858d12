/*
 * What instances write, one JSON object on each line of the file that the supervisor opened:
 * {"time","stream","service","revision","project","region","instance","container","text"}.
 * stream is "stdout", "stderr", or "system" for the engine's own messages about the instance.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

enum log_stream { LOG_STDOUT, LOG_STDERR, LOG_SYSTEM };

struct logs; /* opaque */

/* FD is not closed; -1: lines go nowhere. Over MAX bytes the file keeps its newest quarter. */
struct logs *logs_new(int fd, off_t bytes_max);
void logs_free(struct logs *logs);
/* Closes the file, and goes on in FD, a fresh one, which is the log's from now on. */
void logs_turn(struct logs *logs, int fd);

/* The source of lines, and how much it may still write now. Texts belong to the caller. */
struct log_source {
    const char *service, *revision, *project, *region, *instance;
    int64_t budget_bytes;
    int64_t budget_at_us; /* 0 at first */
    uint64_t dropped;     /* lines, since the last one that was written */
};

void logs_write(struct logs *logs, struct log_source *source, enum log_stream stream,
                const char *container, struct slice text);
void logs_system(struct logs *logs, struct log_source *source, const char *container,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Bytes of one stream, as they come, into lines. */
struct log_lines {
    struct logs *logs;
    struct log_source *source;
    enum log_stream stream;
    const char *container;
    struct buffer partial;
    char last[256]; /* the last line that was not empty, shortened */
};

void log_lines_init(struct log_lines *lines, struct logs *logs, struct log_source *source,
                    enum log_stream stream, const char *container);
void log_lines_add(struct log_lines *lines, struct slice bytes);
/* Writes what has no end of line, and frees. */
void log_lines_done(struct log_lines *lines);
