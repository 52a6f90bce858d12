/*
 * Targets and authorities: one parser for route, gate and relay alike. (The normal form of a path
 * is policy/path.h's.)
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/*
 * Splits "host:port", "host", "[v6]:port" (RFC 3986 section 3.2). HOST comes out in lower case,
 * without a trailing dot, an IPv6 address in its canonical spelling and without brackets, in ARENA.
 * PORT is 0 if none. False if it is not a host: user info, bad characters (percent signs too), an
 * empty label, a port that is empty, 0 or over 65535.
 */
bool url_authority(struct arena *arena, struct slice authority, struct slice *host, uint16_t *port);

/* The path without its query and fragment. */
struct slice url_path(struct slice target);

/* What stands behind the first '?'; "" if nothing. */
struct slice url_query(struct slice target);
