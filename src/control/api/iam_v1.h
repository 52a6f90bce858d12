/* iam.googleapis.com/v1: service accounts, their keys, roles. */
#pragma once

#include "control/call/row.h"

extern const struct api_route iam_v1_routes[];
extern const size_t iam_v1_route_count;
