/* Secret Manager's API, v1: secrets, their versions, their policies. */
#pragma once

#include "control/call/row.h"

extern const struct api_route secrets_routes[];
extern const size_t secrets_route_count;
