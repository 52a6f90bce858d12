/* Whether the API serves: grpc.health.v1, and the same by REST. */
#pragma once

#include "control/call/row.h"

extern const struct api_route health_routes[];
extern const size_t health_route_count;
