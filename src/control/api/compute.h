/* compute.googleapis.com/v1: that a project has no network. */
#pragma once

#include "control/call/row.h"

extern const struct api_route compute_routes[];
extern const size_t compute_route_count;
