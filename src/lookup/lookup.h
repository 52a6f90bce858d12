/*
 * The look-ups of the gatherer (policy/facts.h), answered by the index, without a cache. Control
 * uses them as they are; a worker's gate puts caches in front of three of them.
 *
 * What they give points into the index, or into struct lookup: it is good until the reader is
 * renewed or released, or the same look-up is asked again.
 */
#pragma once

#include "index/index.h"
#include "policy/facts.h"
#include "trust/trust.h"

enum { LOOKUP_GRANTS_MAX = 512, LOOKUP_GROUPS_MAX = 1024 };

/* A key that a token names and that its issuer, a known one, does not have (yet). */
struct unknown_key {
    struct slice issuer; /* "" if that is not what is wrong */
    struct slice kid;
};

/* About 60 KiB: for the heap. */
struct lookup {
    const struct index_reader *reader; /* the caller's */
    struct arena *arena;               /* for hosts and tokens: of the request */
    struct unknown_key unknown_key;    /* of the last token */
    /* what was found last */
    struct facts_route route;
    struct index_service record;
    struct facts_service service;
    struct facts_claims claims;
    struct index_session session_record;
    struct facts_session session;
    struct facts_grant grants[LOOKUP_GRANTS_MAX];
    struct slice groups[LOOKUP_GROUPS_MAX];
};

/* All of them; the context is a struct lookup with reader and arena set. */
extern const struct facts_lookups lookup_table;

/* One by one, for tables that replace some. CTX: struct lookup. */
const struct facts_grant *lookup_grants(void *ctx, enum facts_permission permission, uint64_t node,
                                        struct slice member, size_t *count);
bool lookup_account(void *ctx, struct slice sub, struct facts_account *out);
bool lookup_user_key(void *ctx, struct slice kid);
const struct slice *lookup_groups(void *ctx, struct slice member, size_t *count);
enum cel_tag lookup_tag(void *ctx, uint64_t node, bool by_id, struct slice key,
                        struct slice *value);
bool lookup_issuer(void *ctx, struct slice iss, struct facts_issuer *out);
/* SID: base64url of the session's key. */
const struct facts_session *lookup_agent(void *ctx, struct slice sid);

/* FROM as the gatherer sees it: points into FROM. */
void lookup_service_view(const struct index_service *from, struct facts_service *out);
void lookup_claims_view(const struct token *from, bool self_signed, struct facts_claims *out);
void lookup_session_view(const struct index_session *from, struct facts_session *out);

/* Whether the session has expired by the clock since boot, which cannot be set back. */
bool lookup_session_is_over(const struct facts_session *session);
/* The key of the session whose cookie has the value COOKIE. */
void lookup_session_key(struct slice cookie, uint8_t out[INDEX_SESSION_KEY]);

/* ---- tokens ---- */

/*
 * Makes the public key of RECORD usable, or finds it made: NULL if it is none. *serial is the
 * source's own number of the key.
 */
struct lookup_keys {
    void *ctx;
    const struct trust_key *(*find)(void *ctx, uint32_t issuer, struct slice kid,
                                    const struct index_key *record, uint64_t *serial);
};

/* Whether TOKEN, whose signature is our authorization server's, is an agent's access token. */
bool lookup_is_for_agent(const struct token *token);

/* How a token was found to be. */
struct lookup_belief {
    bool self_signed; /* by the key of a service account: the token's `sub` is that account's now,
                         its `email` the address that it gives as its issuer */
    bool names_somebody; /* an issuer, or a service account, that may be one of those known here */
    uint64_t serial;     /* of the key, as the source of keys gave it */
    struct unknown_key unknown; /* of TOKEN_UNKNOWN_KEY: what is missing, perhaps */
};

/*
 * Checks that TOKEN, which has been parsed, is an ID token within its time and signed by a key of
 * its issuer; cheap checks come first. AT_DOOR: a self-signed JWT of a service account counts too,
 * or the access token of an agent. Only an agent's token has a `client_id` after this; only tokens
 * of our own have a `sid`. Accounts and audiences are not checked. *out is set for every answer.
 */
enum token_fault lookup_believe(const struct index_reader *reader, const struct lookup_keys *keys,
                                struct token *token, int64_t now_s, bool at_door,
                                struct lookup_belief *out);
/* Whether the key that a believed token was signed with still is the one of that serial number. */
bool lookup_key_stands(const struct index_reader *reader, const struct lookup_keys *keys,
                       const struct token *token, bool self_signed, uint64_t serial);
