/* How a person who came through the door is named in headers for the container and in the door's
 * own answers. */
#pragma once

#include "ingress/gate.h"

struct door_person {
    const char *email;       /* bare; "" if none counts */
    const char *shown_email; /* "accounts.google.com:" and the address; "" likewise */
    const char *shown_id;    /* "accounts.google.com:" and the unique ID */
};

/*
 * Accounts of our own are written as Google's are; a person of an identity provider has the
 * provider's host in front, so that two people never have the same name. Visible ASCII alone.
 */
void door_person_of(struct arena *arena, const struct gate_door *door, struct door_person *out);

/* TEXT, visible ASCII, as a string of JSON with its quotes. */
const char *door_json_text(struct arena *arena, const char *text);
