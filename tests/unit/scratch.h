/*
 * Folders of tests. A test that fails leaves by a jump and past what would remove its folder, so
 * the end of the program removes what is still there.
 */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { SCRATCH_MAX = 256, SCRATCH_PATH_MAX = 128 };

static struct {
    char paths[SCRATCH_MAX][SCRATCH_PATH_MAX];
    size_t count;
    pid_t owner; /* children of the test have a copy of this, and not the duty */
} scratch;

static int scratch_remove_one(const char *path, const struct stat *status, int kind,
                              struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

/* Removes PATH and all that is in it, as a test may do earlier than the end. */
static inline void scratch_remove(const char *path)
{
    nftw(path, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void scratch_clear(void)
{
    for (size_t i = 0; i < scratch.count && scratch.owner == getpid(); i++) {
        scratch_remove(scratch.paths[i]);
    }
}

/* Like mkdtemp(): PATH ends with XXXXXX. NULL on failure. */
static inline char *scratch_new(char *path)
{
    if (scratch.owner != getpid()) {
        scratch.owner = getpid();
        scratch.count = 0;
        atexit(scratch_clear);
    }
    char *made = mkdtemp(path);
    if (made != NULL && scratch.count < SCRATCH_MAX) {
        snprintf(scratch.paths[scratch.count++], SCRATCH_PATH_MAX, "%s", made);
    }
    return made;
}
