/* One process: fork, narrow, exec of this program with a role. */
#pragma once

#include <sys/types.h>

#include "supervisor/estate.h"

/*
 * CHANNEL: its end of a pair of its own with the supervisor. LOG: where its standard output and
 * error go. The pid, or -1 and *err.
 */
pid_t child_start(const struct estate *estate, const struct role_rights *rights, unsigned worker,
                  int channel, int log, struct error *err);
