/* Drops the rights that the metadata server no longer needs once its sockets are open. */
#pragma once

#include "base/error.h"

/*
 * User and capabilities if it has them, files (Landlock, where the kernel has it), and every system
 * call but those of a loop that serves on open sockets (seccomp): no sockets of its own, no
 * programs, no other processes.
 */
bool metadata_sandbox_enter(struct error *err);
