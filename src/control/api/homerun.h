/* Our own: groups, issuers, tokens of the local root of trust. */
#pragma once

#include "control/call/row.h"

extern const struct api_route homerun_routes[];
extern const size_t homerun_route_count;
