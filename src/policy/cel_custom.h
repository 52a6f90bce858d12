/*
 * CEL for custom constraints, whose conditions are about `resource`, and for providers of identity
 * pools, whose conditions are about the claims of a token: fields are known only when it is
 * evaluated. Beside what IAM conditions have: field and index access,
 * `in` on maps, has(), the macros all, exists, exists_one, filter and map, size, contains, matches,
 * ?:, and literals of lists and maps (whose names are text).
 *
 * Errors are values, as CEL has it: `true || error` is true. A condition that ends in an error is
 * not true.
 */
#pragma once

#include "policy/cel.h"

enum { CEL_CUSTOM_SOURCE_MAX = 1000 };

enum custom_kind {
    CUSTOM_ERROR, /* no such field, wrong type, overflow */
    CUSTOM_NULL,
    CUSTOM_BOOL,
    CUSTOM_INT,
    CUSTOM_DOUBLE,
    CUSTOM_STRING,
    CUSTOM_LIST,
    CUSTOM_MAP,
};

/* JSON, in terms of base. Whoever evaluates makes it from what they have. */
struct custom_value {
    enum custom_kind kind;
    int64_t number; /* of ints, and 0 or 1 of bools */
    double real;
    struct slice text;
    const struct custom_value *items; /* of lists and maps */
    const struct slice *names;        /* of maps, beside items */
    size_t count;
};

struct custom_program; /* in the arena it was compiled in */

/* NULL and INVALID_ARGUMENT, with line and column, on failure. */
const struct custom_program *cel_custom_compile(struct arena *arena, struct slice source,
                                                struct error *err);
/*
 * The same about NAMES (ends with NULL) instead of `resource`: what is evaluated is then given as a
 * map of them. SOURCE has at most MOST bytes.
 */
const struct custom_program *cel_custom_compile_about(struct arena *arena, struct slice source,
                                                      size_t most, const char *const *names,
                                                      struct error *err);
/* The value of an expression; false if it is an error, or took too many steps. */
bool cel_custom_value(const struct custom_program *program, const struct custom_value *about,
                      struct arena *arena, struct custom_value *out);
/* ARENA is for lists on the way. CEL_ERROR also if it took too many steps. */
enum cel_result cel_custom_eval(const struct custom_program *program,
                                const struct custom_value *resource, struct arena *arena);
