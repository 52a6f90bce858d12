/* What runs now of a service, or of all: one row for each instance. */
#pragma once

#include "cli/session.h"

/* The instances of the session's project; of SERVICE in its region alone unless it is NULL. The
 * caller owns the list. NULL and *err. */
json_t *instances_get(struct cli *cli, const char *service, struct error *err);
void instances_print(struct cli *cli, const json_t *instances);

/* "3 s", "12 min", "5 h", "9 d". */
const char *age_text(struct cli *cli, uint64_t seconds);
