/* Rows of the token endpoint and of OpenID discovery. */
#pragma once

#include "control/call/row.h"

extern const struct api_route oauth_routes[];
extern const size_t oauth_route_count;
