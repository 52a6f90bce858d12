/* Running one of the tools that containers are made with: crun, skopeo, umoci. */
#pragma once

#include <uv.h>

#include "engine/children.h"

struct tool; /* opaque: one run */

/* GOOD: it ended with status 0. TEXT: the last that it said (on both outputs), without its end of
 * line; good during the call. */
typedef void (*tool_done)(void *ctx, bool good, const char *text);

/* ARGV ends with NULL; its first word is looked for in the standard PATH. NULL and a sentence if it
 * is not there. DONE comes from the loop, once; TIMEOUT_S later it is killed, and has failed. */
struct tool *tool_run(uv_loop_t *loop, struct children *children, const char *const *argv,
                      unsigned timeout_s, tool_done done, void *ctx, struct error *err);
/* Kills it; DONE does not come. NULL is fine. */
void tool_cancel(struct tool *tool);

/* Like the function above, but waits for the end: for use when no loop runs. */
bool tool_run_now(const char *const *argv);
/* The same, but it is killed after TIMEOUT_S; what it said, as far as it fits and without its last
 * end of line, goes to TEXT. */
bool tool_ask_now(const char *const *argv, unsigned timeout_s, char *text, size_t size);
/* The path of NAME in the standard PATH, in OUT; false if it is not there. */
bool tool_find(const char *name, char out[4096]);
