/* cloudresourcemanager.googleapis.com/v3: which tags a resource has. */
#pragma once

#include "control/call/row.h"

extern const struct api_route crm_v3_bindings_routes[];
extern const size_t crm_v3_bindings_route_count;
