/* What a client may ask about the API itself: grpc.reflection, in both of its versions. */
#pragma once

#include "control/call/row.h"

extern const struct api_route reflection_routes[];
extern const size_t reflection_route_count;
