/*
 * Instances that were made ready to run and wait, one for each of the revisions that went to sleep
 * last: a request then finds namespaces, mounts, limits and network in place, and only the program
 * has to be started. Bounded by number and by the memory of the machine; the one that waits longest
 * goes first.
 */
#pragma once

#include <sys/queue.h>

struct engine;
struct instance;
struct revision;

struct pool {
    TAILQ_HEAD(, instance) waiting; /* oldest first */
    unsigned count, max;
};

/* MOST: how many may wait, where the machine's memory allows it. */
void pool_init(struct pool *pool, unsigned most);

/* REVISION has gone to sleep: one instance is prepared for it, if there is none. */
void pool_offer(struct revision *revision);
/* One of REVISION that waits, or is still being prepared, now the caller's to wake; NULL: none. */
struct instance *pool_take(struct revision *revision);
/* INSTANCE has ended, whether it waits here or not. */
void pool_forget(struct engine *engine, struct instance *instance);
