/*
 * Tokens whose signature has been checked. What a token says cannot change, so its claims are kept;
 * what the world says of it can, so everything else is looked up in the index again for every
 * transaction: the issuer, its key, the account, the service's audiences, the grants.
 *
 * Bounded: at most 16,384 tokens and 32 MiB of them, the least used leave first. Only tokens that a
 * trusted issuer has signed get in, so that strangers cannot push others out.
 */
#pragma once

#include "lookup/lookup.h"

enum {
    TOKEN_CACHE_MAX = 16384,
    TOKEN_CACHE_BYTES = 32 << 20,
    TOKEN_MEMOS = 4,
    TOKEN_NAME_MAX = 640 /* of a principal that is remembered */
};

/* What was found of one token at one service in one transaction: no condition was involved. */
struct token_memo {
    uint64_t txn; /* 0: empty */
    uint64_t service_id;
    struct facts_answer answer;
    char *text; /* what the answer says that does not lie in the index */
    size_t text_bytes;
};

struct verified_token {
    struct token claims;      /* no signature, no payload; slices point into this entry */
    struct facts_claims view; /* the same, as the gatherer sees it */
    struct token_memo memos[TOKEN_MEMOS];
    unsigned memo_next;
};

struct token_cache; /* opaque */

struct token_cache *token_cache_new(size_t max);
void token_cache_free(struct token_cache *cache);
size_t token_cache_count(const struct token_cache *cache);

/*
 * Checks form, issuer, signature, kind and time of TEXT against the transaction TXN of READER.
 * TOKEN_OK: *out is good until the next call. Else *unknown may say which key is missing.
 */
enum token_fault token_cache_verify(struct token_cache *cache, const struct index_reader *reader,
                                    uint64_t txn, struct arena *arena, struct slice text,
                                    int64_t now_s, struct verified_token **out,
                                    struct unknown_key *unknown);

/* What is remembered of TOKEN at that service in that transaction; NULL if nothing is. */
const struct facts_answer *token_cache_recall(const struct verified_token *token,
                                              uint64_t service_id, uint64_t txn);
/* Copies ANSWER, whose role and condition lie in the index of TXN. */
void token_cache_remember(struct token_cache *cache, struct verified_token *token,
                          uint64_t service_id, uint64_t txn, const struct facts_answer *answer);
