/* What the files of the engine share: its state, and what they ask of each other. */
#pragma once

#include "base/map.h"
#include "engine/autoscale.h"
#include "engine/backend.h"
#include "engine/pool.h"
#include "index/index.h"
#include "ipc/ipc.h"
#include "ipc/meter.h"

struct instance;

struct engine {
    uv_loop_t *loop;
    struct net *net;
    struct board *board;
    struct meter *meter;
    struct logs *logs;
    const struct engine_backend *kind;
    struct backend *backend;
    char index_dir[4200];
    struct index_run *run; /* NULL until control has made it */
    int64_t idle_us;
    int wake_fds[BOARD_WORKERS];
    struct ipc_channel *control;
    struct ipc_channel *supervisor;
    struct ipc_channel *metadata; /* NULL if there is no metadata server */
    struct ipc_channel *workers[BOARD_WORKERS];
    struct map *revisions; /* by ID; only those that have something going on */
    struct instance *by_slot[BOARD_INSTANCES];
    unsigned instances; /* of all revisions, also those that wait or are ending */
    struct pool pool;
    uv_timer_t tick; /* once a second while revisions is not empty */
    uv_timer_t walk; /* over all revisions, for minimums, when something has changed */
    uint64_t walk_at;
    bool walk_again;
    bool draining;
    uint64_t ticks;
    struct listeners listeners; /* of the machine, during a tick */
    struct secrets_asks secrets_asks;
};

/* ---- engine.c ---- */

void engine_tick_start(struct engine *engine);

/* Looks at the newest commit. False while there is no run index. */
bool engine_look(struct engine *engine);
void engine_instance_added(struct engine *engine);
/* One has ended for good; a draining engine leaves with the last. */
void engine_instance_removed(struct engine *engine);

/* ---- revision.c ---- */

struct revision {
    bool listed; /* in engine->revisions; else it waits for its timer to close */
    struct engine *engine;
    uint64_t id;
    struct run_record *record;
    struct instance *instances; /* all that have not ended */
    uint32_t waiting[BOARD_WORKERS];
    struct autoscale_window window;
    uint32_t inflight_before; /* a second ago */
    int64_t surplus_since_us; /* 0: there is none */
    uint32_t failures;        /* of starts, in a row, or crashes soon after */
    int64_t failed_us;        /* the last of them */
    int64_t backoff_until_us;
    uv_timer_t retry; /* at the end of the back-off */
    unsigned lost_ports;
    bool check_wanted; /* control waits to hear how a start goes */
    bool gone;         /* the index has it no more */
};

/* What a worker says: so many wait. */
void revision_demand(struct engine *engine, uint64_t id, unsigned worker, uint32_t waiting);
/* What control says. */
void revision_check(struct engine *engine, uint64_t id);
void revision_gone(struct engine *engine, uint64_t id);
/* The index has news: records of those that are known are read again, or they end. */
void revisions_changed(struct engine *engine);
/* JSON is a record that may ask for a minimum: it is brought up to it. */
void revision_minimum(struct engine *engine, struct slice json);
void revisions_worker_gone(struct engine *engine, unsigned worker);
void revisions_tick(struct engine *engine);
/* The metadata process has been restarted: it hears of every instance. */
void revisions_tell_metadata(struct engine *engine);
/* Tells the meter what runs. */
void revisions_count(struct engine *engine);
/* Ends all instances; nothing is started any more. */
void revisions_drain(struct engine *engine);

/* What instances report. */
void revision_on_ready(struct revision *revision, const struct instance *instance);
void revision_on_failed(struct revision *revision, struct instance *instance);
void revision_on_gone(struct revision *revision, struct instance *instance);
