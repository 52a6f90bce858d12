/*
 * Sets of four entries, found by a keyed hash of the authority as it was sent. Only authorities
 * that lead somewhere are kept, so that strangers cannot flush the cache with made-up hosts.
 *
 * A decoded record points into the index's map. That is good for as long as renewing gives the same
 * transaction number: its pages are part of the newest commit, and LMDB never writes to those.
 */
#include "ingress/route.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"
#include "http/url.h"
#include "lookup/lookup.h"

enum { SETS = 1024, WAYS = 4, AUTHORITY_MAX = 272 };

struct route_entry {
    uint64_t hash;
    uint64_t txn; /* 0: empty */
    struct route route;
    struct index_service *service; /* allocated at first use */
    uint16_t authority_len;
    char authority[AUTHORITY_MAX];
    char host[AUTHORITY_MAX];
};

struct route_set {
    struct route_entry *ways[WAYS];
    unsigned next; /* to be replaced */
};

struct route_cache {
    uint8_t key[16];
    struct route_set sets[SETS];
};

struct route_cache *route_cache_new(void)
{
    struct route_cache *cache = mem_new(struct route_cache);
    random_bytes(cache->key, sizeof(cache->key));
    return cache;
}

void route_cache_free(struct route_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; i < SETS * WAYS; i++) {
        struct route_entry *entry = cache->sets[i / WAYS].ways[i % WAYS];
        if (entry != NULL) {
            free(entry->service);
            free(entry);
        }
    }
    free(cache);
}

static bool entry_is(const struct route_entry *entry, uint64_t hash, struct slice authority)
{
    return entry != NULL && entry->hash == hash &&
           slice_equal((struct slice){entry->authority, entry->authority_len}, authority);
}

/* The entry of that authority, or the one to be replaced. */
static struct route_entry *entry_take(struct route_set *set, uint64_t hash, struct slice authority)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (entry_is(set->ways[i], hash, authority)) {
            return set->ways[i];
        }
    }
    struct route_entry **way = &set->ways[set->next++ % WAYS];
    if (*way == NULL) {
        *way = mem_new(struct route_entry);
        (*way)->service = mem_new(struct index_service);
    }
    return *way;
}

static bool entry_fill(struct route_entry *entry, const struct index_reader *reader,
                       struct slice host, const struct index_route *found)
{
    if (!index_reader_service(reader, found->service_id, entry->service)) {
        return false;
    }
    memcpy(entry->host, host.data, host.len);
    entry->route = (struct route){
        .facts =
            {
                .service_id = found->service_id,
                .host = {entry->host, host.len},
                .tag = found->tag,
                .default_url = found->default_url,
            },
        .service = entry->service,
    };
    lookup_service_view(entry->service, &entry->route.view);
    return true;
}

struct route *route_find(struct route_cache *cache, const struct index_reader *reader, uint64_t txn,
                         struct arena *arena, struct slice authority, struct slice *host)
{
    uint16_t port;
    struct index_route found;
    *host = SLICE("");
    if (authority.len == 0 || authority.len > AUTHORITY_MAX) {
        return NULL;
    }
    uint64_t hash = table_hash(cache->key, authority);
    struct route_set *set = &cache->sets[hash % SETS];
    for (unsigned i = 0; i < WAYS; i++) {
        struct route_entry *entry = set->ways[i];
        if (entry_is(entry, hash, authority) && entry->txn == txn) {
            *host = entry->route.facts.host;
            return &entry->route;
        }
    }
    if (!url_authority(arena, authority, host, &port)) {
        *host = SLICE("");
        return NULL;
    }
    if (!index_reader_route(reader, *host, &found)) {
        return NULL;
    }
    struct route_entry *entry = entry_take(set, hash, authority);
    entry->txn = 0;
    if (!entry_fill(entry, reader, *host, &found)) {
        return NULL;
    }
    memcpy(entry->authority, authority.data, authority.len);
    entry->authority_len = (uint16_t)authority.len;
    entry->hash = hash;
    entry->txn = txn;
    return &entry->route;
}
