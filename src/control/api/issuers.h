/* Issuers that are believed, and that people sign in with. */
#pragma once

#include "control/call/row.h"

extern const struct api_route issuer_routes[];
extern const size_t issuer_route_count;
