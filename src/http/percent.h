/* Percent-encoding (RFC 3986 section 2.1). */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* Percent-decoded; '+' is a space if PLUS. False on a broken escape or a NUL. */
bool url_decode(struct arena *arena, struct slice text, bool plus, struct slice *out);

/* Unreserved characters (RFC 3986 section 2.3) stay, all others become %XX. */
struct slice url_encode(struct arena *arena, struct slice text);
