/*
 * The board: one shared-memory segment that says which instances live, where, and how many places
 * are taken. The engine alone adds and removes instances; every worker takes and gives places by
 * compare-and-swap, so that concurrency is strict across workers. Nothing here blocks.
 */
#pragma once

#include <stdatomic.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/slice.h"

enum { BOARD_INSTANCES = 8192, BOARD_REVISIONS = 16384, BOARD_WORKERS = 64, BOARD_LAYOUT = 4 };

enum instance_state {
    INSTANCE_FREE, /* the slot is empty */
    INSTANCE_STARTING,
    INSTANCE_READY,
    INSTANCE_DRAINING, /* no new requests */
};

struct board; /* opaque: mapped */

/* The supervisor makes it; the others map what they inherited. -1 / NULL and *err on failure. */
int board_create(struct error *err);
struct board *board_map(int fd, struct error *err);
void board_unmap(struct board *board);

/* ---- the engine's side ---- */

/* Empties it: the engine has just started, so no instance lives. */
void board_reset(struct board *board);
/* The same, but for the slots of which KEEP is true: instances that the last engine has left. Their
 * places stay taken. */
void board_keep(struct board *board, const bool keep[BOARD_INSTANCES]);
/* Whether slot NUMBER belongs to this instance of the last engine, and may be kept. *OUT: its
 * state. */
bool board_holds(const struct board *board, int number, uint32_t generation, uint64_t revision_id,
                 enum instance_state *out);

struct board_address {
    uint32_t ipv4; /* network order */
    uint16_t port; /* host order */
    uint8_t http2;
    uint8_t own_network;    /* in a network of its own: its sockets come from the engine */
    uint8_t is_v6;          /* ipv6 says where it is, and not ipv4 */
    unsigned char ipv6[16]; /* network order */
};

/* The address as a socket address; returns its length. */
socklen_t board_address_socket(const struct board_address *address, struct sockaddr_storage *out);

/* A slot for a starting instance of REVISION; -1 if all are taken. LIMIT: places (concurrency). */
int board_add(struct board *board, uint64_t revision_id, uint32_t limit,
              struct board_address address);
/* Only while it has never been READY: no worker has read it. */
void board_set_address(struct board *board, int slot, struct board_address address);
void board_set_state(struct board *board, int slot, enum instance_state state);
/*
 * Nodes of a cluster share the instance: from now on this one has LIMIT places of it, in TENURE
 * (ipc/lease.h). Once this returns, at most as many are taken as LIMIT, or as are taken now.
 */
void board_share(struct board *board, int slot, uint32_t limit, uint32_t tenure);
uint32_t board_limit(const struct board *board, int slot, uint32_t *tenure);
/* Frees the slot: no worker can take a place any more (a CAS of an old view fails). */
void board_remove(struct board *board, int slot);
uint32_t board_taken(const struct board *board, int slot);
uint32_t board_generation(const struct board *board, int slot);
/* When the last place was given back: clock_mono_us(). */
int64_t board_idle_since_us(const struct board *board, int slot);
/* Gives back every place that WORKER held. */
void board_worker_gone(struct board *board, unsigned worker);

/* ---- a worker's side ---- */

struct board_place {
    int slot;
    uint32_t generation; /* of the slot: giving back into a reused slot does nothing */
    uint32_t tenure;     /* of the limit that left room for it; 0: nodes share nothing */
    struct board_address address;
};

/* Takes a place on a READY instance of REVISION, the least loaded of the first eight found. False
 * if there is none. */
bool board_take(struct board *board, uint64_t revision_id, unsigned worker,
                struct board_place *out);
/* The same, but not on the instance that THAN is a place of. */
bool board_take_other(struct board *board, uint64_t revision_id, unsigned worker,
                      const struct board_place *than, struct board_place *out);
/* On that very instance: slot NUMBER and GENERATION. False if it has no place, or is not there. */
bool board_take_same(struct board *board, uint64_t revision_id, unsigned worker, uint32_t number,
                     uint32_t generation, struct board_place *out);
/* Whether the instance that PLACE is of still takes requests. */
bool board_is_ready(const struct board *board, const struct board_place *place);
/* Gives it back; true if some worker waits (see board_waiters). */
bool board_give(struct board *board, unsigned worker, const struct board_place *place);

/* How many requests wait in WORKER: the process that frees a place, or makes an instance ready,
 * wakes each worker that has some. */
void board_set_waiting(struct board *board, unsigned worker, uint32_t waiting);
uint32_t board_waiting(const struct board *board, unsigned worker);
/* Writes to the eventfds of all workers with waiters. WAKE_FDS[worker] may be -1. */
void board_wake(struct board *board, const int wake_fds[BOARD_WORKERS]);

/* Instances of a revision by state, for autoscaling, status and tests. */
unsigned board_count(const struct board *board, uint64_t revision_id, enum instance_state state);
