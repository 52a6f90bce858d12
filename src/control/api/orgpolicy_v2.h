/* orgpolicy.googleapis.com/v2: policies and constraints. */
#pragma once

#include "control/call/call.h"

extern const struct api_route orgpolicy_v2_routes[];
extern const size_t orgpolicy_v2_route_count;

/*
 * A policy as a client would send it, checked as if it were to be set, by the name that it has: the
 * store key of the resource that it is of, its constraint, and what the record would have (owned by
 * the caller, also on failure). The caller has to hold orgpolicy.policy.get there.
 */
bool orgpolicy_v2_read(struct api_call *call, const json_t *policy, const char **node,
                       const char **constraint, json_t **body, struct error *err);
