#include "control/operations/waiters.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"

enum { WAITERS_MAX = 1000 };

struct waiter {
    struct api_call *call;
    char *key; /* of the operation */
    waiter_done on_done;
    int64_t deadline_us; /* monotonic */
    struct waiter *next;
};

struct waiters {
    uv_timer_t *deadline; /* on the heap: it outlives us until the loop has closed it */
    struct waiter *first;
    size_t count;
};

static void on_deadline(uv_timer_t *timer);

static void timer_set(struct waiters *waiters)
{
    int64_t first = INT64_MAX;
    for (struct waiter *waiter = waiters->first; waiter != NULL; waiter = waiter->next) {
        first = waiter->deadline_us < first ? waiter->deadline_us : first;
    }
    if (first == INT64_MAX) {
        uv_timer_stop(waiters->deadline);
        return;
    }
    int64_t left_us = first - clock_mono_us();
    uv_timer_start(waiters->deadline, on_deadline, left_us > 0 ? (uint64_t)(left_us / 1000 + 1) : 0,
                   0);
}

/* Takes the waiter out before its call is answered, so that an answer may start anything. */
static void waiter_end(struct waiters *waiters, struct waiter **at)
{
    struct waiter *waiter = *at;
    *at = waiter->next;
    waiters->count--;
    waiter->on_done(waiter->call, waiter->key);
    free(waiter->key);
    free(waiter);
}

static void on_deadline(uv_timer_t *timer)
{
    struct waiters *waiters = timer->data;
    int64_t now = clock_mono_us();
    struct waiter **at = &waiters->first;
    while (*at != NULL) {
        if ((*at)->deadline_us <= now || (*at)->call->exchange == NULL) {
            waiter_end(waiters, at);
        } else {
            at = &(*at)->next;
        }
    }
    timer_set(waiters);
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

struct waiters *waiters_new(uv_loop_t *loop)
{
    struct waiters *waiters = mem_new(struct waiters);
    waiters->deadline = mem_new(uv_timer_t);
    uv_timer_init(loop, waiters->deadline);
    waiters->deadline->data = waiters;
    uv_unref((uv_handle_t *)waiters->deadline);
    return waiters;
}

void waiters_free(struct waiters *waiters)
{
    while (waiters->first != NULL) {
        waiter_end(waiters, &waiters->first);
    }
    uv_close((uv_handle_t *)waiters->deadline, timer_closed);
    free(waiters);
}

bool waiters_add(struct waiters *waiters, struct api_call *call, const char *key, int64_t for_ms,
                 waiter_done on_done)
{
    if (waiters->count >= WAITERS_MAX) {
        return false;
    }
    struct waiter *waiter = mem_new(struct waiter);
    waiter->call = call;
    waiter->key = mem_dup(key);
    waiter->on_done = on_done;
    waiter->deadline_us = clock_mono_us() + for_ms * 1000;
    waiter->next = waiters->first;
    waiters->first = waiter;
    waiters->count++;
    timer_set(waiters);
    return true;
}

void waiters_wake(struct waiters *waiters, const char *key)
{
    struct waiter **at = &waiters->first;
    while (*at != NULL) {
        if (strcmp((*at)->key, key) == 0) {
            waiter_end(waiters, at);
        } else {
            at = &(*at)->next;
        }
    }
    timer_set(waiters);
}
