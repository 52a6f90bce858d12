/* cloudbilling.googleapis.com/v1: which billing account a project is linked to. */
#pragma once

#include "control/call/row.h"

extern const struct api_route cloudbilling_routes[];
extern const size_t cloudbilling_route_count;
