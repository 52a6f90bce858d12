#include "control/run/checks.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

enum { ASK_EVERY_MS = 60000, CHECK_ATTEMPT_MS = 120000 };

struct check {
    uint64_t id;
    char *key;
    int64_t asked_us; /* monotonic; 0: not yet */
    struct check *next;
};

struct revision_checks {
    uv_timer_t *again; /* on the heap: it outlives us until the loop has closed it */
    struct check *first;
};

void revision_check_begin(struct control *control, uint64_t revision_id, const char *key)
{
    struct check *check = mem_new(struct check);
    check->id = revision_id;
    check->key = mem_dup(key);
    check->next = control->checks->first;
    control->checks->first = check;
}

const char *revision_check_find(struct control *control, uint64_t revision_id)
{
    struct check *check = control->checks->first;
    while (check != NULL && check->id != revision_id) {
        check = check->next;
    }
    return check == NULL ? NULL : check->key;
}

static void check_remove(struct check **at)
{
    struct check *check = *at;
    *at = check->next;
    free(check->key);
    free(check);
}

void revision_check_end(struct control *control, uint64_t revision_id)
{
    struct check **at = &control->checks->first;
    while (*at != NULL) {
        if ((*at)->id == revision_id) {
            check_remove(at);
        } else {
            at = &(*at)->next;
        }
    }
}

static void engine_ask(struct control *control, struct check *check)
{
    struct msg_revision message = {.revision_id = check->id};
    check->asked_us = clock_mono_us();
    if (control->engine != NULL &&
        !ipc_send(control->engine, MSG_CHECK_REVISION, &message, sizeof(message))) {
        log_warn("check: revision=%s: engine's queue is full, will ask again", check->key);
    }
}

void revision_checks_ask(struct control *control)
{
    int64_t now = clock_mono_us();
    for (struct check *check = control->checks->first; check != NULL; check = check->next) {
        if (check->asked_us == 0 || now - check->asked_us > CHECK_ATTEMPT_MS * 1000) {
            engine_ask(control, check);
        }
    }
}

void revision_checks_ask_again(struct control *control)
{
    for (struct check *check = control->checks->first; check != NULL; check = check->next) {
        engine_ask(control, check);
    }
}

static void on_again(uv_timer_t *timer)
{
    revision_checks_ask(timer->data);
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

struct revision_checks *revision_checks_new(struct control *control)
{
    struct revision_checks *checks = mem_new(struct revision_checks);
    checks->again = mem_new(uv_timer_t);
    uv_timer_init(control->loop, checks->again);
    checks->again->data = control;
    uv_unref((uv_handle_t *)checks->again);
    uv_timer_start(checks->again, on_again, ASK_EVERY_MS, ASK_EVERY_MS);
    return checks;
}

void revision_checks_free(struct revision_checks *checks)
{
    while (checks->first != NULL) {
        check_remove(&checks->first);
    }
    uv_close((uv_handle_t *)checks->again, timer_closed);
    free(checks);
}
