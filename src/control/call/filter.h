/*
 * Filters of lists: "labels.a:b AND (state=ENABLED OR NOT name:x)". Which fields there are, each
 * API says itself.
 */
#pragma once

#include "base/error.h"
#include "base/slice.h"

struct filter_term {
    struct slice name, value;
    bool contains; /* ':', which in some APIs asks whether the value is in it; else '=' or "!=" */
};

struct filter_fields {
    /* Whether ITEM meets TERM; *KNOWN becomes false where there is no such field. ITEM is NULL
     * where a filter is only checked. */
    bool (*holds)(const void *item, const struct filter_term *term, bool *known);
    const char *unknown; /* a sentence, without its full stop */
};

/* Whether TEXT is a filter; else INVALID_ARGUMENT. */
bool filter_check(const struct filter_fields *fields, const char *text, struct error *err);
/* Whether ITEM meets TEXT, which has been checked. */
bool filter_holds(const struct filter_fields *fields, const char *text, const void *item);

/* Whether HELD is like PATTERN: "*", "a*", "*a", "*a*" or the text itself, in any case. */
bool filter_like(struct slice held, struct slice pattern);
