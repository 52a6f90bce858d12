/* A process that is not our child, such as one that an engine before us has started. */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct process_watch; /* opaque */

/* What /proc/PID/stat has behind its second field, which is a name and may hold anything: " S 1
 * 2…". In TEXT, of SIZE bytes; NULL if there is no such process. */
const char *process_stat(pid_t pid, char *text, size_t size);

/* The start time of PID in ticks since boot, which together with the number identifies one process.
 * 0 if there is no such process. */
uint64_t process_started(pid_t pid);

/* ENDED comes from the loop, once. NULL if PID is not there, or is not the process that was started
 * then. */
struct process_watch *process_watch_new(uv_loop_t *loop, pid_t pid, uint64_t started,
                                        void (*ended)(void *ctx), void *ctx);
void process_watch_signal(const struct process_watch *watch, int number);
/* ENDED does not come any more. NULL is fine. */
void process_watch_free(struct process_watch *watch);
