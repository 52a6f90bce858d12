/*
 * The file of passwords that the store's URL names (passfile=). libpq takes it only if nobody but
 * its owner may read it, and passes over any other in silence; a cluster's Secret is root's, with
 * its group let in. So it is read here, by the rule of file_read_private(), and libpq gets a copy
 * in memory.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Whether PATH can be used. FAILED_PRECONDITION, NOT_FOUND, INVALID_ARGUMENT: what is wrong. */
bool password_file_check(const char *path, struct error *err);

/* A copy of what PATH has now, as an open file that libpq finds at /proc/self/fd/N: N, to be closed
 * by the caller; -1 as for password_file_check(). */
int password_file_copy(const char *path, struct error *err);
