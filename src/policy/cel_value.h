/* The values of CEL, for both of its profiles. Beside JSON's kinds there are those that only a
 * condition has: times, and lists that lie in a compiled program. */
#pragma once

#include "base/slice.h"

enum cel_kind {
    VALUE_ERROR, /* absent, of a wrong type, overflow */
    VALUE_BOOL,
    VALUE_INT,
    VALUE_STRING,
    VALUE_TIMESTAMP, /* microseconds since 1970 */
    VALUE_DURATION,  /* microseconds */
    VALUE_STRINGS,   /* constants in the program, at TEXT */
    VALUE_INTS,      /* likewise */
    VALUE_ROLES,     /* the modified roles of the environment */
    VALUE_NULL,
    VALUE_DOUBLE,
    VALUE_LIST,
    VALUE_MAP,
};

struct cel_value {
    enum cel_kind kind;
    unsigned count; /* of a list's or map's items */
    union {
        int64_t number; /* of ints, times and durations; 0 or 1 of bools */
        double real;
        struct slice text;
        struct {
            const struct cel_value *items; /* of lists and maps */
            const struct slice *names;     /* of maps, beside items */
        };
    };
};
