/* iam.googleapis.com/v1: roles. */
#pragma once

#include "control/call/row.h"

extern const struct api_route role_routes[];
extern const size_t role_route_count;
