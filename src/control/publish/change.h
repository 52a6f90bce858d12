/*
 * A change: the record, its audit row and the index in one. When change_commit() has returned true,
 * every later request is decided by the new state.
 *
 *   auto_change *change = change_begin(control, author, &err);     NULL: answer *err
 *   store_put(control->store, STORE_SERVICE, key, ...);
 *   change_service(change, key, &err); change_audit(change, key, ...);
 *   if (!change_commit(&change, &err)) ...                         nothing has happened
 */
#pragma once

#include "control/control.h"

struct change;

/* Who makes a change, for its audit row. */
struct author {
    struct slice member; /* "user:e" */
    const char *peer;    /* "127.0.0.1" */
    const char *method;  /* "google.cloud.run.v1.Services.ReplaceService" */
};

/* AUTHOR, which must live as long as the change, is NULL for changes of the system's own. */
struct change *change_begin(struct control *control, const struct author *author,
                            struct error *err);
void change_abort(struct change **change);
static inline void change_auto_abort(struct change **change)
{
    if (*change != NULL) {
        change_abort(change);
    }
}
#define auto_change __attribute__((cleanup(change_auto_abort))) struct change
/* The keys of records that were written, deleted ones too, and must be compiled into the index
 * again. */
bool change_service(struct change *change, const char *key, struct error *err);
bool change_revision(struct change *change, const char *key, struct error *err);
bool change_policy(struct change *change, const char *resource, struct error *err);
/* The services behind DOOR, a resource of Identity-Aware Proxy or a project: after its settings
 * have changed. */
bool change_door(struct change *change, const char *door, struct error *err);
/* The tags that are bound to RESOURCE: after a binding has come or gone. */
bool change_tags(struct change *change, const char *resource, struct error *err);
bool change_account(struct change *change, const char *key, struct error *err);
bool change_key(struct change *change, const char *key, struct error *err);
bool change_groups(struct change *change, struct error *err);
bool change_issuer(struct change *change, const char *key, struct error *err);
bool change_session(struct change *change, const char *key, struct error *err);
/*
 * The audit row: who, when, from where, by which method, RESOURCE, and BEFORE and AFTER of what
 * decides access (may be NULL; not taken).
 */
bool change_audit(struct change *change, const char *resource, const char *deed,
                  const json_t *before, const json_t *after, struct error *err);
/* Ends CHANGE. ABORTED, in a cluster: it may have been made, as *err says. */
bool change_commit(struct change **change, struct error *err);
