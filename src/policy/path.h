/*
 * The one normal form of a path that conditions see (docs/access.md, K2), and the spellings that
 * have none because containers read them in two ways.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* Why a path has no normal form. What is judged is the path as sent, without its query. */
enum path_fault {
    PATH_FINE,
    PATH_NOT_ABSOLUTE,  /* "*", "a": no path at all */
    PATH_EMPTY_SEGMENT, /* "//": many servers fold it */
    PATH_DOT_SEGMENT,   /* "." or "..", written out or encoded */
    PATH_PARAMETERS,    /* ";": some servers cut a segment there */
    PATH_BACKSLASH,     /* some servers read it as a slash */
    PATH_ENCODED_MARK,  /* "%2F", "%3F", "%23": a separator, if decoded before splitting */
    PATH_ENCODED_TWICE, /* "%252F": something else, if decoded twice */
    PATH_BROKEN_ESCAPE, /* "%", "%4", "%zz" */
    PATH_CONTROL,       /* NUL, line ends, other control characters */
    PATH_NOT_UTF8,      /* overlong forms among them */
    PATH_LOOKALIKE,     /* a character that Unicode normalisation turns into one of the above */
};

/*
 * The percent-decoded path of TARGET, in ARENA: "/a%20b?c" gives "/a b". *out is written only when
 * PATH_FINE is returned. Costs time linear in TARGET.
 */
enum path_fault path_normal(struct arena *arena, struct slice target, struct slice *out);

/* TARGET without its query and fragment, as it was sent. */
struct slice path_of_target(struct slice target);

/* "an empty segment (//)": for explanations. */
const char *path_fault_text(enum path_fault fault);
