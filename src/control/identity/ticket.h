/* Tickets are secrets that a browser holds: cookies, links, codes. The record has only their
 * SHA-256. */
#pragma once

#include "base/arena.h"

enum { TICKET_BYTES = 32, TICKET_CHARS = 43, TICKET_HASH = 32 };

/* 256 random bits as base64url, 43 characters, in ARENA. */
struct slice ticket_new(struct arena *arena);
/* Whether TEXT can be one: the length, and no other characters. */
bool ticket_is_whole(struct slice text);
void ticket_hash(struct slice secret, unsigned char out[TICKET_HASH]);
/* "PREFIX/" and the hash in hexadecimal: the key of a record. */
const char *ticket_key(struct arena *arena, const char *prefix, struct slice secret);
