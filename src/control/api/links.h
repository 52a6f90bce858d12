/* homerun.v1: sign-in links of the console. */
#pragma once

#include "control/call/row.h"

extern const struct api_route link_routes[];
extern const size_t link_route_count;
