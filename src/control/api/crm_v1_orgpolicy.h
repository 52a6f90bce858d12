/* cloudresourcemanager.googleapis.com/v1: organization policies in their older form. */
#pragma once

#include "control/call/row.h"

extern const struct api_route crm_v1_orgpolicy_routes[];
extern const size_t crm_v1_orgpolicy_route_count;
