#include "control/identity/round_trip.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/map.h"
#include "base/memory.h"

struct trip {
    TAILQ_ENTRY(trip) by_age;
    struct arena arena;
    struct round_trip plan;
    struct slice state;
    unsigned char cookie[TICKET_HASH];
    int64_t end_us;
};

struct round_trips {
    TAILQ_HEAD(, trip) trips; /* oldest first */
    struct map *by_state;
    unsigned count;
};

struct round_trips *round_trips_new(void)
{
    struct round_trips *trips = mem_new(struct round_trips);
    TAILQ_INIT(&trips->trips);
    trips->by_state = map_new();
    return trips;
}

static void drop(struct round_trips *trips, struct trip *trip)
{
    map_remove(trips->by_state, trip->state);
    TAILQ_REMOVE(&trips->trips, trip, by_age);
    trips->count--;
    arena_done(&trip->arena);
    free(trip);
}

void round_trips_free(struct round_trips *trips)
{
    if (trips == NULL) {
        return;
    }
    while (!TAILQ_EMPTY(&trips->trips)) {
        drop(trips, TAILQ_FIRST(&trips->trips));
    }
    map_free(trips->by_state);
    free(trips);
}

static void copy(struct arena *arena, const struct round_trip *from, struct round_trip *out)
{
    *out = *from;
    out->provider = arena_slice(arena, from->provider);
    out->nonce = arena_slice(arena, from->nonce);
    out->verifier = arena_slice(arena, from->verifier);
    out->subject = arena_slice(arena, from->subject);
}

void round_trip_begin(struct round_trips *trips, struct arena *arena, const struct round_trip *plan,
                      int64_t boot_us, struct slice *state, struct slice *cookie)
{
    struct trip *first = TAILQ_FIRST(&trips->trips);
    while (first != NULL && (first->end_us <= boot_us || trips->count >= ROUND_TRIPS_MAX)) {
        drop(trips, first);
        first = TAILQ_FIRST(&trips->trips);
    }
    struct trip *trip = mem_new(struct trip);
    copy(&trip->arena, plan, &trip->plan);
    trip->state = ticket_new(&trip->arena);
    trip->end_us = boot_us + (int64_t)ROUND_TRIP_S * 1000000;
    *state = arena_slice(arena, trip->state);
    *cookie = ticket_new(arena);
    ticket_hash(*cookie, trip->cookie);
    TAILQ_INSERT_TAIL(&trips->trips, trip, by_age);
    map_put(trips->by_state, trip->state, trip);
    trips->count++;
}

bool round_trip_take(struct round_trips *trips, struct arena *arena, struct slice state,
                     struct slice cookie, int64_t boot_us, struct round_trip *out)
{
    unsigned char hash[TICKET_HASH];
    struct trip *trip = state.len == TICKET_CHARS ? map_find(trips->by_state, state) : NULL;
    if (trip == NULL) {
        return false;
    }
    ticket_hash(cookie, hash);
    bool good = trip->end_us > boot_us && CRYPTO_memcmp(hash, trip->cookie, sizeof(hash)) == 0;
    if (good) {
        copy(arena, &trip->plan, out);
    }
    drop(trips, trip);
    return good;
}
