/* A data folder for one test, removed with all that is in it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "../scratch.h"

static inline char *folder_new(char path[64])
{
    snprintf(path, 64, "/tmp/homerun-signer-XXXXXX");
    return scratch_new(path);
}

static inline void folder_free(const char *path)
{
    scratch_remove(path);
}
