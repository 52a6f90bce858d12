/*
 * The meter: one shared-memory segment in which workers count what they served and the engine says
 * what runs. Each row has one writer, so counting is an addition without a lock; control reads, and
 * may see a count of one request and not yet its latency. Nothing here blocks, and nothing is
 * logged.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/slice.h"
#include "ipc/board.h"

enum {
    METER_CLASSES = 5,    /* statuses 1xx to 5xx */
    METER_REASONS = 32,   /* why the gate refused: numbers of rungs (policy/decide.h) */
    METER_LATENCIES = 48, /* see meter_latency_bound_us() */
    METER_SERVICES =
        1024 /* hosts that one worker counts separately; all further ones share one row */
};

/* Sums since the start of Homerun. */
struct meter_counts {
    uint64_t classes[METER_CLASSES];
    uint64_t refused[METER_REASONS];
    uint64_t latencies[METER_LATENCIES]; /* of what was not refused */
    uint64_t latency_us;                 /* the sum of them */
    uint64_t request_bytes, response_bytes;
};

/* What the engine runs of a service now. cpu_us is the only sum over time: for the engine, the use
 * since its last look; for a reader, since the start. */
struct meter_running {
    uint64_t starting, ready, draining; /* instances */
    uint64_t requests;                  /* in flight */
    uint64_t memory_bytes;
    uint64_t cpu_us;
};

enum { METER_INSTANCES = BOARD_INSTANCES };

enum meter_state {
    METER_PREPARED, /* waits without running */
    METER_STARTING,
    METER_READY,
    METER_NOT_READY, /* its readiness probe fails: no new requests */
    METER_FROZEN,    /* waits, stopped in the midst of running */
    METER_DRAINING,
    METER_ENDING,
};

/* One instance as of the engine's last look, which it takes once a second. */
struct meter_instance {
    char id[48], project[64], region[64], service[64], revision[64];
    uint64_t state;            /* enum meter_state */
    uint64_t ipv4, port;       /* host order; 0: it is not known yet */
    uint64_t is_v6;            /* ipv6 says where it is, and not ipv4 */
    unsigned char ipv6[16];    /* network order */
    uint64_t own_network;      /* that address is in a network of its own */
    uint64_t requests, places; /* in flight, and how many may be */
    uint64_t memory_bytes, cpu_m;
    uint64_t since_us; /* clock_wall_us() of its start */
};

struct meter; /* opaque: mapped */

/* The supervisor makes it; the others map what they inherited. -1 / NULL and *err on failure. */
int meter_create(struct error *err);
/* WRITES: for workers and the engine; control maps it to read alone. */
struct meter *meter_map(int fd, bool writes, struct error *err);
void meter_unmap(struct meter *meter);

/* ---- a worker's side ---- */

struct meter_request {
    int status;  /* 100 to 599; others are counted as 5xx */
    int refused; /* the rung that refused; -1: the gate let it pass */
    int64_t latency_us;
    uint64_t request_bytes, response_bytes;
};

/* SERVICE: its id in the index, not 0. */
void meter_count(struct meter *meter, unsigned worker, uint64_t service,
                 const struct meter_request *request);

/* ---- the engine's side ---- */

/* Begins one look at all instances: all that is added for one service until meter_running_end() is
 * summed up. */
void meter_running_begin(struct meter *meter);
void meter_running_add(struct meter *meter, uint64_t service, const struct meter_running *running);
/* Adds one instance to the look. Those beyond METER_INSTANCES are left out. */
void meter_instance_add(struct meter *meter, const struct meter_instance *instance);
/* Services to which nothing was added have nothing that runs; their cpu_us stays. Instances that
 * were not added have gone. */
void meter_running_end(struct meter *meter);

/* ---- control's side ---- */

/* Once for each worker that served the service; SERVICE 0: those for which there was no row. */
void meter_each_count(const struct meter *meter,
                      void (*visit)(void *ctx, uint64_t service, const struct meter_counts *counts),
                      void *ctx);
void meter_each_running(const struct meter *meter,
                        void (*visit)(void *ctx, uint64_t service,
                                      const struct meter_running *running),
                        void *ctx);
/* Calls FN for each instance of the engine's last look; its argument is valid during the call. */
void meter_each_instance(const struct meter *meter,
                         void (*visit)(void *ctx, const struct meter_instance *instance),
                         void *ctx);

/* The bucket of a latency, and the bound below which all of that bucket are: two buckets for each
 * doubling, from 128 µs to nine minutes; the last has no bound (INT64_MAX). */
unsigned meter_latency_bucket(int64_t latency_us);
int64_t meter_latency_bound_us(unsigned bucket);
