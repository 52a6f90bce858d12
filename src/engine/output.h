/* What a child writes: one pipe, read as it comes. */
#pragma once

#include <uv.h>

#include "base/slice.h"
#include "engine/logs.h"

struct output; /* opaque */

typedef void (*output_bytes)(void *ctx, enum log_stream stream, struct slice bytes);

/* *WRITE_FD is the child's end, for the caller to close. NULL and errno if there is no pipe. */
struct output *output_new(uv_loop_t *loop, enum log_stream stream, output_bytes on_bytes, void *ctx,
                          int *write_fd);
/*
 * Like the function above, by a FIFO at PATH: the child can write while no process reads, and a
 * later engine can read on. With WRITE_FD NULL the FIFO exists already.
 */
struct output *output_at(uv_loop_t *loop, enum log_stream stream, const char *path,
                         output_bytes on_bytes, void *ctx, int *write_fd);
/* The child has ended: reads what is left, up to a bound. NULL is fine. */
void output_drain(struct output *output);
/* Nothing is reported after it; frees itself. NULL is fine. */
void output_close(struct output *output);
