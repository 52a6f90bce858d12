#include "control/publish/loop_wait.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/fiber.h"

struct waiting {
    struct loop_wait *wait;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_work_t work;
    void (*fn)(void *arg);
    void *arg;
    int open; /* handles that are not closed yet */
    bool came;
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct waiting *waiting = handle->data;
    if (--waiting->open == 0) {
        waiting->wait->go_on(waiting->wait->ctx);
    }
}

static void stop_waiting(struct waiting *waiting)
{
    if (waiting->poll.type == UV_POLL && !uv_is_closing((uv_handle_t *)&waiting->poll)) {
        uv_close((uv_handle_t *)&waiting->poll, on_handle_closed);
    }
    if (!uv_is_closing((uv_handle_t *)&waiting->timer)) {
        uv_close((uv_handle_t *)&waiting->timer, on_handle_closed);
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct waiting *waiting = poll->data;
    (void)status, (void)events; /* an error is seen by the code that reads the file */
    waiting->came = true;
    stop_waiting(waiting);
}

static void on_time(uv_timer_t *timer)
{
    stop_waiting(timer->data);
}

/* On the fiber's own stack: WAITING lives there until the handles are closed. */
bool loop_wait_file(void *ctx, int fd, short events, int64_t deadline_us)
{
    struct loop_wait *wait = ctx;
    struct waiting waiting = {.wait = wait};
    int64_t left_us = deadline_us - clock_mono_us();
    uv_timer_init(wait->loop, &waiting.timer);
    waiting.timer.data = &waiting;
    waiting.open = 1;
    if (fd >= 0 && uv_poll_init(wait->loop, &waiting.poll, fd) == 0) {
        waiting.poll.data = &waiting;
        waiting.open = 2;
        uv_poll_start(&waiting.poll,
                      ((events & POLLIN) != 0 ? UV_READABLE : 0) |
                          ((events & POLLOUT) != 0 ? UV_WRITABLE : 0) | UV_DISCONNECT,
                      on_ready);
    }
    uv_update_time(wait->loop); /* the work before us may have taken long */
    uv_timer_start(&waiting.timer, on_time, left_us > 0 ? (uint64_t)(left_us + 999) / 1000 : 0, 0);
    wait->now = &waiting;
    fiber_suspend();
    wait->now = NULL;
    errno = waiting.came ? 0 : ETIMEDOUT;
    return waiting.came;
}

void loop_wait_wake(struct loop_wait *wait)
{
    if (wait->now != NULL) {
        stop_waiting(wait->now);
    }
}

static void work_away(uv_work_t *work)
{
    struct waiting *waiting = work->data;
    waiting->fn(waiting->arg);
}

static void on_worked(uv_work_t *work, int status)
{
    struct waiting *waiting = work->data;
    (void)status;
    waiting->wait->go_on(waiting->wait->ctx);
}

void loop_wait_away(void *ctx, void (*fn)(void *arg), void *arg)
{
    struct loop_wait *wait = ctx;
    struct waiting waiting = {.wait = wait, .fn = fn, .arg = arg};
    waiting.work.data = &waiting;
    if (uv_queue_work(wait->loop, &waiting.work, work_away, on_worked) == 0) {
        fiber_suspend();
    }
}
