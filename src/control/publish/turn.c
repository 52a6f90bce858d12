#include "control/publish/turn.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/memory.h"
#include "control/publish/loop_wait.h"

enum {
    IN_LINE_MAX = 2000,
    IN_LINE_US_MAX = 10 * 1000000,
    ASIDE_MAX = 256, /* fibers that have stood aside */
};

struct turn {
    struct control *control;
    void (*fn)(void *ctx);
    void (*call)(void *ctx, enum turn_end end); /* instead of FN */
    struct fiber *fiber;                        /* instead of both: it stood aside, and goes on */
    void *ctx;
    int64_t since_us;
    TAILQ_ENTRY(turn) next;
};

struct turns {
    struct control *control;
    void (*before)(struct control *control);
    struct fiber *fiber; /* of the turn of now */
    struct fiber *spare; /* NULL: none is idle besides that one */
    struct loop_wait wait;
    bool busy, leaves; /* the turn of now stands aside */
    unsigned aside;
    TAILQ_HEAD(, turn) line;
    size_t count;
};

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

/* An idle fiber takes the place of the one of now, which is given back, or is somebody's. */
static struct fiber *exchange_fiber(struct turns *turns, struct fiber *fiber)
{
    struct fiber *had = turns->fiber;
    turns->fiber = fiber;
    return had;
}

static struct fiber *take_spare(struct turns *turns)
{
    struct fiber *spare = turns->spare;
    turns->spare = NULL;
    return spare == NULL ? fiber_new() : spare;
}

static void give_spare(struct turns *turns, struct fiber *fiber)
{
    if (turns->spare == NULL) {
        turns->spare = fiber;
    } else {
        fiber_free(fiber);
    }
}

/* What becomes of the fiber of now, which has ENDED, or waits. */
static void settle(struct turns *turns, bool ended)
{
    turns->busy = !ended && !turns->leaves;
    if (turns->leaves) {
        turns->leaves = false;
        exchange_fiber(turns, take_spare(turns));
    }
}

static void run_next(struct turns *turns, struct turn *turn)
{
    if (turn->fiber == NULL) {
        settle(turns, fiber_run(turns->fiber, run_turn, turn));
        return;
    }
    give_spare(turns, exchange_fiber(turns, turn->fiber));
    free(turn);
    turns->aside--;
    settle(turns, fiber_resume(turns->fiber));
}

/* Those in line, until one of them has to wait. */
static void run_line(struct turns *turns)
{
    struct turn *turn;
    while (!turns->busy && fiber_current() == NULL && (turn = TAILQ_FIRST(&turns->line)) != NULL) {
        TAILQ_REMOVE(&turns->line, turn, next);
        turns->count--;
        turns->busy = true;
        run_next(turns, turn);
    }
}

static void go_on(void *ctx)
{
    struct turns *turns = ctx;
    settle(turns, fiber_resume(turns->fiber));
    run_line(turns);
}

/* ---- standing aside ---- */

struct fiber *turn_leave_begin(struct control *control)
{
    struct turns *turns = control->turns;
    if (turns == NULL || fiber_current() != turns->fiber || turns->aside >= ASIDE_MAX) {
        return NULL;
    }
    turns->aside++;
    return turns->fiber;
}

void turn_leave(struct control *control)
{
    struct api_call *again = control->again; /* others are done anew meanwhile */
    bool outrun = control->outrun;
    control->turns->leaves = true;
    fiber_suspend();
    control->again = again;
    control->outrun = outrun;
    store_not_outrun(control->store);
    store_turn(control->store);
}

bool turn_is_ours(const struct control *control)
{
    return control->turns == NULL || fiber_current() == control->turns->fiber;
}

bool turn_is_taken(const struct control *control)
{
    return control->turns != NULL && control->turns->busy;
}

static void stand_in_line(struct turns *turns, const struct turn *wanted, bool first)
{
    struct turn *turn = mem_new(struct turn);
    *turn = *wanted;
    turn->control = turns->control;
    turn->since_us = clock_mono_us();
    if (first) {
        TAILQ_INSERT_HEAD(&turns->line, turn, next);
    } else {
        TAILQ_INSERT_TAIL(&turns->line, turn, next);
    }
    turns->count++;
    run_line(turns);
}

void turn_return(struct control *control, struct fiber *fiber)
{
    stand_in_line(control->turns, &(struct turn){.fiber = fiber}, true);
}

void turn_run_next(struct control *control, void (*fn)(void *ctx), void *ctx)
{
    stand_in_line(control->turns, &(struct turn){.fn = fn, .ctx = ctx}, true);
}

void turn_step(struct control *control)
{
    if (control->turns != NULL) {
        run_line(control->turns);
    }
}

void turn_run(struct control *control, void (*fn)(void *ctx), void *ctx)
{
    if (turn_is_ours(control)) {
        fn(ctx);
    } else {
        stand_in_line(control->turns, &(struct turn){.fn = fn, .ctx = ctx}, false);
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
    stand_in_line(control->turns, &(struct turn){.call = fn, .ctx = ctx}, false);
    return true;
}

bool turn_catch_up(struct control *control)
{
    if (!turn_is_ours(control) || !store_was_outrun(control->store)) {
        return false;
    }
    control->turns->before(control);
    store_turn(control->store);
    return !store_must_follow(control->store);
}

/* ---- their own life ---- */

struct turns *turns_new(struct control *control, void (*before)(struct control *control))
{
    if (!store_is_shared(control->store)) {
        return NULL;
    }
    struct turns *turns = mem_new(struct turns);
    turns->control = control;
    turns->before = before;
    turns->fiber = fiber_new();
    TAILQ_INIT(&turns->line);
    turns->wait = (struct loop_wait){.loop = control->loop, .go_on = go_on, .ctx = turns};
    store_set_host(
        control->store,
        &(struct store_host){.wait = loop_wait_file, .away = loop_wait_away, .ctx = &turns->wait});
    return turns;
}

void turns_free(struct turns *turns)
{
    if (turns == NULL) {
        return;
    }
    while ((turns->busy || turns->aside > 0) && uv_run(turns->control->loop, UV_RUN_ONCE) != 0) {
    }
    if (turns->busy || turns->aside > 0) {
        log_warn("turn: a change was still waiting for its answer");
        return; /* the process ends now */
    }
    fiber_free(turns->fiber);
    fiber_free(turns->spare);
    free(turns);
}
