/*
 * Regular expressions of custom constraints: the common part of RE2's syntax, matched in time
 * proportional to text times pattern, for every pattern.
 *
 * Characters, '.', [classes], \d \w \s and their opposites, groups with and without "?:",
 * '|', '*', '+', '?', {m,n} (also lazy: for a yes or no it is the same), '^', '$', \b is not there.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct pattern; /* in the arena it was compiled in */

enum { PATTERN_BYTES_MAX = 512, PATTERN_STEPS_MAX = 2000 };

/* NULL and INVALID_ARGUMENT, saying what is wrong, on failure. */
const struct pattern *pattern_compile(struct arena *arena, struct slice source, struct error *err);
/* The most work that a character of text can cause. */
size_t pattern_steps(const struct pattern *pattern);
/* Whether a part of TEXT matches (anchors make it the whole). ARENA is for the work. */
bool pattern_find(const struct pattern *pattern, struct slice text, struct arena *arena);
