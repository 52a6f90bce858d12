/* Operations of the resource manager: all of them are done when they are answered, and can be read
 * for an hour. */
#pragma once

#include "control/call/call.h"

/*
 * Keeps an operation whose result is RESPONSE, of the protocol buffer TYPE
 * ("google.cloud.resourcemanager.v3.Folder"), in the running change. Its form is given in *ANSWER,
 * owned by the caller.
 */
bool crm_operation_new(struct api_call *call, const char *type, const json_t *response,
                       json_t **answer, struct error *err);

/* Commits, unless the call asks with validateOnly whether it would: the change then ends unmade. */
bool crm_operation_commit(struct api_call *call, struct change **change, struct error *err);

extern const struct api_route crm_operation_routes[];
extern const size_t crm_operation_route_count;
