/* logging.googleapis.com/v2: reading what instances and requests wrote. */
#pragma once

#include "control/call/row.h"

extern const struct api_route logging_routes[];
extern const size_t logging_route_count;
