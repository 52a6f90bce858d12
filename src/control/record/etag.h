/* Etags of documents of the record, as Google writes them. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* Google's etag: padded base64 without '+' and '/', since gcloud changes the alphabet. "ACAB" for
 * version 0. */
struct slice policy_etag(struct arena *arena, int64_t stored_version);

/* Compares as bytes, in either alphabet. */
bool policy_etag_matches(struct arena *arena, const char *etag, int64_t stored_version);
