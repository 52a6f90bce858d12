/*
 * What this node asks the other nodes of its cluster, and is asked: whatever a node knows for
 * itself (logs, refusals, metrics, instances) can so be asked for at any of them. Questions go
 * through the record's server (store/questions.h), on a fiber and a session of their own, so that
 * none delays a lease. They are asked for the one who has been let in here: a node that is asked
 * believes the server, as it does with the record itself.
 *
 * NULL, and nothing, for who has no cluster.
 */
#pragma once

#include "control/control.h"
#include "store/nodes.h"

/* What can be asked. ANSWER gives what this node knows, owned by the caller; NULL and *err. It may
 * not wait. */
struct peer_question {
    const char *name;
    json_t *(*answer)(struct control *control, const json_t *arguments, struct error *err);
};

struct peer_answer {
    char node[64];
    json_t *body;  /* NULL: there is none, and WHY says why */
    char why[128]; /* "it did not answer within 2 s" */
};

struct peer_answers {
    struct peer_answer all[STORE_NODES_MAX];
    size_t count;
};

struct peers; /* opaque */

/* QUESTIONS, for ever: rows up to one without a name. VIEW: the rows of all nodes, as they were
 * last read. Ends the process if the store's URL is wrong. */
struct peers *peers_new(struct control *control, const struct peer_question *questions,
                        const struct store_view *view);
/* Those who wait are answered first. */
void peers_end(struct peers *peers);

/* Another node asks QUESTION, by its id. */
void peers_hear(struct peers *peers, const char *question);

/*
 * Asks all other nodes that serve QUESTION with ARGUMENTS (lent). DONE is called once, now or
 * within two seconds, with one answer for each other node of the cluster (lent, as is ANSWERS);
 * with none where there is no other.
 */
void peers_ask(struct control *control, const char *question, const json_t *arguments,
               void (*done)(void *ctx, const struct peer_answers *answers), void *ctx);
