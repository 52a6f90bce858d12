/*
 * The nodes that work by one record on PostgreSQL: a row each, which the node renews, by a session
 * of its own that hears what the others do. What the rows mean, and who may go on without whom, is
 * control/publish/nodes.c's and docs/cluster.md's.
 */
#pragma once

#include "store/store.h"

struct store_nodes; /* opaque */

struct store_node {
    char name[64];
    int64_t epoch;    /* rises whenever it joins, and when it is passed over */
    int64_t beat;     /* rises with each renewal */
    uint64_t applied; /* the change that it decides by, at least */
    int lease_ms;
    bool serves; /* false: passed over; it has to join again */
    bool draining;
    int64_t left_ms; /* of its lease, by the server's clock: to be shown, not to be judged by */
    char url[256];
};

struct store_view {
    struct store_node nodes[STORE_NODES_MAX];
    size_t count;
    uint64_t number; /* of the last change */
};

struct store_nodes_self {
    const char *store; /* its URL */
    const char *name, *url;
    int lease_ms;
};

/* Does not connect. HOST as in store_set_host(). NULL: the URL is wrong. */
struct store_nodes *store_nodes_new(const struct store_nodes_self *self,
                                    const struct store_host *host, struct error *err);
void store_nodes_free(struct store_nodes *nodes);

/*
 * Connects if need be, and makes our row anew. *EPOCH is ours now; *NUMBER the last change before
 * it: who has not applied that may not serve. FAILED_PRECONDITION: somebody works by the record
 * alone, or there are too many nodes.
 */
STORE_ASK bool store_nodes_join(struct store_nodes *nodes, uint64_t applied, int64_t *epoch,
                                uint64_t *number, struct error *err);
/* Renews our lease, and reads all rows. *LOST: it was passed over, or its row is gone. */
STORE_ASK bool store_nodes_beat(struct store_nodes *nodes, uint64_t applied,
                                struct store_view *view, bool *lost, struct error *err);
/* Passes NODE over if its row still is as it was seen. *DONE: whether it was. On disk there. */
STORE_ASK bool store_nodes_pass_over(struct store_nodes *nodes, const struct store_node *node,
                                     bool *done, struct error *err);
/* Nothing is decided here any more: nobody has to wait for us. */
void store_nodes_leave(struct store_nodes *nodes);

/* What the others say. */
struct store_heard {
    enum { HEARD_CHANGE, HEARD_APPLIED, HEARD_GONE } what;
    uint64_t number;            /* of a change, or applied */
    struct store_member member; /* who applied it, or has gone; else "" */
};

/* Waits until something may have been said, the host is woken, or DEADLINE_US (clock_mono_us()). */
void store_nodes_wait(struct store_nodes *nodes, int64_t deadline_us);
/* The next thing that was said; false: nothing more. */
bool store_nodes_hear(struct store_nodes *nodes, struct store_heard *out);
