/*
 * One instance: its containers, their order of starting, probes, its slot on the board, its end.
 *
 *     (PREPARED →) STARTING → READY (⇄ FROZEN) → DRAINING → ENDING → (freed)
 *
 * An instance that fails to start, or loses a container, goes to ENDING from wherever it is.
 */
#pragma once

#include <sys/queue.h>

#include "engine/backend.h"
#include "engine/logs.h"
#include "engine/probe.h"
#include "ipc/ipc.h"

struct revision;
struct instance;

enum instance_phase {
    PHASE_PREPARED, /* made as far as nothing of it runs, or on the way there; not on the board */
    PHASE_STARTING,
    PHASE_READY,
    PHASE_FROZEN,   /* frozen: it keeps its slot, and takes no requests */
    PHASE_DRAINING, /* off the list for new requests; those it has are finished */
    PHASE_ENDING,   /* off the board; its processes have been told */
};

struct container {
    struct instance *instance;
    const struct run_container *spec;
    const char *name; /* for logs */
    struct backend_container *handle;
    uint16_t asked_port; /* of its probes under way, where that is not the instance's address */
    struct probe *startup, *liveness, *readiness;
    struct log_lines lines[2]; /* stdout, stderr */
    bool made, started, passed, exited;
    bool unready; /* its readiness probe has failed */
};

struct instance {
    struct revision *revision;
    struct instance *next;
    struct run_record *record; /* as it was when it started */
    char id[41];
    struct log_source source;
    enum instance_phase phase;
    int slot; /* on the board; -1: none */
    struct board_address address;
    bool family_known; /* a probe has found at which loopback of its own network it listens */
    struct backend_home *home;   /* NULL: not yet */
    struct fleet_member *member; /* of a cluster: which one it is; NULL: none yet */
    char member_name[254];
    bool leaving;                  /* the cluster ends it */
    uint32_t held;                 /* places that this node has of it: places.c */
    const char *metadata;          /* host of its metadata server; NULL: it has none */
    bool metadata_told;            /* whose process knows of it */
    uint64_t services_told;        /* a bit for each worker that knows how it calls services */
    bool killed;                   /* SIGKILL was sent */
    bool can_start;                /* what its containers need is there */
    TAILQ_ENTRY(instance) waiting; /* in this pool: */
    struct pool *pool;             /* NULL: it waits in none */
    bool unready;                  /* one of its containers is: no new requests */
    uv_timer_t timer;
    int64_t started_us, ready_us, drained_us;
    int64_t thawed_us;         /* 0: never */
    int64_t cpu_us, cpu_at_us; /* at the last look */
    double cpu_used;           /* vCPUs */
    struct secrets secrets;    /* until its containers have been started */
    struct secrets_ask secrets_ask;
    unsigned char secrets_sum[SECRETS_SUM_BYTES]; /* of those that it was made with */
    struct secrets renewed; /* what is there anew, until its files have it, or it goes on */
    struct secrets_ask renew_ask;
    int64_t renew_us; /* when it was asked for */
    bool renew_failed;
    int64_t cpu_counted_us; /* of cpu_us, what the meter has been told */
    int64_t memory_bytes;   /* at the last look */
    size_t container_count;
    struct container containers[RUN_CONTAINERS_MAX];

    enum start_failure failure; /* once it has failed to start */
    bool ever_ready;
    bool crashed; /* after it was ready: of itself, or found unwell */
    bool lost_port;
    char why[1024]; /* why it failed or ended */
};

/* Starts an instance; the result is reported to the revision later, never from within this call. */
struct instance *instance_new(struct revision *revision);

/* Sockets inside of its network, at most COUNT, to the worker at the other end of CHANNEL. False if
 * the worker has to ask again. */
bool instance_send_sockets(const struct instance *instance, struct ipc_channel *channel,
                           unsigned count);

/* Like the function above, but the instance waits once it is prepared, until it is woken. If
 * preparing fails it ends without a report. */
struct instance *instance_prepare(struct revision *revision);
void instance_wake(struct instance *instance);

/* Freezes an instance that is ready and has no request: it takes no CPU and is not probed. False if
 * it cannot be frozen, or has got a request meanwhile. */
bool instance_freeze(struct instance *instance);
/* Unfreezes it: it takes requests at once, or ends. One that reads secrets asks first whether they
 * are still what it has. */
void instance_thaw(struct instance *instance);

/* What a later engine needs to adopt INSTANCE; the caller owns it. NULL: not all of its containers
 * are made. */
json_t *instance_save(const struct instance *instance);
/* Adopts a saved instance for REVISION; it is in no list yet. NULL and why. */
struct instance *instance_adopt(struct revision *revision, struct run_record *record,
                                const json_t *note, struct error *err);

/* In a cluster: MEMBER, called NAME, serves at ADDRESS, and is the one that this instance waited
 * for. */
void instance_arrive(struct instance *instance, struct fleet_member *member, const char *name,
                     const struct board_address *address);
/* Whether it may take new requests. */
void instance_set_ready(struct instance *instance, bool ready);
/* The member that it waits for will not come: WHY. */
void instance_refuse(struct instance *instance, enum start_failure failure, const char *why);

/* Hands the listening socket of its metadata server over, if it has one; tried again each second
 * until the metadata process has taken it. */
void instance_tell_metadata(struct instance *instance);

/* Announces the instance to each worker, with the sockets through which it calls other services. */
void instance_tell_services(struct instance *instance);

/* Called once a second: reads its files of secrets of the latest version again now and then. */
void instance_renew_secrets(struct instance *instance);

/* No new requests; it ends when the last has been answered, or at the request timeout. */
void instance_drain(struct instance *instance);
/* SIGTERM now, SIGKILL ten seconds later. WHY goes into the log. */
void instance_end(struct instance *instance, const char *why);

/* Called once a second: ends an instance that has begun to listen where it may not. ALL: the
 * listening sockets of this machine. */
void instance_look_at_listeners(struct instance *instance, const struct listeners *all);
/* Once a second: memory limit and processor time. */
void instance_look(struct instance *instance, bool also_idle);
