/* Bindings of a policy, read, changed and written back. */
#pragma once

#include "cli/session.h"

/* Grants or takes ROLE from MEMBER by the policy of RESOURCE, a path of the v2 API. */
bool binding_change(struct cli *cli, const char *resource, const char *member, const char *role,
                    const json_t *condition, bool grant, json_t **policy, struct error *err);

/* policies.c: what binding_open() would make of the policy. NULL and *err. */
json_t *binding_opened(struct cli *cli, const char *resource, const json_t *condition, bool open,
                       struct error *err);

/*
 * policies.c: POLICY of the service RESOURCE (NULL: as it is), which is taken, with AGENT, who
 * calls the service for those that come in by its door, as an invoker, or (ON false) without. NULL
 * and *err.
 */
json_t *policy_with_agent(struct cli *cli, const char *resource, json_t *policy, const char *agent,
                          bool on, struct error *err);

/*
 * Lets allUsers invoke the service RESOURCE, until CONDITION ends or (NULL) for good, in place of
 * any such grant that stood; or, with OPEN false, takes those away. NOT_FOUND if there is none.
 */
bool binding_open(struct cli *cli, const char *resource, const json_t *condition, bool open,
                  json_t **policy, struct error *err);
