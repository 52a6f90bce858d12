/* One question, one answer. */
#pragma once

#include "ipc/ipc.h"
#include "signer/keyring.h"

/* Whether that process may ask a question of KIND: ingress of the doors' key and no other. */
bool answer_may_ask(enum process_role who, uint32_t kind);

/*
 * Answers KIND of BYTES. *OUT lies in ARENA; KID (given as "") names the key that was used. False:
 * refused, and *err is the sentence for who asks.
 */
bool answer_make(struct keyring *keyring, uint32_t kind, struct slice bytes, int64_t now_s,
                 struct arena *arena, struct slice *out, char kid[64], struct error *err);
