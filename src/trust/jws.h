/* The envelope of a token (RFC 7515, compact form), for any payload; shared by the files of this
 * room. */
#pragma once

#include "codec/codec.h"
#include "trust/trust.h"

enum { KID_BYTES_MAX = 127 }; /* so that it fits into every message with its NUL */

/*
 * Fills alg, kid, typ, signed_part, signature and payload (bytes of any kind) of *OUT; the claims
 * are zero. Three parts, base64url without padding, a JSON object as header, an algorithm of ours,
 * no "crit", no "b64".
 */
enum token_fault jws_parse(struct arena *arena, struct slice text, bool logout, struct token *out);

/* A JSON object, without repeated names; NULL if TEXT is anything else. The caller owns it. */
json_t *jws_object(struct slice text);

/* Copies the string NAME of OBJECT, "" if absent. False if it is there and no string. */
bool jws_text(struct arena *arena, const json_t *object, const char *name, struct slice *out);
