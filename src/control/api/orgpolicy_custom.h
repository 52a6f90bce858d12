/* orgpolicy.googleapis.com/v2: custom constraints, and who violates now. */
#pragma once

#include "control/call/row.h"

extern const struct api_route orgpolicy_custom_routes[];
extern const size_t orgpolicy_custom_route_count;
