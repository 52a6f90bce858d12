/*
 * Names of resources: "projects/P/locations/L/services/S/revisions/R" and the resources above it.
 * They are Google's relative resource names, and keys of the record at the same time.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* NULL is a part that the name does not have. Of service and operation, one at most. */
struct resource_name {
    const char *project; /* ID; in names from outside also the number */
    const char *location;
    const char *service;
    const char *revision;
    const char *operation;
};

/*
 * Takes TEXT apart; parts live in ARENA. False, with *out unchanged, if it is no such name: another
 * collection, an empty part, a part too many.
 */
bool resource_name_read(struct arena *arena, struct slice text, struct resource_name *out);
/* The other way. In ARENA. */
const char *resource_name_text(struct arena *arena, const struct resource_name *name);
/* What the names of all that stands below begin with: "…/services/". In ARENA. */
const char *resource_name_prefix(struct arena *arena, const struct resource_name *name,
                                 const char *collection);
