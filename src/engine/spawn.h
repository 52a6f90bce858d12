/* Starting a program as a child that holds nothing of ours. Private to the process backend. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct spawn_order {
    const char *path;
    const char *const *argv;
    const char *const *envp;
    const char *dir;
    const char
        *owner_dir; /* run as its owner, if we are root and it is not root's; NULL: as nobody */
    int in_fd, out_fd, err_fd;
};

/*
 * In a session and process group of its own, with no descriptor but those three, no new
 * privileges, 25,000 descriptors at most, and killed when this process ends. -1 and a sentence
 * ("cannot be executed: …") on failure.
 */
pid_t spawn(const struct spawn_order *order, struct error *err);
