/*
 * A hash table from byte strings to pointers, keyed by table_hash() with a secret per table, so
 * that nobody outside can aim for collisions. Keys are copied; values are the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct map; /* opaque */

struct map *map_new(void);
void map_free(struct map *map);

/* The value, or NULL. */
void *map_find(const struct map *map, struct slice key);

/* Puts or replaces; the value replaced is given back, else NULL. VALUE is not NULL. */
void *map_put(struct map *map, struct slice key, void *value);

/* Takes out and gives back; NULL if it was not there. */
void *map_remove(struct map *map, struct slice key);

size_t map_count(const struct map *map);

/* Walks all entries, in no order; *AT starts at 0. The map must not be changed meanwhile. */
bool map_next(const struct map *map, size_t *at, struct slice *key, void **value);

/* SipHash-2-4 of BYTES under a 16-byte KEY: for hashes that must not be forged. */
uint64_t siphash(const uint8_t key[16], struct slice bytes);

/* SipHash-1-3, at half the cost: for tables in memory, whose hashes are never visible outside, and
 * which compare the whole key when a hash matches. */
uint64_t table_hash(const uint8_t key[16], struct slice bytes);
