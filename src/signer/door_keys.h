/*
 * The keys of the doors (Identity-Aware Proxy): ES256, for the assertions that containers get of
 * who came, and for nothing else. The newest signs; the one before is still published, since what
 * it signed lives ten minutes.
 */
#pragma once

#include "trust/secret.h"

enum { DOOR_KEYS = 2, DOOR_KID_CHARS = 6, DOOR_CLAIMS_MAX = 4096 };

struct door_key {
    char kid[DOOR_KID_CHARS + 1];
    struct trust_secret *secret;
};

struct door_keys {
    struct door_key items[DOOR_KEYS]; /* newest first */
    size_t count;
};

/* Reads the keys in the folder DIR, and makes one where there is none. */
bool door_keys_open(struct door_keys *keys, const char *dir, struct error *err);
void door_keys_close(struct door_keys *keys);

/* A new key signs from now on. The one before it is kept, older ones go. */
bool door_keys_rotate(struct door_keys *keys, const char *dir, struct error *err);

/* The JWT of CLAIMS, a JSON object; KID names the key that has signed it. */
bool door_keys_sign(const struct door_keys *keys, struct arena *arena, struct slice claims,
                    struct slice *out, char kid[64], struct error *err);

/* The public halves as Google publishes its own: {"KID": "PEM", …}, a NUL, and a JWK set. */
bool door_keys_publish(const struct door_keys *keys, struct arena *arena, struct slice *out,
                       struct error *err);
