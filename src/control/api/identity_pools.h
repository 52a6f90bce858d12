/* iam.googleapis.com/v1: pools of workload identities, and the OpenID providers that vouch for
 * them. */
#pragma once

#include "control/call/row.h"

extern const struct api_route identity_pools_routes[];
extern const size_t identity_pools_route_count;
