/* iamcredentials.googleapis.com/v1: tokens and signatures for accounts. */
#pragma once

#include "control/call/row.h"

extern const struct api_route iamcredentials_routes[];
extern const size_t iamcredentials_route_count;
