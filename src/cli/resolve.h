/* Whether programs of this machine find services by name. */
#pragma once

#include "cli/session.h"

/* A host as services of the instance have them (without one: of the default settings). */
const char *resolve_example(struct cli *cli);
/* The address that HOST leads to by the system's resolver; false, and why in words, if to none.
 * OUT: "127.0.0.1"; in the session's arena. */
bool resolve_host(struct cli *cli, const char *host, const char **out, const char **why);
