/* The page that refusals by organization policy link to. */
#pragma once

#include "control/call/row.h"

extern const struct api_route orgpolicy_page_routes[];
extern const size_t orgpolicy_page_route_count;
