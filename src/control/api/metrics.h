/* homerun.v1: what services did over time, and /metrics for Prometheus. */
#pragma once

#include "control/call/row.h"

extern const struct api_route metrics_routes[];
extern const size_t metrics_route_count;
