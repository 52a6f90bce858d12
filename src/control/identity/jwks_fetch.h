/* Key sets of other issuers. */
#pragma once

#include "control/control.h"

/* TEXT is the body (lent), NULL if it failed: then WHY is a sentence without a full stop. */
typedef void (*jwks_done)(struct control *control, void *ctx, const char *text, const char *why);

/* DONE is called from the loop, once. */
void jwks_fetch(struct control *control, const char *uri, jwks_done done, void *ctx);

/*
 * By https, or from a port of this machine. The authority is read as URLs are, since what begins
 * like a loopback address may be the user of another host: "http://localhost:1@elsewhere/".
 */
bool jwks_may_be_fetched(struct arena *arena, const char *uri);

/* Whether the issuer of that store key may be asked now: once a minute. Counts as having asked. */
bool jwks_due(struct control *control, const char *key);

/* Keeps TEXT as the key set of a record (STORE_ISSUER or STORE_PROVIDER), as a change of its own.
 */
bool jwks_store(struct control *control, const char *kind, const char *key, const char *text,
                struct error *err);

/*
 * A worker has seen a token of ISSUER whose key the index lacks: fetch again, if the last time is a
 * minute away. The new set replaces the old one.
 */
void jwks_unknown_key(struct control *control, const char *issuer);
