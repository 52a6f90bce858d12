#include "control/publish/turn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/log.h"

enum { IN_LINE_MAX = 2000, IN_LINE_US_MAX = 10 * 1000000 };

struct turn {
    struct control *control;
    void (*fn)(void *ctx);
    void (*call)(void *ctx, enum turn_end end); /* instead of FN */
    void *ctx;
    int64_t since_us;
    TAILQ_ENTRY(turn) next;
};

/* What a suspended fiber waits for. */
struct waiting {
    struct turns *turns;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_work_t work;
    void (*fn)(void *arg);
    void *arg;
    int open; /* handles that are not closed yet */
    bool came;
};

struct turns {
    struct control *control;
    void (*before)(struct control *control);
    struct fiber *fiber;
    bool busy;
    TAILQ_HEAD(, turn) line;
    size_t count;
};

/* ---- waiting ---- */

static void go_on(struct turns *turns);

static void on_handle_closed(uv_handle_t *handle)
{
    struct waiting *waiting = handle->data;
    if (--waiting->open == 0) {
        go_on(waiting->turns);
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
    (void)status, (void)events; /* an error is for whoever reads */
    waiting->came = true;
    stop_waiting(waiting);
}

static void on_time(uv_timer_t *timer)
{
    stop_waiting(timer->data);
}

/* On the fiber's own stack: WAITING lives there until the handles are closed. */
static bool wait_by_loop(void *ctx, int fd, short events, int64_t deadline_us)
{
    struct turns *turns = ctx;
    struct waiting waiting = {.turns = turns};
    int64_t left_us = deadline_us - clock_mono_us();
    uv_timer_init(turns->control->loop, &waiting.timer);
    waiting.timer.data = &waiting;
    waiting.open = 1;
    if (fd >= 0 && uv_poll_init(turns->control->loop, &waiting.poll, fd) == 0) {
        waiting.poll.data = &waiting;
        waiting.open = 2;
        uv_poll_start(&waiting.poll,
                      ((events & POLLIN) != 0 ? UV_READABLE : 0) |
                          ((events & POLLOUT) != 0 ? UV_WRITABLE : 0) | UV_DISCONNECT,
                      on_ready);
    }
    uv_update_time(turns->control->loop); /* the work before us may have taken long */
    uv_timer_start(&waiting.timer, on_time, left_us > 0 ? (uint64_t)(left_us + 999) / 1000 : 0, 0);
    fiber_suspend();
    errno = waiting.came ? 0 : ETIMEDOUT;
    return waiting.came;
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
    go_on(waiting->turns);
}

static void run_away(void *ctx, void (*fn)(void *arg), void *arg)
{
    struct turns *turns = ctx;
    struct waiting waiting = {.turns = turns, .fn = fn, .arg = arg};
    waiting.work.data = &waiting;
    if (uv_queue_work(turns->control->loop, &waiting.work, work_away, on_worked) == 0) {
        fiber_suspend();
    }
}

/* ---- one after the other ---- */

static void run_turn(void *ctx)
{
    struct turn *turn = ctx;
    struct control *control = turn->control;
    store_turn(control->store);
    if (store_must_follow(control->store)) {
        control->turns->before(control);
    }
    if (turn->call == NULL) {
        turn->fn(turn->ctx);
    } else {
        bool late = clock_mono_us() - turn->since_us > IN_LINE_US_MAX;
        turn->call(turn->ctx, late ? TURN_LATE : TURN_COME);
    }
    free(turn);
}

/* Those in line, until one of them has to wait. */
static void run_line(struct turns *turns)
{
    struct turn *turn;
    while (!turns->busy && (turn = TAILQ_FIRST(&turns->line)) != NULL) {
        TAILQ_REMOVE(&turns->line, turn, next);
        turns->count--;
        turns->busy = true;
        turns->busy = !fiber_run(turns->fiber, run_turn, turn);
    }
}

static void go_on(struct turns *turns)
{
    turns->busy = !fiber_resume(turns->fiber);
    run_line(turns);
}

bool turn_is_ours(const struct control *control)
{
    return control->turns == NULL || fiber_current() == control->turns->fiber;
}

bool turn_is_taken(const struct control *control)
{
    return control->turns != NULL && control->turns->busy;
}

static void stand_in_line(struct turns *turns, const struct turn *wanted)
{
    struct turn *turn = malloc(sizeof(*turn));
    if (turn == NULL) {
        abort();
    }
    *turn = *wanted;
    turn->control = turns->control;
    turn->since_us = clock_mono_us();
    TAILQ_INSERT_TAIL(&turns->line, turn, next);
    turns->count++;
    run_line(turns);
}

void turn_run(struct control *control, void (*fn)(void *ctx), void *ctx)
{
    if (turn_is_ours(control)) {
        fn(ctx);
    } else {
        stand_in_line(control->turns, &(struct turn){.fn = fn, .ctx = ctx});
    }
}

bool turn_try(struct control *control, void (*fn)(void *ctx, enum turn_end end), void *ctx)
{
    if (turn_is_ours(control)) {
        fn(ctx, TURN_COME);
        return true;
    }
    if (control->turns->count >= IN_LINE_MAX) {
        return false;
    }
    stand_in_line(control->turns, &(struct turn){.call = fn, .ctx = ctx});
    return true;
}

/* ---- their own life ---- */

struct turns *turns_new(struct control *control, void (*before)(struct control *control))
{
    if (!store_is_shared(control->store)) {
        return NULL;
    }
    struct turns *turns = calloc(1, sizeof(*turns));
    if (turns == NULL) {
        abort();
    }
    turns->control = control;
    turns->before = before;
    turns->fiber = fiber_new();
    TAILQ_INIT(&turns->line);
    store_set_host(control->store,
                   &(struct store_host){.wait = wait_by_loop, .away = run_away, .ctx = turns});
    return turns;
}

void turns_free(struct turns *turns)
{
    if (turns == NULL) {
        return;
    }
    while (turns->busy && uv_run(turns->control->loop, UV_RUN_ONCE) != 0) {
    }
    if (turns->busy) {
        log_warn("turn: a change was still waiting for its answer");
        return; /* the process ends now */
    }
    fiber_free(turns->fiber);
    free(turns);
}
