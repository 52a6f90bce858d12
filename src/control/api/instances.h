/* homerun.v1: what runs now, instance by instance. */
#pragma once

#include "control/call/row.h"

extern const struct api_route instances_routes[];
extern const size_t instances_route_count;
