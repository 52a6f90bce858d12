/*
 * How a fiber waits by control's loop for what another machine says: the store's host (store.h) for
 * a fiber whose owner knows how to go on with it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct waiting; /* what a suspended fiber waits for */

struct loop_wait {
    uv_loop_t *loop;
    void (*go_on)(void *ctx); /* resumes the fiber that waits */
    void *ctx;
    struct waiting *now; /* NULL: nobody waits for a file or a time */
};

/* For struct store_host, with a struct loop_wait as its ctx. Inside of the fiber alone. */
bool loop_wait_file(void *ctx, int fd, short events, int64_t deadline_us);
void loop_wait_away(void *ctx, void (*fn)(void *arg), void *arg);

/* Ends the wait of now as if its time had come; nothing if there is none. */
void loop_wait_wake(struct loop_wait *wait);
