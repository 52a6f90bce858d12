/* What the files that publish share. Those who change the record use change.h. */
#pragma once

#include "control/control.h"
#include "model/service.h"

struct author;

struct change {
    struct control *control;
    const struct author *author; /* NULL: the system's own doing */
    struct index_txn *txn;
    struct arena arena;
    bool follows;     /* it is what other nodes have changed */
    bool touched_all; /* anything may have changed */
    bool audited;     /* something was changed on purpose */
    bool touched_run; /* the engine should look again */
    struct {
        const char *kind, *name;
    } touched[8];
    size_t touched_count; /* may exceed the array: then more has changed than is told by name */
};

/* Those who watch are told, once the change is in force. KIND is one of the record's. */
void change_touch(struct change *change, const char *kind, const char *name);

/* Our own issuer, which is no document of the record: its keys are with the signer. */
struct own_issuer {
    const char *url;   /* its name in tokens */
    struct slice jwks; /* its public keys */
};

/* Makes the whole index anew from the record: after a start that finds it behind, empty or of
 * another layout. */
bool publish_all(struct control *control, struct own_issuer own, struct error *err);

/* Puts everything into the index, and ends *CHANGE. */
bool publish_record(struct change **change, struct own_issuer own, struct error *err);

/* A change for what store_follow() has put into the record; on failure that is rolled back. */
struct change *change_begin_following(struct control *control, struct error *err);

/* Called for each document that others have changed, when the index has it; with kind and key ""
 * if it may be any. */
typedef void (*publish_seen)(struct control *control, const char *kind, const char *key);

/* Takes up what other nodes have changed, and puts it into the index. True if there is nothing.
 * Inside of a turn. */
bool publish_follow(struct control *control, struct own_issuer own, publish_seen seen,
                    struct error *err);

/* Our own issuer, under each of its names, with its keys: after a rotation. */
bool publish_own_issuer(struct change *change, struct own_issuer own, struct error *err);

/* The grants of RESOURCE's policy alone: for a rebuild, which makes the services after. */
bool publish_policy(struct change *change, const char *resource, struct error *err);

/* Under which number the index has the grants on RESOURCE: that of its document. The levels of
 * doors above the services have none, so it is that of their policy. 0: it is gone, or nobody is
 * let in by its policy. */
bool publish_grants_node(struct store *store, struct arena *arena, const char *resource,
                         uint64_t *out, struct error *err);

/*
 * The door that the service KEY has, or would have, once it is on. NODES: of the service, itself
 * first. Texts in ARENA.
 */
bool publish_door_of(struct store *store, struct arena *arena, const char *key,
                     const struct service_view *view, const uint64_t *nodes, size_t node_count,
                     struct index_door *out, struct error *err);

/* The tags that are bound to RESOURCE, which the record has, or had, under ID. */
bool publish_tags(struct change *change, const char *resource, uint64_t id, struct error *err);
/* Those of the resource that KEY, the key of a binding in the record, is to. True for other tags.
 */
bool publish_tag_binding(struct change *change, const char *key, struct error *err);
