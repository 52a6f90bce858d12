/* An array by slot: a place names its slot, so finding a pool is one look. */
#include "ingress/pools.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

enum { IDLE_MS = 60000, SWEEP_US = 10 * 1000000, UNUSED_US = 65 * 1000000 };

struct pools {
    struct net *net;
    struct upstream *slots[BOARD_INSTANCES];
    int highest; /* slot that was ever used */
    int64_t swept_us;
};

struct pools *pools_new(struct net *net)
{
    struct pools *pools = mem_new(struct pools);
    pools->net = net;
    pools->highest = -1;
    return pools;
}

/* Never one of this network: what listens there on the same port is somebody else. */
static int no_socket(void *ctx)
{
    (void)ctx;
    errno = ENOTCONN;
    return -1;
}

static void upstream_free(struct upstream *upstream)
{
    if (upstream->own_network) {
        net_pool_set_source(upstream->pool, no_socket, NULL);
    }
    net_pool_free(upstream->pool);
    while (upstream->spare_count > 0) {
        close(upstream->spare[--upstream->spare_count]);
    }
    free(upstream);
}

/* Its slot has another instance now, or nobody needs it. */
static void upstream_retire(struct upstream *upstream)
{
    upstream->current = false;
    if (upstream->users == 0) {
        upstream_free(upstream);
    }
}

void pools_free(struct pools *pools)
{
    if (pools == NULL) {
        return;
    }
    for (int i = 0; i <= pools->highest; i++) {
        if (pools->slots[i] != NULL) {
            upstream_retire(pools->slots[i]);
        }
    }
    free(pools);
}

static struct upstream *upstream_new(struct net *net, const struct board_place *place)
{
    struct upstream *upstream = mem_new(struct upstream);
    struct sockaddr_storage address;
    socklen_t length = board_address_socket(&place->address, &address);
    upstream->http2 = place->address.http2 != 0;
    upstream->pool =
        net_pool_new(net, (const struct sockaddr *)&address, length, upstream->http2, IDLE_MS);
    upstream->generation = place->generation;
    upstream->slot = place->slot;
    upstream->own_network = place->address.own_network != 0;
    upstream->current = true;
    if (upstream->own_network) {
        net_pool_set_source(upstream->pool, upstream_spare, upstream);
    }
    return upstream;
}

struct upstream *pools_take(struct pools *pools, const struct board_place *place)
{
    struct upstream **slot = &pools->slots[place->slot];
    if (*slot != NULL && (*slot)->generation != place->generation) {
        upstream_retire(*slot);
        *slot = NULL;
    }
    if (*slot == NULL) {
        *slot = upstream_new(pools->net, place);
    }
    if (place->slot > pools->highest) {
        pools->highest = place->slot;
    }
    (*slot)->users++;
    return *slot;
}

struct upstream *pools_find(struct pools *pools, uint32_t slot, uint32_t generation)
{
    struct upstream *upstream = slot < BOARD_INSTANCES ? pools->slots[slot] : NULL;
    return upstream != NULL && upstream->generation == generation ? upstream : NULL;
}

void pools_give(struct pools *pools, struct upstream *upstream, int64_t now_us)
{
    (void)pools;
    upstream->users--;
    upstream->used_us = now_us;
    if (!upstream->current && upstream->users == 0) {
        upstream_free(upstream);
    }
}

void pools_sweep(struct pools *pools, int64_t now_us)
{
    if (now_us - pools->swept_us < SWEEP_US) {
        return;
    }
    pools->swept_us = now_us;
    for (int i = 0; i <= pools->highest; i++) {
        struct upstream *upstream = pools->slots[i];
        if (upstream != NULL && upstream->users == 0 && now_us - upstream->used_us > UNUSED_US) {
            upstream_retire(upstream);
            pools->slots[i] = NULL;
        }
    }
}
