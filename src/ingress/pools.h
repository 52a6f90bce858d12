/*
 * Connections to instances: one pool for each slot of the board and generation, made at first use,
 * closed when another instance has the slot or when it was not used for a while.
 */
#pragma once

#include "ipc/board.h"
#include "ipc/ipc.h"
#include "net/net.h"

struct pools; /* opaque */

/* One instance's pool. Counted: a holder may use it until it gives it back. */
struct upstream {
    struct net_pool *pool;
    uint32_t generation;
    unsigned users;
    bool current; /* still in its slot */
    bool http2;
    int64_t used_us; /* of the loop's clock */
    /* Of an instance with a network of its own (sockets.c): */
    bool own_network;
    int slot;
    int spare[2 * SOCKETS_MAX]; /* made inside, not connected */
    unsigned spare_count;
    int64_t asked_us; /* clock_mono_us(), for more of them; 0: not lately */
    int64_t came_us;  /* when the last of them came; 0: never */
};

/* A spare socket of the upstream CTX, for its pool; -1 if there is none. */
int upstream_spare(void *ctx);

struct pools *pools_new(struct net *net);
void pools_free(struct pools *pools);

struct upstream *pools_take(struct pools *pools, const struct board_place *place);
/* The pool that is current; NULL if there is none of this generation. */
struct upstream *pools_find(struct pools *pools, uint32_t slot, uint32_t generation);
void pools_give(struct pools *pools, struct upstream *upstream, int64_t now_us);
/* Frees pools that were not used for a minute. Cheap when called often. */
void pools_sweep(struct pools *pools, int64_t now_us);
