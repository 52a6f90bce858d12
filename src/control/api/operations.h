/* google.longrunning.Operations, as Cloud Run has them: handlers of v1 and v2 alike. */
#pragma once

#include "control/call/call.h"
#include "control/operations/operations.h"

/* Rows with {project}, {region} and {operation}. */
void operation_get(struct api_call *call);
void operation_wait(struct api_call *call);
void operation_list(struct api_call *call);
void operation_delete(struct api_call *call);

/*
 * Answers CALL with the operation KEY as soon as it is done, or as it is after FOR_MS. At once if
 * there is no engine that could finish it, or if too many calls wait already.
 */
void operation_reply(struct api_call *call, const char *key, int64_t for_ms);

/* {"name", "done", "metadata", "response" | "error"} of an operation as it is now. */
json_t *operation_form(struct api_call *call, const char *key, const json_t *operation);
