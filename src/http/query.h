/* Query strings, and forms, which are written like them: pairs of names and values. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* Whether every name and value of a query can be decoded. Ask it where a parameter that is broken
 * must not be taken for one that is absent. */
bool url_query_whole(struct arena *arena, struct slice query);

/* The value of query parameter NAME, decoded; false if it is not there (or broken). */
bool url_query_find(struct arena *arena, struct slice query, const char *name, struct slice *out);
