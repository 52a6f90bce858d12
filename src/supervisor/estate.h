/*
 * The resources that the supervisor keeps open for its children: listening sockets, logs, the
 * board, eventfds and both ends of every channel. Each is opened once, so that the successor of a
 * process that died uses the same ones.
 */
#pragma once

#include "base/buffer.h"
#include "ipc/board.h"
#include "ipc/lease.h"
#include "ipc/meter.h"
#include "supervisor/rights.h"
#include "supervisor/supervisor.h"

/* One number more than workers: a successor starts with it while its predecessor still has its own.
 */
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

/* Discards unread messages in the channels of a worker that has exited: they were not for its
 * successor. */
void estate_empty_worker(const struct estate *estate, unsigned worker);
