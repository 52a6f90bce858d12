/*
 * A cache of browsers' sessions that were used lately. It saves hashing the cookie and reading the
 * record, but never the check that the session still exists: an entry is valid for one transaction
 * of the index, and is read again in the next.
 *
 * Bounded: at most 4,096 sessions, the oldest of a set leaves first. Only cookies of sessions that
 * exist get in, so that strangers cannot push others out.
 */
#pragma once

#include "index/index.h"
#include "ingress/memo.h"

enum { SESSION_COOKIE_MAX = 64 }; /* bytes of a cookie's value; a longer one is none of ours */

struct session_cache; /* opaque */

struct known_session {
    struct facts_session view; /* points into the index */
    struct memos memos;
};

struct session_cache *session_cache_new(void);
void session_cache_free(struct session_cache *cache);

/*
 * The session of the cookie with that value in the transaction TXN of READER; NULL if there is
 * none. Good until the next call, and until the reader is renewed.
 */
struct known_session *session_cache_find(struct session_cache *cache,
                                         const struct index_reader *reader, uint64_t txn,
                                         struct slice cookie);
