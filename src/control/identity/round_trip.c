#include "control/identity/round_trip.h"

#include "control/identity/burnt.h"
#include "control/identity/ticket.h"

static struct sealed_terms terms_of(const struct round_trip *trip)
{
    return (struct sealed_terms){trip->purpose, trip->state, ROUND_TRIP_S};
}

/* They follow from the state, which is shown to others, by a key that is not. */
static void fill_in(const struct sealer *sealer, struct arena *arena, struct round_trip *trip,
                    struct moment made)
{
    trip->nonce = sealer_derive(sealer, arena, "nonce", trip->state);
    trip->verifier = sealer_derive(sealer, arena, "code verifier", trip->state);
    trip->once =
        (struct once){trip->purpose, trip->state, made.wall_us + (int64_t)ROUND_TRIP_S * 1000000};
}

void round_trip_begin(const struct sealer *sealer, struct arena *arena, struct round_trip *trip,
                      struct moment now, struct slice *cookie)
{
    trip->state = ticket_new(arena);
    fill_in(sealer, arena, trip, now);
    auto_json *body = json_pack("{s:o, s:I, s:I, s:b, s:o, s:I}", "p", json_slice(trip->provider),
                                "i", (json_int_t)trip->provider_id, "a",
                                (json_int_t)trip->auth_after_s, "q", trip->silent ? 1 : 0, "s",
                                json_slice(trip->subject), "t", (json_int_t)trip->signed_in_us);
    const struct sealed_terms terms = terms_of(trip);
    *cookie = sealed_new(sealer, arena, &terms, body, now);
}

static void read_body(struct arena *arena, const json_t *body, struct round_trip *out)
{
    out->provider = arena_slice(arena, slice_of(json_text_or(body, "p", "")));
    out->provider_id = (uint64_t)json_number(body, "i", 0);
    out->auth_after_s = json_number(body, "a", 0);
    out->silent = json_flag(body, "q", false);
    out->subject = arena_slice(arena, slice_of(json_text_or(body, "s", "")));
    out->signed_in_us = json_number(body, "t", 0);
}

bool round_trip_find(struct control *control, struct arena *arena, const char *purpose,
                     struct slice state, struct slice cookie, struct moment now,
                     struct round_trip *out)
{
    struct moment made;
    *out = (struct round_trip){.purpose = purpose, .state = arena_slice(arena, state)};
    const struct sealed_terms terms = terms_of(out);
    if (!ticket_is_whole(state) || burnt_knows(control->burnt, state, now.boot_us)) {
        return false;
    }
    auto_json *body = sealed_open(control->sealer, arena, &terms, cookie, now, &made);
    if (body == NULL) {
        burnt_note(control->burnt, state, now.boot_us);
        return false;
    }
    read_body(arena, body, out);
    fill_in(control->sealer, arena, out, made);
    return !once_is_used(control, &out->once);
}
