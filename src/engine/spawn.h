/* Starting a program as a child that holds nothing of ours. Private to the process backend. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct spawn_order {
    const char *path;
    const char *const *argv;
    const char *const *envp;
    int dir_fd;        /* to run in */
    uid_t user;        /* to run as, if we are root */
    bool open_program; /* the user need not be able to enter the program's folder */
    int in_fd, out_fd, err_fd;
    int pass_fd; /* becomes its descriptor 3; 0: none */
};

/*
 * In a session and process group of its own, with no descriptor but those, no new
 * privileges, 25,000 descriptors at most, and killed when this process ends. -1 and a sentence
 * ("cannot be executed: …") on failure.
 */
pid_t spawn(const struct spawn_order *order, struct error *err);

/* Kills (SIGKILL) every process of USER, in any session or group. Only for root, and for a user
 * that belongs to one instance alone. */
void spawn_kill_user(uid_t user);
