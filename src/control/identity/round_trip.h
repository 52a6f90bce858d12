/*
 * Sign-ins that are under way at a provider: what was sent along, to be compared when the browser
 * comes back. In memory alone, bounded in number and time, each used once.
 */
#pragma once

#include "control/identity/ticket.h"

struct round_trips; /* opaque */

enum { ROUND_TRIP_S = 10 * 60, ROUND_TRIPS_MAX = 8192 };

struct round_trip {
    struct slice provider; /* "issuers/NAME" */
    uint64_t provider_id;
    struct slice nonce, verifier; /* of the ID token; of PKCE (RFC 7636) */
    int64_t auth_after_s;         /* the sign-in has to be newer; 0: whichever */
    /* A session that is over is renewed, without a word to the person (prompt=none). */
    bool silent;
    struct slice subject; /* whose it was; "" otherwise */
    int64_t signed_in_us; /* when they signed in; 0 otherwise */
};

struct round_trips *round_trips_new(void);
void round_trips_free(struct round_trips *trips);

/* Begins PLAN's; *state goes to the provider, *cookie into the browser. Both in ARENA. */
void round_trip_begin(struct round_trips *trips, struct arena *arena, const struct round_trip *plan,
                      int64_t boot_us, struct slice *state, struct slice *cookie);
/* Takes it out, whatever the answer is. False if it is unknown, too old, or another browser's. *out
 * is in ARENA. */
bool round_trip_take(struct round_trips *trips, struct arena *arena, struct slice state,
                     struct slice cookie, int64_t boot_us, struct round_trip *out);
