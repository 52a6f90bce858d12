/*
 * Host → service, with everything that gate and dispatch need of it. A small cache in front of the
 * index keeps the decoded records of one transaction: an entry of another transaction is not an
 * entry, so a cached route is never older than the index.
 */
#pragma once

#include "index/index.h"
#include "policy/facts.h"

struct route_cache; /* opaque */

struct route {
    struct facts_route facts; /* stands first: a pointer to it is one to the whole */
    struct facts_service view;
    const struct index_service *service; /* good until the next renew */
    /* Whether everybody is granted, at the check and at the door, and what the door's agent is
     * granted: found once for this transaction, if no condition was involved. */
    struct {
        bool settled;
        struct facts_answer answer;
    } of[FACTS_CALLER];
};

struct route_cache *route_cache_new(void);
void route_cache_free(struct route_cache *cache);

/*
 * AUTHORITY as the client sent it. TXN is the number of READER's transaction. NULL when it leads
 * nowhere. *host is set whenever the authority is one (in ARENA or in the cache), else "".
 */
struct route *route_find(struct route_cache *cache, const struct index_reader *reader, uint64_t txn,
                         struct arena *arena, struct slice authority, struct slice *host);
