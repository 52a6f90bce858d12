/* Members of groups. */
#pragma once

#include "cli/session.h"

/* Puts MEMBER into the group NAME, or takes it out. FAILED_PRECONDITION if it is so already. */
bool group_change(struct cli *cli, const char *name, const char *member, bool add,
                  struct error *err);
