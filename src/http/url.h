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

/* Percent-decoded; '+' is a space if PLUS. False on a broken escape or a NUL. */
bool url_decode(struct arena *arena, struct slice text, bool plus, struct slice *out);

/* Unreserved characters (RFC 3986 section 2.3) stay, all others become %XX. */
struct slice url_encode(struct arena *arena, struct slice text);

/* Whether every name and value of a query can be decoded. Ask it where a parameter that is broken
 * must not be taken for one that is absent. */
bool url_query_whole(struct arena *arena, struct slice query);

/* The value of query parameter NAME, decoded; false if it is not there (or broken). */
bool url_query_find(struct arena *arena, struct slice query, const char *name, struct slice *out);

/* For the error pages: & < > " ' become entities. */
struct slice html_escape(struct arena *arena, struct slice text);
