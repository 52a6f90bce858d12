/*
 * From a container of a run record to a command line of this machine, for engines that run local
 * programs.
 */
#pragma once

#include "engine/run_record.h"

struct image_command {
    const char *path;        /* of the file to execute, absolute */
    const char *const *argv; /* ends with NULL */
    int dir_fd;              /* to run in; the caller closes it */
    bool built_in;           /* ours: in a folder that its user need not be able to enter */
};

/*
 * The registered program, and the arguments that the deployer added, if the image's rules allow
 * them (model/image_rules.h). Control has checked them at deployment, but the rules may have
 * changed since. A name without a slash is looked for in the standard PATH; "homerun-hello" beside
 * our own program. NOT_FOUND, or FAILED_PRECONDITION, with a whole sentence.
 */
bool image_resolve(struct arena *arena, const struct run_container *container,
                   struct image_command *out, struct error *err);
