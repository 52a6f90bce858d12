/* Secrets that a browser holds: cookies, links, codes. The record has only their SHA-256. */
#pragma once

#include "base/arena.h"

enum { SECRET_BYTES = 32, SECRET_CHARS = 43, SECRET_HASH = 32 };

/* 256 random bits as base64url, 43 characters, in ARENA. */
struct slice secret_new(struct arena *arena);
/* Whether TEXT can be one: the length, and no other characters. */
bool secret_is_whole(struct slice text);
void secret_hash(struct slice secret, unsigned char out[SECRET_HASH]);
/* "PREFIX/" and the hash in hexadecimal: the key of a record. */
const char *secret_key(struct arena *arena, const char *prefix, struct slice secret);
