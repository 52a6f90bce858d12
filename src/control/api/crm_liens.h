/* Liens: what a project may not suffer until they are taken away. */
#pragma once

#include "control/call/call.h"

/* Whether nothing stands against the deletion of the project NODE ("projects/ID"). */
bool crm_liens_allow_deletion(struct api_call *call, const char *node, struct error *err);

extern const struct api_route crm_liens_routes[];
extern const size_t crm_liens_route_count;
