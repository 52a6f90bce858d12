/* Keys of a provider's issuer, asked for while exchanges wait for them. */
#pragma once

#include "control/identity/federation.h"

/* The keys have come, or not: ask anew. From the loop, once. */
typedef void (*federation_keys_done)(void *ctx);

/*
 * Fetches the provider's keys: from their address, or from the one that the issuer's
 * .well-known/openid-configuration names. False, and DONE is not called: its keys were given, they
 * were asked for within the last minute, or too many are waiting for them already.
 */
bool federation_keys_fetch(struct control *control, struct arena *arena,
                           const struct federation *federation, federation_keys_done done,
                           void *ctx);
