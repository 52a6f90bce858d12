/*
 * Calls that wait for an operation: one list and one timer for the earliest of their deadlines.
 */
#pragma once

#include "control/call/call.h"

struct waiters; /* opaque */

/* Called once for each call that waits: when its operation is done, its time is over, its client
 * has left or the process ends. It answers the call. */
typedef void (*waiter_done)(struct api_call *call, const char *operation_key);

struct waiters *waiters_new(uv_loop_t *loop);
/* Answers all of them first. */
void waiters_free(struct waiters *waiters);

/* CALL waits for the operation KEY, for at most FOR_MS. False, and nothing is done, if too many
 * calls wait already. */
bool waiters_add(struct waiters *waiters, struct api_call *call, const char *key, int64_t for_ms,
                 waiter_done on_done);
/* The operation KEY is done: its calls are answered. */
void waiters_wake(struct waiters *waiters, const char *key);
