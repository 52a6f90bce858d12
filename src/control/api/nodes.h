/* homerun.v1: the nodes of a cluster. */
#pragma once

#include "control/call/row.h"

extern const struct api_route nodes_routes[];
extern const size_t nodes_route_count;
