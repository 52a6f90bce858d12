/*
 * Drops a worker's rights once everything it needs is open: users, capabilities, files, programs,
 * other processes. From then on a fault in a parser can only reach the requests of this worker.
 */
#pragma once

#include "base/error.h"

/*
 * Called once, before the first request. What the kernel does not have is skipped and logged; what
 * it has and refuses is an error.
 */
bool sandbox_enter(struct error *err);
