/* iam.googleapis.com/v1: custom roles of projects and organizations. */
#pragma once

#include "control/call/row.h"

extern const struct api_route custom_roles_routes[];
extern const size_t custom_roles_route_count;
