/*
 * A fiber: a function with a stack of its own that can stop in the middle, give the thread back to
 * its caller, and be resumed later from where it stopped. Control uses them where a call has to
 * wait for another machine while its loop goes on.
 *
 * One thread runs all fibers of a process; there is nothing to lock. A fiber may not run another.
 */
#pragma once

#include <stdbool.h>

struct fiber; /* opaque */

/* Owned by the caller. The stack is 8 MiB of address space: memory is taken as it is
 * used. An overflow hits a page without access, and ends the process. Never NULL. */
struct fiber *fiber_new(void);
/* Not while it is suspended. */
void fiber_free(struct fiber *fiber);

/* Runs FN until it ends (true) or suspends itself (false). FIBER is idle; no fiber runs. */
bool fiber_run(struct fiber *fiber, void (*fn)(void *ctx), void *ctx);
/* Resumes a suspended FIBER; returns the same as fiber_run(). */
bool fiber_resume(struct fiber *fiber);
/* Inside of a fiber: back to fiber_run() or fiber_resume(). Returns when it is resumed. */
void fiber_suspend(void);
/* The fiber that runs now; NULL outside of any. */
struct fiber *fiber_current(void);
