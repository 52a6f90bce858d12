/* cloudresourcemanager.googleapis.com/v3 (and v2 folders, v1 organizations): the resource tree. */
#pragma once

#include "control/call/row.h"

extern const struct api_route crm_v3_routes[];
extern const size_t crm_v3_route_count;
