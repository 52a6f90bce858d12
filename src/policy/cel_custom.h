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
#include "policy/cel_value.h"

enum { CEL_CUSTOM_SOURCE_MAX = 1000 };

struct custom_program; /* in the arena it was compiled in */

/* NULL and INVALID_ARGUMENT, with line and column, on failure. */
const struct custom_program *cel_custom_compile(struct arena *arena, struct slice source,
                                                struct error *err);
/*
 * Like the function above, about NAMES (ends with NULL) instead of `resource`: the expression is
 * then evaluated over a map of them. SOURCE has at most MOST bytes.
 */
const struct custom_program *cel_custom_compile_about(struct arena *arena, struct slice source,
                                                      size_t most, const char *const *names,
                                                      struct error *err);
/*
 * The value of an expression; false if it is an error, or took too many steps. Texts and lists of
 * *out lie in ABOUT, in the program, or in ARENA.
 */
bool cel_custom_value(const struct custom_program *program, const struct cel_value *about,
                      struct arena *arena, struct cel_value *out);
/* ARENA is for lists on the way. CEL_ERROR also if it took too many steps. */
enum cel_result cel_custom_eval(const struct custom_program *program,
                                const struct cel_value *resource, struct arena *arena);
