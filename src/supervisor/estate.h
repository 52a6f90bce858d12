/*
 * What the supervisor holds for the others: listening sockets, logs, the board, eventfds and both
 * ends of every channel. Opened once, so that a process may die and its successor finds everything
 * where it was.
 */
#pragma once

#include "base/buffer.h"
#include "ipc/board.h"
#include "ipc/lease.h"
#include "ipc/meter.h"
#include "supervisor/rights.h"
#include "supervisor/supervisor.h"

/* One number more than workers: a successor comes up on it while its predecessor still has one. */
enum { WORKERS_MAX = BOARD_WORKERS - 1 };

struct estate {
    int lock; /* DATA/lock, held with flock() */
    int holdings[HOLDINGS];
    int log;             /* DATA/log/homerun.log */
    struct lease *lease; /* of a node of a cluster; else NULL */
    unsigned numbers;    /* worker numbers: workers + 1 */
    int wakes[BOARD_WORKERS];
    int pairs[EDGES][BOARD_WORKERS]
             [2]; /* ends of edge.a and edge.b; column 0 for a single process */
};

/*
 * Opens all of it and fills the URLs and ports of *settings in. On failure nothing stays behind,
 * also no file or folder where a port was taken or another process serves this data folder.
 */
bool estate_open(struct estate *estate, const struct supervisor_plan *plan,
                 struct settings *settings, struct error *err);
void estate_close(struct estate *estate);

/* Settings of later processes. False leaves the old ones. */
bool estate_set_settings(struct estate *estate, const struct settings *settings, struct error *err);

/* Calls EACH for every descriptor that WORKER of ROLE may have, with the name it has there. */
void estate_each(const struct estate *estate, const struct role_rights *rights, unsigned worker,
                 void (*each)(const char *name, int fd, void *ctx), void *ctx);

/* Forgets what lies unread in the channels of a worker that has gone: nobody is meant any more. */
void estate_empty_worker(const struct estate *estate, unsigned worker);
