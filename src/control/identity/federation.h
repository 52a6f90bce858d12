/*
 * Federation of workload identities: tokens of somebody else's OpenID issuer, which a provider of
 * an identity pool vouches for, are exchanged for short access tokens of ours. The holder of one is
 * "principal://POOL/subject/SUB", has no account here, and may do what bindings grant to that name
 * or to the pool's.
 */
#pragma once

#include "control/call/call.h"
#include "control/identity/federation_mapping.h"
#include "trust/trust.h"

/*
 * A provider that may be believed now: neither it nor its pool is disabled. Either a provider of
 * the record (STORE_PROVIDER), or an issuer that was added with a pool (STORE_ISSUER), whose name
 * is then the provider's.
 */
struct federation {
    const char *kind, *key; /* of the record */
    uint64_t id;            /* of that document: another one of the same name is not it */
    struct slice name;      /* "iam.googleapis.com/…/POOL/providers/X" */
    struct slice pool;      /* "iam.googleapis.com/…/POOL" */
    const char *issuer;     /* its tokens' "iss" */
    const char *jwks_uri;   /* where its keys are; NULL: they were given, or have to be found */
    bool discovers;         /* its keys' address is to be asked of the issuer */
    json_t *body;           /* the record; owned */
};
void federation_done(struct federation *federation);
#define auto_federation __attribute__((cleanup(federation_done))) struct federation

/* Finds the provider NAME ("iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/P/
 * providers/X"). False if there is none, or it may not be believed. Strings in ARENA. */
bool federation_find(struct control *control, struct arena *arena, struct slice name,
                     struct federation *out);

/* Whether POOL ("iam.googleapis.com/projects/N/…") was made by its project, disabled or not. */
bool federation_pool_known(struct control *control, struct arena *arena, struct slice pool);

/*
 * Believes TEXT, a token of the provider's issuer: issuer, key, signature, time, audience, subject
 * and mapping. TOKEN_OK; or why not, with a sentence in *err. TOKEN_UNKNOWN_KEY: all before the key
 * was good, so its keys may be worth asking for (federation_keys.h). PERMISSION_DENIED in *err: the
 * provider's condition does not hold.
 */
enum token_fault federation_believe(struct arena *arena, const struct federation *federation,
                                    struct slice text, struct federated *out, struct error *err);

/* What the token that is given for one says of its provider, so that it dies with it. */
const char *federation_handle(struct arena *arena, const struct federation *federation);

/* The caller of such a token, whose signature and time are believed; false if its provider is not
 * there any more, is another one, or is disabled. */
bool federation_caller(struct control *control, struct arena *arena, const struct token *token,
                       struct caller *out);
