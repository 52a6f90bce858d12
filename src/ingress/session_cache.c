/* Sets of four entries, found by a keyed hash of the cookie, and then compared in full. */
#include "ingress/session_cache.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"
#include "lookup/lookup.h"

enum { SETS = 1024, WAYS = 4 };

struct entry {
    struct known_session session; /* stands first: a pointer to it is one to the whole */
    uint64_t hash;
    uint64_t txn; /* of what the view points to; 0: empty */
    uint8_t key[INDEX_SESSION_KEY];
    struct slice *groups;
    uint16_t cookie_len;
    char cookie[SESSION_COOKIE_MAX];
};

struct set {
    struct entry *ways[WAYS];
    unsigned next; /* to be replaced */
};

struct session_cache {
    uint8_t key[16];
    struct index_session record; /* of the last look-up */
    struct set sets[SETS];
};

struct session_cache *session_cache_new(void)
{
    struct session_cache *cache = mem_new(struct session_cache);
    random_bytes(cache->key, sizeof(cache->key));
    return cache;
}

static void entry_clear(struct entry *entry)
{
    memos_forget(&entry->session.memos);
    free(entry->groups);
    *entry = (struct entry){.hash = 0};
}

void session_cache_free(struct session_cache *cache)
{
    for (size_t i = 0; cache != NULL && i < (size_t)SETS * WAYS; i++) {
        struct entry *entry = cache->sets[i / WAYS].ways[i % WAYS];
        if (entry != NULL) {
            entry_clear(entry);
            free(entry);
        }
    }
    free(cache);
}

/* Points the view at RECORD, which lies in the map; its list of groups is copied. */
static void entry_fill(struct entry *entry, const struct index_session *record, uint64_t txn)
{
    struct facts_session *view = &entry->session.view;
    free(entry->groups);
    entry->groups = NULL;
    lookup_session_view(record, view);
    if (record->group_count > 0) {
        entry->groups = mem_array(record->group_count, struct slice);
        memcpy(entry->groups, record->groups, record->group_count * sizeof(struct slice));
    }
    view->groups = entry->groups;
    entry->txn = txn;
}

static struct entry *entry_find(struct set *set, uint64_t hash, struct slice cookie)
{
    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *entry = set->ways[i];
        if (entry != NULL && entry->txn != 0 && entry->hash == hash &&
            slice_equal((struct slice){entry->cookie, entry->cookie_len}, cookie)) {
            return entry;
        }
    }
    return NULL;
}

static struct entry *entry_new(struct set *set)
{
    struct entry **way = &set->ways[set->next++ % WAYS];
    if (*way == NULL) {
        *way = mem_new(struct entry);
    } else {
        entry_clear(*way);
    }
    return *way;
}

struct known_session *session_cache_find(struct session_cache *cache,
                                         const struct index_reader *reader, uint64_t txn,
                                         struct slice cookie)
{
    if (cookie.len == 0 || cookie.len > SESSION_COOKIE_MAX) {
        return NULL;
    }
    uint64_t hash = table_hash(cache->key, cookie);
    struct set *set = &cache->sets[hash % SETS];
    struct entry *entry = entry_find(set, hash, cookie);
    if (entry != NULL && entry->txn == txn) {
        return lookup_session_is_over(&entry->session.view) ? NULL : &entry->session;
    }
    uint8_t key[INDEX_SESSION_KEY];
    if (entry != NULL) {
        memcpy(key, entry->key, sizeof(key));
    } else {
        lookup_session_key(cookie, key);
    }
    if (!index_reader_session(reader, key, &cache->record)) {
        if (entry != NULL) {
            entry_clear(entry);
        }
        return NULL;
    }
    if (entry == NULL) {
        entry = entry_new(set);
        entry->hash = hash;
        memcpy(entry->key, key, sizeof(key));
        memcpy(entry->cookie, cookie.data, cookie.len);
        entry->cookie_len = (uint16_t)cookie.len;
    }
    entry_fill(entry, &cache->record, txn);
    return lookup_session_is_over(&entry->session.view) ? NULL : &entry->session;
}
