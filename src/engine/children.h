/* The child processes of the engine, and the orphans that it inherits as a subreaper: each is
 * reaped when it ends. */
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "base/error.h"

struct children; /* opaque; one in a process */

/* Makes this process the reaper of what its children leave behind. NULL and *err on failure. */
struct children *children_new(uv_loop_t *loop, struct error *err);
/* Kills what is left, and frees itself when the loop has closed its handle. */
void children_free(struct children *children);

/* STATUS as waitpid() gives it; comes from the loop, once. */
typedef void (*child_exit)(void *ctx, int status);

/* GROUP: PID leads a process group, the rest of which is killed when it ends. */
void children_watch(struct children *children, pid_t pid, bool group, child_exit on_exit,
                    void *ctx);
/* Whether PID, which was left to us after SINCE_US (clock_mono_us()), has ended already, before it
 * was watched: another process may have had the number before. */
bool children_take_stray(struct children *children, pid_t pid, int64_t since_us, int *status);
/* Stops watching PID: its callback is not called any more. */
void children_forget(struct children *children, pid_t pid);
