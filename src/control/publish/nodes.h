/*
 * This node among those that work by the same record (docs/cluster.md). Three promises hang on it:
 *
 * - It decides only while its lease runs, by a clock that nothing sets, counted from before the
 *   renewal was sent.
 * - It says that it has applied a change once its own index shows it, and never before.
 * - A change of its own is answered once each other node has said so, or was passed over; and a
 *   node is passed over once its row has stood still for a whole lease, by the clock of whoever
 *   waits, counted from when the row was first seen like that.
 *
 * All of it is NULL, and costs nothing, for who has no cluster.
 */
#pragma once

#include "control/control.h"
#include "store/nodes.h"

struct peer_question;

struct nodes; /* opaque */

/*
 * Joins, and keeps the lease, on a fiber of its own. FOLLOW takes up what others have changed,
 * inside of a turn. READY is called once, when this node may decide for the first time;
 * TAKE_OVER, inside of a turn, when a node was passed over: what that has begun is ours to end.
 * LET_GO: all nodes have what was held.
 * NULL without a cluster. Control ends if it is refused.
 */
struct nodes_events {
    void (*follow)(struct control *control);
    void (*ready)(struct control *control);
    void (*take_over)(struct control *control);
    void (*let_go)(struct control *control, const char *key); /* nodes_hold() */
    const struct peer_question *questions; /* what other nodes may ask (peers.h) */
};
struct nodes *nodes_start(struct control *control, const struct nodes_events *events);
/* If all of the node ends, the others are told, and need not wait for its lease to run out. */
void nodes_end(struct control *control);

/* Whether this node may decide now. */
bool nodes_may_decide(const struct control *control);
/* The same for a call: if not, *err says why. With `--when-cut-off=serve-stale`, always true. */
bool nodes_check(const struct control *control, struct error *err);
/* What every answer says while this node decides by what it may not know to be true any more; NULL:
 * it does not. */
const char *nodes_warning(const struct control *control);

/* For balancers: it decides, and is not being drained. */
bool nodes_is_healthy(const struct control *control);

/*
 * Whether regular work that one node is enough for, of NUMBER, is this one's now: each of those
 * that serve has its share. They may disagree for a moment while one comes or goes. True without a
 * cluster; false while this node may not decide.
 */
bool nodes_has_share(const struct control *control, uint64_t number);

/* The index shows all of the record's copy. FOLLOWED: others made the last change. Whether that is
 * more than before. */
bool nodes_applied(struct control *control, bool followed);
/*
 * The change that was just committed is applied by all nodes that serve. Stands aside meanwhile.
 * ABORTED: it is made, but whether it is in force on all nodes is not known.
 */
bool nodes_await(struct control *control, struct error *err);

/*
 * What KEY names comes to its end by the change that is under way: until all nodes that serve have
 * applied that, nobody is told, since who is might ask another node next. Nothing without a
 * cluster.
 */
void nodes_hold(struct control *control, const char *key);
bool nodes_holds(const struct control *control, const char *key);

/* The engine says what it keeps of shared instances, and lacks (MSG_PLACES); or was started. */
void nodes_hear_engine(struct control *control, const void *body, size_t bytes);
void nodes_engine_started(const struct control *control);

/* For the API: the rows as they were last read. */
const struct store_view *nodes_view(const struct control *control);
const char *nodes_own_name(const struct control *control);
/* Calls FN for the address of each node's API ("http://10.0.0.2:8080"), until it says true; whether
 * it did. None without a cluster. */
bool nodes_any_url(const struct control *control, bool (*fn)(void *ctx, const char *url),
                   void *ctx);
