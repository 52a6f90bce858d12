/*
 * The nodes that work by one record on PostgreSQL: a row each, which the node renews, by a session
 * of its own that hears what the others do. What the rows mean, and who may go on without whom, is
 * control/publish/nodes.c's and docs/cluster.md's.
 */
#pragma once

#include "store/questions.h"
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
    int64_t epoch; /* of the last row that was made for this data folder; 0: none */
};

/* Does not connect. HOST as in store_set_host(). NULL: the URL is wrong. */
struct store_nodes *store_nodes_new(const struct store_nodes_self *self,
                                    const struct store_host *host, struct error *err);
void store_nodes_free(struct store_nodes *nodes);

struct store_joined {
    bool is_held;             /* not joined: a row of our name serves which is not ours */
    struct store_node holder; /* that row; the rest is of who has joined */
    int64_t epoch;            /* ours now */
    uint64_t number; /* of the last change before it: who has not applied that may not serve */
    uint32_t tenure; /* another one than before: what we had of places, others may have now */
};

/* Connects if need be, and makes our row anew, unless another Homerun may still decide by it.
 * FAILED_PRECONDITION: somebody works by the record alone, or there are too many nodes. DATA_LOSS:
 * the record does not know APPLIED, by which this node decides. */
STORE_ASK bool store_nodes_join(struct store_nodes *nodes, const struct store_point *applied,
                                struct store_joined *out, struct error *err);
/* Renews our lease, and reads all rows. *LOST: it was passed over, or its row is gone. DATA_LOSS,
 * and not renewed: as above. */
STORE_ASK bool store_nodes_beat(struct store_nodes *nodes, const struct store_point *applied,
                                struct store_view *view, bool *lost, struct error *err);
/* Passes NODE over if its row still is as it was seen. *DONE: whether it was. On disk there. */
STORE_ASK bool store_nodes_pass_over(struct store_nodes *nodes, const struct store_node *node,
                                     bool *done, struct error *err);
/* Nothing is decided here any more: nobody has to wait for us. */
void store_nodes_leave(struct store_nodes *nodes);

/* ---- who has which places of a revision's instances (ipc/shares.h) ---- */

struct store_places {
    struct slice live;     /* nodes that serve, at the moment of reading: lines of "TENURE NAME" */
    int64_t version;       /* 0: there is no row */
    struct slice division; /* "" likewise */
};
STORE_ASK bool store_nodes_read_places(struct store_nodes *nodes, uint64_t revision,
                                       struct arena *arena, struct store_places *out,
                                       struct error *err);
/* Only if it still is of VERSION: *DONE says whether. An empty DIVISION ends the row. On disk there
 * when this answers. TELL: the other nodes hear of it. */
STORE_ASK bool store_nodes_write_places(struct store_nodes *nodes, uint64_t revision,
                                        int64_t version, const char *division, bool tell,
                                        bool *done, struct error *err);

/* What the others say. */
struct store_heard {
    enum { HEARD_CHANGE, HEARD_APPLIED, HEARD_GONE, HEARD_PLACES, HEARD_QUESTION } what;
    uint64_t number;            /* of a change, or applied; of a revision */
    struct store_member member; /* who applied it, has gone, has divided places, or asks; else "" */
    char question[STORE_QUESTION_ID];
};

/* Waits until something may have been said, the host is woken, or DEADLINE_US (clock_mono_us()). */
void store_nodes_wait(struct store_nodes *nodes, int64_t deadline_us);
/* The next thing that was said; false: nothing more. */
bool store_nodes_hear(struct store_nodes *nodes, struct store_heard *out);
