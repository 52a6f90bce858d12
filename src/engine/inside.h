/* Shared by the files of the engine: its state, and the functions they call of each other. */
#pragma once

#include <sys/queue.h>

#include "base/map.h"
#include "engine/autoscale.h"
#include "engine/backend.h"
#include "index/index.h"
#include "ipc/ipc.h"
#include "ipc/meter.h"

struct instance;
struct revision;

/*
 * Instances that wait, one for each of the revisions that went to sleep last. Bounded by number and
 * by the memory of the machine; the one that waits longest goes first. There are two kinds:
 *
 * prepared: made ready to run, and not started. A request finds namespaces, mounts, limits and
 * network in place, and only the program has to be started.
 * frozen: stopped in the midst of running. A request finds the program as the last one left it.
 */
struct pool {
    TAILQ_HEAD(, instance) waiting; /* oldest first */
    unsigned count, max;
    uint64_t bytes_max; /* of frozen ones: what they may take of memory together */
};

struct engine {
    uv_loop_t *loop;
    struct net *net;
    struct board *board;
    struct meter *meter;
    struct logs *logs;
    const struct engine_backend *kind;
    struct backend *backend;
    char index_dir[4200], notes_dir[4200];
    struct index_run *run; /* NULL until control has made it */
    int64_t idle_us;
    int wake_fds[BOARD_WORKERS];
    struct ipc_channel *control;
    struct ipc_channel *supervisor;
    struct ipc_channel *metadata; /* NULL if there is no metadata server */
    char metadata_host[64];       /* HOST:PORT at this machine's loopback; "" likewise */
    struct ipc_channel *workers[BOARD_WORKERS];
    uint64_t workers_run;  /* one bit for each worker that has reported in; messages to others would
                              be lost */
    struct map *revisions; /* by ID; only those that have something going on */
    struct instance *by_slot[BOARD_INSTANCES];
    unsigned instances; /* of all revisions, also those that wait or are ending */
    struct pool prepared, frozen;
    uv_timer_t tick; /* once a second while revisions is not empty */
    uv_timer_t walk; /* over all revisions, for minimums, when something has changed */
    uint64_t walk_at;
    uv_timer_t sweep; /* see sweep.c */
    uint64_t sweep_at;
    int64_t swept_us;
    bool walk_again;
    bool draining;
    uint64_t ticks;
    bool shared;            /* other nodes of the cluster see the same instances: places.c */
    uint32_t tenure;        /* of what this node holds of them; 0: not known yet */
    uint32_t places_number; /* of the last statement to control */
    uv_timer_t places;
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
    bool listed; /* it is in engine->revisions; otherwise it only waits for its timer to close */
    struct engine *engine;
    uint64_t id;
    struct run_record *record;
    struct instance *instances; /* all that have not ended */
    uint32_t waiting[BOARD_WORKERS];
    struct autoscale_window window;
    uint32_t inflight_before; /* a second ago */
    int64_t surplus_since_us; /* 0: there is none */
    uint32_t failures;        /* of starts, in a row, or crashes soon after */
    uint32_t start_failures;  /* of starts alone, since the last that was ready */
    int64_t failed_us;        /* the last of them */
    int64_t backoff_until_us;
    uv_timer_t retry; /* at the end of the back-off */
    unsigned lost_ports;
    struct fleet *fleet;   /* of a cluster; NULL: not attached */
    struct places *places; /* where nodes share its instances; NULL: nothing was looked at yet */
    bool check_wanted;     /* control waits to hear how a start goes */
    bool gone;             /* the index has it no more */
};

/* A worker reports how many requests wait. */
void revision_demand(struct engine *engine, uint64_t id, unsigned worker, uint32_t waiting);
/* WORKER has started and knows no instance: all are announced to it. */
void revisions_tell_worker(struct engine *engine, unsigned worker);
/* A message of control. */
void revision_check(struct engine *engine, uint64_t id);
void revision_gone(struct engine *engine, uint64_t id);
/* The index has news: records of those that are known are read again, or they end. */
void revisions_changed(struct engine *engine);
/* JSON is a run record that may ask for a minimum of instances: starts what is missing. */
void revision_minimum(struct engine *engine, struct slice json);
void revisions_worker_gone(struct engine *engine, unsigned worker);
void revisions_tick(struct engine *engine);
/* An instance that an engine before us has left, from what instance_save() noted. NULL and why if
 * it does not run any more, or the board has it no more. */
struct instance *revision_adopt(struct engine *engine, const json_t *note, struct error *err);
/* The metadata process was restarted: every instance is announced to it. */
void revisions_tell_metadata(struct engine *engine);
void revisions_each(struct engine *engine, void (*visit)(struct revision *revision));
/* Requests that wait, over all workers. */
uint32_t revision_waiting(const struct revision *revision);
/* Tells the meter what runs. */
void revisions_count(struct engine *engine);
/* Ends all instances; nothing is started any more. */
void revisions_drain(struct engine *engine);

/* ---- fleets.c: what is there of a revision in a cluster ---- */

/* Subscribes to what runs in the cluster; does nothing for a backend without one. */
void fleets_listen(struct engine *engine);
/* JSON is a run record: looks for existing fleets of its project. */
void fleets_look_at(struct engine *engine, struct slice json);
/* As many members as there are instances that live, or wait for one. */
void fleets_scale(struct revision *revision);
/* INSTANCE has what it needs to be made. */
void fleets_start(struct instance *instance);
/* INSTANCE, which an engine before this one has left, is the member NAME. */
void fleets_adopt(struct instance *instance, const char *name);
void fleets_detach(struct revision *revision);
/* Whether this engine is the one that ends instances; always true for instances of this machine. */
bool fleets_lead(const struct engine *engine);
/* Another may lead from now on. */
void fleets_leave(struct engine *engine);
/* Tells the other engines how many requests are under way or waiting here; and returns how many are
 * there. */
void fleets_tell_load(struct revision *revision, uint32_t requests);
uint32_t fleets_other_load(const struct revision *revision);

/* The cluster runs MEMBERS of a revision that no engine has asked for: this engine takes them over.
 */
void revision_found(struct engine *engine, uint64_t id, uint32_t members);
/* Another engine wants MEMBERS of a revision. */
void revision_raise(struct revision *revision, uint32_t members);
/* Something has changed that may take another instance. */
void revision_look(struct revision *revision);
/* How many instances there may be: the maximum, or one if that is 0 and control checks it. */
uint32_t revision_most(const struct revision *revision);
/* How many are needed for requests, or for control's check, without the minimum. */
uint32_t revision_asked(const struct revision *revision);

/* What instances report. */
void revision_on_ready(struct revision *revision, const struct instance *instance);
void revision_on_failed(struct revision *revision, struct instance *instance);
void revision_on_gone(struct revision *revision, struct instance *instance);

/* ---- places.c: what this node has of instances that other nodes send requests to as well ---- */

void places_start(struct engine *engine, const struct settings *settings);
/* INSTANCE gets its slot: so many places are its own at once. */
uint32_t places_first(const struct instance *instance);
/* It was adopted, with the limit that the board has. */
void places_adopt(struct instance *instance);
/* Something has changed: others hear what we lack, and get what they may. Nothing if no node
 * shares. */
void places_look(struct revision *revision);
/* REVISION is forgotten. */
void places_end(struct revision *revision);
/* Requests wait here, and those that other nodes have under way will not end soon: so many. */
uint32_t places_elsewhere(const struct revision *revision);
/* What control says. */
void places_on_told(struct engine *engine, const void *body, size_t bytes);
void places_on_tenure(struct engine *engine, uint32_t tenure);

/* ---- pool.c ---- */

/* The most that may wait of each kind, where the machine's memory allows it. */
void pools_init(struct engine *engine, unsigned prepared, unsigned frozen);
/* REVISION has gone to sleep: prepares one instance for it, if none waits. */
void pool_prepare(struct revision *revision);
/* INSTANCE has nothing to do: freezes it, if that is allowed and no other of its revision is
 * frozen. */
bool pool_freeze(struct instance *instance);
/* Takes an instance of REVISION that waits in POOL, or is still being prepared; the caller owns it.
 * NULL: there is none. */
struct instance *pool_take(struct pool *pool, const struct revision *revision);
/* INSTANCE has ended, whether it waits or not. */
void pool_forget(struct instance *instance);

/* ---- adopt.c ---- */

/*
 * Instances outlive the engine that started them. For each one that is ready a file says what the
 * next engine needs to take it over: as long as the board still has its slot, requests go on
 * meanwhile. The files are for the life of the machine, and are not synced to disk.
 */

/* INSTANCE is ready: writes its file. */
void adopt_note(const struct instance *instance);
/* The instance ends, so its saved state is removed: no later engine may adopt it. */
void adopt_forget(const struct instance *instance);
/*
 * Adopts what the last engine has left: instances that run and are on the board are ours from here
 * on; all others end, and their slots are free. Called once, before any message is sent.
 */
void adopt_all(struct engine *engine);

/* ---- sweep.c ---- */

/* Images that no revision names are removed from time to time. */
void sweep_start(struct engine *engine);
/* A revision has gone, and perhaps the last use of its images. */
void sweep_soon(struct engine *engine);
