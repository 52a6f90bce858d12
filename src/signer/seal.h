/*
 * Values that lie encrypted in the record: AES-256-GCM (NIST SP 800-38D) under a key that never
 * leaves this process.
 *
 * Sealed bytes are: the layout (1), the first eight bytes of the key's digest, a random nonce of
 * twelve, the encrypted value, the tag of sixteen. The name, and all that stands before the nonce,
 * are authenticated: a value that was sealed under one name cannot be opened under another, so an
 * attacker who can write the record cannot exchange two secrets.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"

enum { SEAL_KEY_BYTES = 32, SEAL_ID_BYTES = 8 };

struct seal_key {
    unsigned char key[SEAL_KEY_BYTES];
    unsigned char id[SEAL_ID_BYTES]; /* tells keys apart, and says nothing of them */
};

/* Sets the ID of KEY, whose bytes are there. */
bool seal_key_name(struct seal_key *key, struct error *err);

bool seal_close(const struct seal_key *key, struct slice name, struct slice value,
                struct arena *arena, struct slice *out, struct error *err);
/* DATA_LOSS if SEALED is not what seal_close() gave for KEY and NAME. */
bool seal_open(const struct seal_key *key, struct slice name, struct slice sealed,
               struct arena *arena, struct slice *out, struct error *err);

/*
 * A key of SEAL_KEY_BYTES for PURPOSE, the same for the same KEY: HMAC-SHA256. It tells nothing of
 * KEY, which is used otherwise by AES-GCM alone, nor of what another purpose has.
 * INVALID_ARGUMENT without a purpose.
 */
bool seal_derive(const struct seal_key *key, struct slice purpose, struct arena *arena,
                 struct slice *out, struct error *err);
