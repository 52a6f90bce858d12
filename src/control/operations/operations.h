/*
 * Long-running operations: what `:wait` waits for. They live in the record until an hour after they
 * are done; here is what only this process knows of them: the calls that wait, and which are open.
 */
#pragma once

#include "control/api.h"

struct operations; /* opaque */

/* A random UUID (version 4), for operations and the uid of resources. */
const char *uuid_new(struct arena *arena);

/* Reads the open operations from the record. Owned by the caller (control->operations). */
struct operations *operations_new(struct control *control, struct error *err);
/* Answers all waiting calls first. */
void operations_free(struct operations *operations);

/* Marks a new revision as one whose check is under way; ID as the store gave it, KEY its key. */
void operations_watch(struct control *control, uint64_t revision_id, const char *key);
/* Key of a watched revision; NULL if it is none. Valid until it is unwatched. */
const char *operations_watched(struct control *control, uint64_t revision_id);
void operations_unwatch(struct control *control, uint64_t revision_id);
/* Asks the engine (again) about each watched revision that it was not asked about lately. */
void operations_ask_engine(struct control *control);
/* Asks about all of them: the engine is another one. */
void operations_ask_new_engine(struct control *control);

/* Handlers of v1 and v2 alike: rows with {project}, {region} and {operation}. */
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

/*
 * An operation that is done from the start, in the running change; its key in ARENA, NULL on
 * failure. TYPE: "Service" or "Revision". RESPONSE: what it answers; NULL for RESOURCE as it is
 * when asked. Not taken.
 */
const char *operation_new_done(struct control *control, struct arena *arena, const char *project,
                               const char *region, const char *resource, const char *kind,
                               const char *type, const json_t *response, struct error *err);

/* The whole Service as `response` has it, in the words of the API that CALL uses; NULL if it is
 * gone (run_service.c). */
json_t *operation_service(struct api_call *call, const char *service_key);
