/*
 * Long-running operations of any resource. They live in the record until an hour after they are
 * done; this process also knows which of them are open, and which calls wait for them (waiters.h).
 */
#pragma once

#include "control/operations/waiters.h"

struct operations; /* opaque */

/* Reads the open operations from the record. Owned by the caller (control->operations). */
struct operations *operations_new(struct control *control, struct error *err);
/* Answers all waiting calls first. */
void operations_free(struct operations *operations);
struct waiters *operations_waiters(struct operations *operations);

/* A new operation of a project and region in the running change; its id (a UUID) in ARENA; NULL on
 * failure. RESOURCE: the store key of what it is about. KIND: what is done to it. */
const char *operation_new(struct control *control, struct arena *arena, const char *project,
                          const char *region, const char *resource, const char *kind,
                          struct error *err);
/*
 * An operation that is done from the start, in the running change; its key in ARENA, NULL on
 * failure. TYPE: "Service" or "Revision". RESPONSE: what it answers; NULL for RESOURCE as it is
 * when asked. Not taken.
 */
const char *operation_new_done(struct control *control, struct arena *arena, const char *project,
                               const char *region, const char *resource, const char *kind,
                               const char *type, const json_t *response, struct error *err);

/* Marks the operations of RESOURCE as done, in the running change. FAILURE: a google.rpc.Status;
 * NULL if they went well. Not taken. */
bool operation_finish(struct control *control, const char *resource, const json_t *failure,
                      struct error *err);
/* Answers the calls that wait for operations of RESOURCE which are done: after the commit. */
void operation_wake(struct control *control, const char *resource);

/* What another node has made of a document (publish_seen): an operation that it has begun is known
 * here, and the calls that wait here for one that is done are answered. */
void operations_seen(struct control *control, const char *kind, const char *key);

/* Answers the calls that wait for KEY, which is done, unless it is held until all nodes know it
 * (nodes_hold()). */
void operation_let_go(struct control *control, const char *key);
/* Whether the operation DOC under KEY is done, and every node knows it. */
bool operation_is_done(const struct control *control, const char *key, const json_t *doc);

/* The document of the operation KEY, which the caller owns; NOT_FOUND if there is none. */
enum store_result operation_load(struct control *control, const char *key, json_t **out,
                                 struct error *err);
