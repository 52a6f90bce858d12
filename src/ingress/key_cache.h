/*
 * A cache of issuers' public keys, parsed. The index decides what a key is: the same issuer and kid
 * with other bytes is another key, with another serial number.
 */
#pragma once

#include "index/index.h"
#include "trust/trust.h"

enum { KEY_CACHE_MAX = 256 };

struct key_cache; /* opaque */

struct key_cache *key_cache_new(void);
void key_cache_free(struct key_cache *cache);

/* NULL if RECORD holds no usable key. Good until the next call. *serial is never given twice. */
const struct trust_key *key_cache_find(struct key_cache *cache, uint32_t issuer, struct slice kid,
                                       const struct index_key *record, uint64_t *serial);
