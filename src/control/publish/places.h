/*
 * The places of shared instances, as the nodes of a cluster divide them (ipc/shares.h). The
 * division of a revision is a row of the record's server. Whoever changes it writes the whole of
 * it, and only over the version that it has read: so it is always one node after the other. Who is
 * alive is read in the same statement, since a node that has ended or was passed over has nothing.
 *
 * What the engine says is a whole statement, by number, and the answer bears that number: an
 * engine that has said more meanwhile does not go by it.
 */
#pragma once

#include "control/control.h"
#include "store/nodes.h"

struct places; /* opaque */

struct places *places_new(struct control *control, struct store_nodes *session);
void places_free(struct places *places);

/* TENURE is ours from now on; the engine hears of it, and does so again when it was started. */
void places_set_tenure(struct places *places, uint32_t tenure);
void places_tell_tenure(const struct places *places);

/* The engine says so (MSG_PLACES). False: it is no such message. */
bool places_hear_engine(struct places *places, const void *body, size_t bytes);
/* Another node has changed the division of REVISION. */
void places_hear_node(struct places *places, uint64_t revision);

/* Whether something is to be done now; and does it, inside of the keeper's fiber. */
bool places_are_due(const struct places *places);
void places_step(struct places *places);
/* What failed is tried again. */
void places_retry(struct places *places);
