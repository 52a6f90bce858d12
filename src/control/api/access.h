/* Our own API: who may call what, why, what is public, and since when (/homerun/v1/access:…). */
#pragma once

#include "control/call/row.h"

extern const struct api_route access_routes[];
extern const size_t access_route_count;
