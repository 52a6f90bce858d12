/* serviceusage.googleapis.com/v1: every API that we have is enabled. */
#pragma once

#include "control/call/row.h"

extern const struct api_route serviceusage_routes[];
extern const size_t serviceusage_route_count;
