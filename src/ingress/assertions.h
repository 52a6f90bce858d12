/*
 * Tells a container who came through its door: two fields, and an assertion that the signer has
 * signed. One assertion is used for a person at a service for a minute, so that most requests wait
 * for no signature. The signer is asked over a channel, and answers later; control is not involved.
 *
 * Bounded: 4,096 assertions, the oldest of a set leaves first.
 */
#pragma once

#include "base/arena.h"
#include "ingress/gate.h"
#include "ipc/ipc.h"

struct assertions; /* opaque */

struct assertions *assertions_new(void);
void assertions_free(struct assertions *assertions);

/* The person, and the service they came to. */
struct assertion_want {
    struct slice audience; /* "/projects/N/locations/L/services/S" */
    struct gate_door who;  /* identified */
    enum door_test test;   /* which way it has to be wrong */
    unsigned place;        /* set by assertions_find(): whose answer is waited for */
};

struct assertion_told {
    struct slice assertion, user_email, user_id; /* in the arena */
};

enum assertion_found {
    ASSERTION_READY,
    ASSERTION_ASKED,       /* assertions_come() will tell when to look again */
    ASSERTION_UNAVAILABLE, /* the signer refuses, or cannot be reached */
};

/* SIGNER may be NULL: it cannot be reached. NOW_US by the clock that only goes on, WALL_S by the
 * other. *out is set when READY. */
enum assertion_found assertions_find(struct assertions *assertions, struct ipc_channel *signer,
                                     struct arena *arena, struct assertion_want *want,
                                     int64_t now_us, int64_t wall_s, struct assertion_told *out);

/* The public keys that assertions are checked with: {"KID": "PEM"} or a JWK set. Both are good
 * until the next call of assertions_come(). */
enum assertion_found assertions_keys(struct assertions *assertions, struct ipc_channel *signer,
                                     int64_t now_us, struct slice *pems, struct slice *jwks);

/* The place of the answers that are the keys. */
enum { ASSERTIONS_KEYS_PLACE = (1 << 13) - 1 };

/* The signer has answered. *place: the entry that the answer belongs to. False if it belongs to no
 * question of ours. */
bool assertions_come(struct assertions *assertions, const struct msg_signed *answer,
                     struct slice content, int64_t now_us, unsigned *place);
