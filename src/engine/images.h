/*
 * From a container of a run record to a command line of this machine, for engines that run local
 * programs.
 */
#pragma once

#include "engine/run_record.h"

struct image_command {
    const char *path;        /* of the file to execute, absolute */
    const char *const *argv; /* ends with NULL */
    const char *dir;         /* to run in */
    const char *owner_dir;   /* whose owner to run as; NULL: as the engine does */
};

/*
 * Entry point and arguments as containers have them: `command` replaces what the image runs, `args`
 * follow. A name without a slash is looked for in PATH; "homerun-hello" beside our own program.
 * NOT_FOUND, or FAILED_PRECONDITION for a file that may not be executed, with a whole sentence.
 */
bool image_resolve(struct arena *arena, const struct run_container *container,
                   struct image_command *out, struct error *err);
