/*
 * A table of entries with chains, and a clock hand for eviction. A token is found by a keyed hash
 * of its last bytes, which are those of its signature, and then compared in full: so a hit costs a
 * hash of 16 bytes (96 bits of the signature), and nothing but the very same token is ever a hit.
 *
 * Public keys are kept parsed beside it. An entry names the key that it was verified with; once
 * per transaction that key is looked up again, and an entry whose key has gone is dropped.
 */
#include "ingress/token_cache.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"
#include "ingress/key_cache.h"

enum { TAIL_BYTES = 16 };

#define NEVER UINT64_MAX /* the number of no transaction */

struct entry {
    /* What a hit reads stands together. */
    uint64_t hash;
    struct slice text;
    struct entry *next; /* in the chain */
    /* The transaction in which the key was last seen; and the same again for a token that counts
     * with and without a door, NEVER for one that only a door believes. */
    uint64_t key_checked, good;
    bool used; /* since the hand came by */
    struct verified_token token;
    uint64_t key_serial;
    char *bytes; /* what the slices point to; NULL: the entry is empty */
    size_t size; /* of bytes, and of what its memos say */
};

struct token_cache {
    uint8_t key[16];
    struct key_cache *keys;
    struct entry **entries; /* made at first use */
    struct entry **buckets;
    size_t max, bucket_mask;
    size_t filled; /* entries that were ever used: the first ones */
    size_t count;
    size_t bytes; /* of all entries */
    size_t hand;
};

struct token_cache *token_cache_new(size_t max)
{
    struct token_cache *cache = mem_new(struct token_cache);
    size_t buckets = 16;
    while (buckets < max * 2) {
        buckets *= 2;
    }
    cache->entries = mem_array(max, struct entry *);
    cache->buckets = mem_array(buckets, struct entry *);
    cache->max = max;
    cache->bucket_mask = buckets - 1;
    cache->keys = key_cache_new();
    random_bytes(cache->key, sizeof(cache->key));
    return cache;
}

void token_cache_free(struct token_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; i < cache->filled; i++) {
        memos_forget(&cache->entries[i]->token.memos);
        free(cache->entries[i]->bytes);
        free(cache->entries[i]);
    }
    key_cache_free(cache->keys);
    free(cache->entries);
    free(cache->buckets);
    free(cache);
}

size_t token_cache_count(const struct token_cache *cache)
{
    return cache->count;
}

static uint64_t token_hash(const struct token_cache *cache, struct slice text)
{
    return table_hash(cache->key,
                      text.len > TAIL_BYTES ? slice_from(text, text.len - TAIL_BYTES) : text);
}

static struct entry *entry_find(const struct token_cache *cache, uint64_t hash, struct slice text)
{
    struct entry *entry = cache->buckets[hash & cache->bucket_mask];
    while (entry != NULL) {
        /* Compared in full all the same; the lines that a hit wants next are on their way then. */
        __builtin_prefetch(&entry->token.claims.exp);
        __builtin_prefetch(&entry->token.memos.items[0]);
        __builtin_prefetch(&entry->token.memos.items[0].answer.binding);
        if (entry->hash == hash && slice_equal(entry->text, text)) {
            return entry;
        }
        entry = entry->next;
    }
    return NULL;
}

static void entry_drop(struct token_cache *cache, struct entry *entry)
{
    struct entry **at = &cache->buckets[entry->hash & cache->bucket_mask];
    while (*at != entry) {
        at = &(*at)->next;
    }
    *at = entry->next;
    memos_forget(&entry->token.memos);
    free(entry->bytes);
    entry->bytes = NULL;
    cache->bytes -= entry->size;
    cache->count--;
}

/* Drops the first entry that was not used since the hand came by last: it is empty then. */
static struct entry *evict(struct token_cache *cache)
{
    for (;;) {
        struct entry *entry = cache->entries[cache->hand];
        cache->hand = (cache->hand + 1) % cache->filled;
        if (entry->bytes != NULL && entry->used) {
            entry->used = false;
            continue;
        }
        if (entry->bytes != NULL) {
            entry_drop(cache, entry);
        }
        return entry;
    }
}

/* An empty entry: a new one while there are. */
static struct entry *entry_vacate(struct token_cache *cache)
{
    if (cache->filled == cache->max) {
        return evict(cache);
    }
    struct entry *entry = mem_new(struct entry);
    cache->entries[cache->filled++] = entry;
    return entry;
}

static char *move(char *at, struct slice *slice)
{
    if (slice->len > 0) {
        memcpy(at, slice->data, slice->len);
    }
    slice->data = at;
    return at + slice->len;
}

/* Copies what the gate reads of a token, and nothing else of it, into one piece of memory. */
static void entry_fill(struct entry *entry, struct slice text, const struct token *from,
                       bool self_signed)
{
    struct token *claims = &entry->token.claims;
    *claims = (struct token){
        .alg = from->alg,
        .kid = from->kid,
        .iss = from->iss,
        .sub = from->sub,
        .email = from->email,
        .hd = from->hd,
        .user_key = from->user_key,
        .sid = from->sid,
        .client_id = from->client_id,
        .audience_count = from->audience_count,
        .email_verified = from->email_verified,
        .exp = from->exp,
        .iat = from->iat,
        .nbf = from->nbf,
    };
    size_t list_bytes = from->audience_count * sizeof(struct slice);
    size_t bytes = list_bytes + text.len + claims->kid.len + claims->iss.len + claims->sub.len +
                   claims->email.len + claims->hd.len + claims->user_key.len + claims->sid.len +
                   claims->client_id.len;
    for (size_t i = 0; i < from->audience_count; i++) {
        bytes += from->audiences[i].len;
    }
    entry->size = bytes + 1;
    entry->bytes = mem_bytes(entry->size);
    struct slice *audiences = (struct slice *)(void *)entry->bytes;
    claims->audiences = audiences;
    char *at = entry->bytes + list_bytes;
    for (size_t i = 0; i < from->audience_count; i++) {
        audiences[i] = from->audiences[i];
        at = move(at, &audiences[i]);
    }
    at = move(at, &claims->kid);
    at = move(at, &claims->iss);
    at = move(at, &claims->sub);
    at = move(at, &claims->email);
    at = move(at, &claims->hd);
    at = move(at, &claims->user_key);
    at = move(at, &claims->sid);
    at = move(at, &claims->client_id);
    entry->text = text;
    move(at, &entry->text);
    lookup_claims_view(claims, self_signed, &entry->token.view);
}

/* The key of ENTRY was seen in the transaction TXN. */
static void entry_renew(struct entry *entry, uint64_t txn)
{
    const struct facts_claims *view = &entry->token.view;
    entry->key_checked = txn;
    entry->good = view->self_signed || view->sid.len > 0 ? NEVER : txn;
}

static struct entry *entry_put(struct token_cache *cache, uint64_t hash, struct slice text,
                               const struct token *token, const struct lookup_belief *belief,
                               uint64_t txn)
{
    while (cache->bytes > TOKEN_CACHE_BYTES) {
        evict(cache);
    }
    struct entry *entry = entry_vacate(cache);
    struct entry **bucket = &cache->buckets[hash & cache->bucket_mask];
    *entry = (struct entry){
        .hash = hash,
        .key_serial = belief->serial,
        .next = *bucket,
        .used = true,
    };
    entry_fill(entry, text, token, belief->self_signed);
    entry_renew(entry, txn);
    *bucket = entry;
    cache->count++;
    cache->bytes += entry->size;
    return entry;
}

static const struct trust_key *find_key(void *ctx, uint32_t issuer, struct slice kid,
                                        const struct index_key *record, uint64_t *serial)
{
    return key_cache_find(ctx, issuer, kid, record, serial);
}

struct verified_token *token_cache_hit(struct token_cache *cache, uint64_t txn, struct slice text)
{
    struct entry *entry = entry_find(cache, token_hash(cache, text), text);
    if (entry == NULL || entry->good != txn) {
        return NULL;
    }
    entry->used = true;
    return &entry->token;
}

enum token_fault token_cache_verify(struct token_cache *cache, const struct index_reader *reader,
                                    uint64_t txn, struct arena *arena, struct slice text,
                                    int64_t now_s, bool at_door, struct verified_token **out,
                                    struct lookup_belief *belief)
{
    const struct lookup_keys keys = {cache->keys, find_key};
    struct token token;
    uint64_t hash = token_hash(cache, text);
    struct entry *entry = entry_find(cache, hash, text);
    *belief = (struct lookup_belief){.names_somebody = true};
    if (entry != NULL && entry->key_checked != txn) {
        const struct verified_token *known = &entry->token;
        if (lookup_key_stands(reader, &keys, &known->claims, known->view.self_signed,
                              entry->key_serial)) {
            entry_renew(entry, txn);
        } else {
            entry_drop(cache, entry);
            entry = NULL;
        }
    }
    if (entry != NULL && (at_door || entry->good == txn)) {
        entry->used = true;
        *out = &entry->token;
        return token_verify_time(&entry->token.claims, now_s);
    }
    enum token_fault fault = token_parse(arena, text, &token);
    *belief = (struct lookup_belief){.serial = 0};
    if (fault == TOKEN_OK) {
        fault = lookup_believe(reader, &keys, &token, now_s, at_door, belief);
    }
    if (fault != TOKEN_OK) {
        return fault;
    }
    *out = &entry_put(cache, hash, text, &token, belief, txn)->token;
    return TOKEN_OK;
}

void token_cache_remember(struct token_cache *cache, struct verified_token *token,
                          uint64_t service_id, uint64_t txn, const struct facts_answer *answer)
{
    struct entry *entry = (struct entry *)(void *)((char *)token - offsetof(struct entry, token));
    size_t before = memos_bytes(&token->memos);
    memos_remember(&token->memos, service_id, txn, answer);
    size_t after = memos_bytes(&token->memos);
    cache->bytes += after - before; /* modulo what a size_t holds: exact also where it shrinks */
    entry->size += after - before;
}
