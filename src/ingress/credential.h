/* Which headers carry the credential of a request, and what is removed from them (docs/access.md,
 * C1, C8). */
#pragma once

#include "http/message.h"
#include "policy/credential.h"

/* The lines of the headers that may carry a credential. */
struct credential_lines credential_lines_of(const struct http_headers *headers);

/*
 * VALUE with the signature of everything in it that looks like a JWT replaced, whatever the scheme.
 * VALUE itself if there is nothing to replace.
 */
struct slice credential_strip(struct arena *arena, struct slice value);
