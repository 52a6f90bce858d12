/*
 * Turns: who may work on the record now.
 *
 * With the record in a file, everything that comes into control (a call, a message, a timer) is
 * done when its callback returns, so that no two of them ever meet. With the record on a server a
 * change waits for an answer, and control's loop must go on: each such entry then runs on a fiber,
 * one after the other. What comes while one of them waits stands in line; what only reads need not.
 */
#pragma once

#include "control/control.h"

struct turns; /* opaque */
struct fiber;

/* What a call that waits too long for its turn, or finds too long a line, is told. */
enum turn_end {
    TURN_COME,
    TURN_LATE, /* it stood in line for too long: the work must not be begun any more */
};

/*
 * From now on the store waits by the loop. NULL if the record is in a file: then turns cost
 * nothing. BEFORE is run at the beginning of a turn that finds the copy behind the server.
 */
struct turns *turns_new(struct control *control, void (*before)(struct control *control));
/* Those who have begun end first: the loop runs until they have. */
void turns_free(struct turns *turns);

/*
 * Runs FN now, or when those before it are done. Inside of a turn: now. CTX must live until then.
 * turn_run() is for what may not be left out; a call uses turn_try(): false if too many wait, and
 * FN is told whether its turn came in time.
 */
void turn_run(struct control *control, void (*fn)(void *ctx), void *ctx);
bool turn_try(struct control *control, void (*fn)(void *ctx, enum turn_end end), void *ctx);
/* Like turn_run(), before all others in the queue; never inside of a turn. */
void turn_run_next(struct control *control, void (*fn)(void *ctx), void *ctx);
/* Goes on with the line: for who has put something into it from a fiber of another kind. */
void turn_step(struct control *control);

/*
 * Whose work is done, and only its answer has to wait, stands aside: others have their turns
 * meanwhile, and may change everything. turn_leave_begin() gives the fiber that turn_return()
 * brings back, NULL if too many stand aside, or this is no turn; then turn_leave() returns once it
 * was.
 */
struct fiber *turn_leave_begin(struct control *control);
void turn_leave(struct control *control);
/* FIBER is next. */
void turn_return(struct control *control, struct fiber *fiber);

/*
 * For how long work that other nodes outrun is done anew. By time, not by number: where several
 * nodes change without a pause, one may lose many times in a row. Less than the eight seconds that
 * calls wait for their turn.
 */
enum { TURN_AGAIN_US = 5 * 1000 * 1000 };

/* Inside of a turn whose change was outrun by another node: takes up what that has changed, so that
 * the work can be done anew. False: it was not outrun. */
bool turn_catch_up(struct control *control);

/* Whether a change may be begun here. */
bool turn_is_ours(const struct control *control);
/* Whether a turn waits for the server now. */
bool turn_is_taken(const struct control *control);
