/* orgpolicy.googleapis.com/v2: policies and constraints. */
#pragma once

#include "control/call/call.h"

extern const struct api_route orgpolicy_v2_routes[];
extern const size_t orgpolicy_v2_route_count;
