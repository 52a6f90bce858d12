/* cloudresourcemanager.googleapis.com/v3: tags. */
#pragma once

#include "control/call/row.h"

extern const struct api_route crm_v3_tags_routes[];
extern const size_t crm_v3_tags_route_count;
