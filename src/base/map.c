/* Open addressing with linear probing and backward-shift deletion: no tombstones to clean up. */
#include "base/map.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

struct entry {
    char *key; /* NULL: free */
    size_t len;
    uint64_t hash;
    void *value;
};

struct map {
    struct entry *entries;
    size_t capacity; /* a power of two */
    size_t count;
    uint8_t secret[16];
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash with so many rounds for each eight bytes, and at the end. */
static inline __attribute__((always_inline)) uint64_t sip(const uint8_t key[16], struct slice bytes,
                                                          int rounds, int rounds_at_end)
{
    uint64_t k[2];
    memcpy(k, key, sizeof(k));
    uint64_t v[4] = {k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d,
                     k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573};
    size_t left = bytes.len;
    const char *at = bytes.data;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        v[3] ^= word;
        for (int i = 0; i < rounds; i++) {
            sip_round(v);
        }
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)bytes.len << 56;
    if (left > 0 && bytes.len > 8) { /* at once, with the bytes before them shifted out */
        uint64_t word;
        memcpy(&word, bytes.data + bytes.len - 8, 8);
        last |= word >> (8 * (8 - left));
    } else {
        for (size_t i = 0; i < left; i++) {
            last |= (uint64_t)(unsigned char)at[i] << (8 * i);
        }
    }
    v[3] ^= last;
    for (int i = 0; i < rounds; i++) {
        sip_round(v);
    }
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < rounds_at_end; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash(const uint8_t key[16], struct slice bytes)
{
    return sip(key, bytes, 2, 4);
}

uint64_t table_hash(const uint8_t key[16], struct slice bytes)
{
    return sip(key, bytes, 1, 3);
}

struct map *map_new(void)
{
    struct map *map = mem_new(struct map);
    map->capacity = 16;
    map->entries = mem_array(map->capacity, struct entry);
    random_bytes(map->secret, sizeof(map->secret));
    return map;
}

void map_free(struct map *map)
{
    if (map == NULL) {
        return;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        free(map->entries[i].key);
    }
    free(map->entries);
    free(map);
}

static size_t place_of(const struct map *map, struct slice key, uint64_t hash)
{
    size_t at = hash & (map->capacity - 1);
    while (map->entries[at].key != NULL) {
        const struct entry *entry = &map->entries[at];
        if (entry->hash == hash && slice_equal((struct slice){entry->key, entry->len}, key)) {
            break;
        }
        at = (at + 1) & (map->capacity - 1);
    }
    return at;
}

void *map_find(const struct map *map, struct slice key)
{
    return map->entries[place_of(map, key, table_hash(map->secret, key))].value;
}

static void grow(struct map *map)
{
    struct entry *old = map->entries;
    size_t old_capacity = map->capacity;
    map->capacity *= 2;
    map->entries = mem_array(map->capacity, struct entry);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].key != NULL) {
            map->entries[place_of(map, (struct slice){old[i].key, old[i].len}, old[i].hash)] =
                old[i];
        }
    }
    free(old);
}

void *map_put(struct map *map, struct slice key, void *value)
{
    if (map->count * 4 >= map->capacity * 3) {
        grow(map);
    }
    uint64_t hash = table_hash(map->secret, key);
    struct entry *entry = &map->entries[place_of(map, key, hash)];
    void *before = entry->value;
    if (entry->key == NULL) {
        char *copy = mem_bytes(key.len + 1);
        if (key.len > 0) {
            memcpy(copy, key.data, key.len);
        }
        copy[key.len] = '\0';
        *entry = (struct entry){.key = copy, .len = key.len, .hash = hash};
        map->count++;
    }
    entry->value = value;
    return before;
}

void *map_remove(struct map *map, struct slice key)
{
    size_t hole = place_of(map, key, table_hash(map->secret, key));
    if (map->entries[hole].key == NULL) {
        return NULL;
    }
    void *value = map->entries[hole].value;
    free(map->entries[hole].key);
    map->entries[hole] = (struct entry){0};
    map->count--;
    size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->entries[at].key != NULL; at = (at + 1) & mask) {
        size_t home = map->entries[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            map->entries[at] = (struct entry){0};
            hole = at;
        }
    }
    return value;
}

size_t map_count(const struct map *map)
{
    return map->count;
}

bool map_next(const struct map *map, size_t *at, struct slice *key, void **value)
{
    while (*at < map->capacity) {
        const struct entry *entry = &map->entries[(*at)++];
        if (entry->key != NULL) {
            *key = (struct slice){entry->key, entry->len};
            *value = entry->value;
            return true;
        }
    }
    return false;
}
