/*
 * Questions that a browser takes somewhere and brings an answer to: to an identity provider, or to
 * a passkey. The question's state goes along; what has to be compared when the answer comes stays
 * in the browser, in a cookie that only we can read (sealed.h) and that belongs to that state
 * alone. So the answer may come to any node, and counts in the browser where it began, for ten
 * minutes, once.
 */
#pragma once

#include "control/identity/once.h"
#include "control/identity/sealed.h"

enum { ROUND_TRIP_S = 10 * 60 };

/* What is asked: a question of one is no answer for the other. */
#define TRIP_TO_PROVIDER "trip to a provider"
#define TRIP_TO_PASSKEY  "trip to a passkey"

struct round_trip {
    const char *purpose;   /* one of the above */
    struct slice provider; /* "issuers/NAME"; of a passkey: the session that asked, "" for none */
    uint64_t provider_id;
    int64_t auth_after_s; /* the sign-in has to be newer; 0: whichever */
    /* A session that is over is renewed, without a word to the person (prompt=none). */
    bool silent;
    struct slice subject; /* whose it was; "" otherwise */
    int64_t signed_in_us; /* when they signed in; 0 otherwise */

    /* Filled in here. */
    struct slice state;           /* a ticket */
    struct slice nonce, verifier; /* of the ID token; of PKCE (RFC 7636) */
    struct once once;             /* what an answer that is believed uses up */
};

/* Begins TRIP: its state, nonce and verifier are made, and *cookie. All in ARENA. */
void round_trip_begin(const struct sealer *sealer, struct arena *arena, struct round_trip *trip,
                      struct moment now, struct slice *cookie);
/*
 * The trip of PURPOSE that STATE and COOKIE belong to. False if there is none, it took too long, or
 * it was answered; a STATE that comes without its cookie is burnt (burnt.h). *out is in ARENA. What
 * the answer gives has to use out->once up: until then it may be found again.
 */
bool round_trip_find(struct control *control, struct arena *arena, const char *purpose,
                     struct slice state, struct slice cookie, struct moment now,
                     struct round_trip *out);
