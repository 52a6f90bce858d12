/*
 * Containers without root.
 *
 * The engine moves into a user namespace in which it is root and has power over nothing but what it
 * makes there: 0 is who started us, and from ROOTLESS_FIRST on are the subordinate numbers of that
 * account (base/subids.h). In it, the engine makes mounts, namespaces and containers as root does
 * outside; what the machine's root alone may do stays out of reach.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Root inside of each container: the account has one range, which all of them share. */
enum { ROOTLESS_FIRST = 1 };

/* Whether the engine is in such a namespace; and who started us, as the machine numbers users. */
bool rootless(void);
uid_t rootless_owner(void);

/*
 * Moves into a new one. FAILED_PRECONDITION, with what to do, if the account has no subordinate
 * numbers, or the kernel or the machine's settings forbid it. For a process with one thread.
 */
bool rootless_enter(struct error *err);

/*
 * Moves into the one that an engine before us made, and that the process PID is in, or in one below
 * it: what runs there can be ended and adopted from there alone. False if PID is in none of ours.
 */
bool rootless_join(pid_t pid);
