/* sts.googleapis.com/v1: the exchange of another issuer's token for one of ours. */
#pragma once

#include "control/call/row.h"

extern const struct api_route sts_routes[];
extern const size_t sts_route_count;
