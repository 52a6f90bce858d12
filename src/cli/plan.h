/* Who would gain and lose by a change: `homerun access plan`, and --plan of what changes access. */
#pragma once

#include "cli/session.h"

/* Prints who would gain and lose by QUESTION (fields of access:plan). The exit status. */
int plan_ask(struct cli *cli, const char *service, json_t *question);

/* Like the function above, for what the flags say and for POLICY (taken; NULL: none). */
int plan_of_flags(struct cli *cli, const char *service, json_t *policy);
