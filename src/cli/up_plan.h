/* From flags and the configuration file to the supervisor's plan. */
#pragma once

#include "cli/session.h"
#include "supervisor/supervisor.h"

/*
 * Flags win over the file of --config, that over the defaults. The first fault is told with the
 * name of its flag or key.
 */
bool up_plan_make(struct cli *cli, struct supervisor_plan *plan, struct error *err);
