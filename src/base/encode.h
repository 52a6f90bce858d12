/* Bytes as text and back: base64 and base64url (RFC 4648 sections 4 and 5), and hexadecimal. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* Padded base64. */
struct slice base64_encode(struct arena *arena, struct slice bytes);

/* Either alphabet, padding optional; false on anything else, also on bits left over. */
bool base64_decode_any(struct arena *arena, struct slice text, struct slice *out);

/* base64url without padding, as JOSE has it (RFC 7515 section 2). */
struct slice base64url_encode(struct arena *arena, struct slice bytes);

/* Strict: no padding, no white space, no bits left over (so that one value has one spelling). */
bool base64url_decode(struct arena *arena, struct slice text, struct slice *out);

/* Lower case. */
struct slice hex_encode(struct arena *arena, struct slice bytes);
