/*
 * Answers of all nodes: what this node knows, and what the others say (publish/peers.h). Who did
 * not answer is named, and what it knows is missing: in a field of the answer, where it has one,
 * and in the header Homerun-Unreachable of every form.
 */
#pragma once

#include "control/call/call.h"
#include "control/publish/peers.h"

/*
 * Asks the other nodes; then FINISH answers the call, as a handler does, by what this node knows
 * and by OTHERS, which are lent: all of one machine alone. The caller has been allowed to. CALL's
 * user is FINISH's.
 */
void api_ask_peers(struct api_call *call, const char *question, const json_t *arguments,
                   void (*finish)(struct api_call *call, const struct peer_answers *others));

/* Adds "unreachable" to BODY, an object, if there are such nodes: ["node-b: it did not answer
 * within 2 s"]. */
void api_add_unreachable(json_t *body, const struct peer_answers *others);
