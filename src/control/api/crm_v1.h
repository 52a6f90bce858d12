/* cloudresourcemanager.googleapis.com/v1: projects. */
#pragma once

#include "control/call/row.h"

extern const struct api_route crm_v1_routes[];
extern const size_t crm_v1_route_count;
