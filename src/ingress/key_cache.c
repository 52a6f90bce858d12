/* A short list, replaced in turn: issuers have a few keys each, and there are a few issuers. */
#include "ingress/key_cache.h"

#include <stdlib.h>

#include "base/memory.h"

struct cached_key {
    struct trust_key *key; /* NULL: empty */
    uint64_t serial;
    uint32_t issuer;
    struct slice kid, alg, spki; /* in bytes */
    char *bytes;
};

struct key_cache {
    struct cached_key items[KEY_CACHE_MAX];
    uint64_t serials;
    size_t count; /* items that were ever used */
    size_t next;  /* to be replaced */
};

struct key_cache *key_cache_new(void)
{
    struct key_cache *cache = mem_new(struct key_cache);
    return cache;
}

static void item_done(struct cached_key *item)
{
    trust_key_free(item->key);
    free(item->bytes);
    *item = (struct cached_key){0};
}

void key_cache_free(struct key_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; i < cache->count; i++) {
        if (cache->items[i].key != NULL) {
            item_done(&cache->items[i]);
        }
    }
    free(cache);
}

static char *copy(char *at, struct slice from, struct slice *out)
{
    if (from.len > 0) {
        memcpy(at, from.data, from.len);
    }
    *out = (struct slice){at, from.len};
    return at + from.len;
}

static bool item_fill(struct cached_key *item, uint32_t issuer, struct slice kid,
                      const struct index_key *record)
{
    struct trust_key *key = trust_key_from_spki(record->spki, trust_alg_of(record->alg), NULL);
    if (key == NULL) {
        return false;
    }
    item->bytes = mem_bytes(kid.len + record->alg.len + record->spki.len + 1);
    char *at = copy(item->bytes, kid, &item->kid);
    at = copy(at, record->alg, &item->alg);
    copy(at, record->spki, &item->spki);
    item->key = key;
    item->issuer = issuer;
    return true;
}

const struct trust_key *key_cache_find(struct key_cache *cache, uint32_t issuer, struct slice kid,
                                       const struct index_key *record, uint64_t *serial)
{
    for (size_t i = 0; i < cache->count; i++) {
        struct cached_key *item = &cache->items[i];
        if (item->key != NULL && item->issuer == issuer && slice_equal(item->kid, kid) &&
            slice_equal(item->alg, record->alg) && slice_equal(item->spki, record->spki)) {
            *serial = item->serial;
            return item->key;
        }
    }
    struct cached_key *item = &cache->items[cache->next];
    if (item->key != NULL) {
        item_done(item);
    }
    if (!item_fill(item, issuer, kid, record)) {
        return NULL;
    }
    cache->next = (cache->next + 1) % KEY_CACHE_MAX;
    if (cache->count < KEY_CACHE_MAX) {
        cache->count = cache->next == 0 ? KEY_CACHE_MAX : cache->next;
    }
    *serial = item->serial = ++cache->serials;
    return item->key;
}
