/* Who came through the door, in the words that its container and its own answers use. */
#pragma once

#include "ingress/gate.h"

struct door_person {
    const char *email;       /* bare; "" if none counts */
    const char *shown_email; /* "accounts.google.com:" and the address; "" likewise */
    const char *shown_id;    /* "accounts.google.com:" and the unique ID */
};

/*
 * Accounts of our own read as Google's do; somebody whom an identity provider has named has the
 * host of that provider in front, so that nobody reads as somebody else. Visible ASCII alone.
 */
void door_person_of(struct arena *arena, const struct gate_door *door, struct door_person *out);

/* TEXT, visible ASCII, as a string of JSON with its quotes. */
const char *door_json_text(struct arena *arena, const char *text);
