/* A data folder for one test, removed with all that is in it. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "../scratch.h"

static inline char *folder_new(char path[64])
{
    snprintf(path, 64, "/tmp/homerun-signer-XXXXXX");
    return scratch_new(path);
}

static inline int folder_remove_one(const char *path, const struct stat *info, int kind,
                                    struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void folder_free(const char *path)
{
    nftw(path, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
