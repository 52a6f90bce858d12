/*
 * Tokens whose signature has been checked. What a token says cannot change, so its claims are kept;
 * what the world says of it can, so everything else is looked up in the index again for every
 * transaction: the issuer, its key, the account, the service's audiences, the grants.
 *
 * Bounded: at most 16,384 tokens and 32 MiB of them, the least used leave first. Only tokens that a
 * trusted issuer has signed get in, so that strangers cannot push others out.
 */
#pragma once

#include "ingress/memo.h"
#include "lookup/lookup.h"

enum {
    TOKEN_CACHE_MAX = 16384,
    TOKEN_CACHE_BYTES = 32 << 20,
};

struct verified_token {
    struct token claims;      /* no signature, no payload; slices point into this entry */
    struct facts_claims view; /* the same, as the gatherer sees it */
    struct memos memos;
};

struct token_cache; /* opaque */

struct token_cache *token_cache_new(size_t max);
void token_cache_free(struct token_cache *cache);
size_t token_cache_count(const struct token_cache *cache);

/*
 * The entry of TEXT if it has been verified, its key was seen in the transaction TXN already, and
 * it counts with and without a door. Valid until the next call; its time is not checked. NULL: call
 * token_cache_verify().
 */
struct verified_token *token_cache_hit(struct token_cache *cache, uint64_t txn, struct slice text);

/*
 * Checks form, issuer, signature, kind and time of TEXT against the transaction TXN of READER.
 * AT_DOOR: a self-signed JWT of a service account counts too. TOKEN_OK: *out is good until the next
 * call. Else *belief says whether it names somebody, and perhaps which key is missing.
 */
enum token_fault token_cache_verify(struct token_cache *cache, const struct index_reader *reader,
                                    uint64_t txn, struct arena *arena, struct slice text,
                                    int64_t now_s, bool at_door, struct verified_token **out,
                                    struct lookup_belief *belief);

/* Remembers ANSWER with TOKEN, as memos_remember() does. */
void token_cache_remember(struct token_cache *cache, struct verified_token *token,
                          uint64_t service_id, uint64_t txn, const struct facts_answer *answer);
