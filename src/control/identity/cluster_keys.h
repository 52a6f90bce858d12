/*
 * The keys that nodes of a cluster share: by files that an operator has copied (DATA/signer of a
 * node that is there), or, with --cluster-key, by the record, where they lie encrypted. A node that
 * has others is refused when it starts, in words. JWKS: the public keys of the issuer that this
 * node's signer has.
 */
#pragma once

#include "control/control.h"
#include "control/record/cluster.h"

/*
 * With --cluster-key: the signer takes the keys that CLUSTER holds, if it has others. *OLD: they
 * were encrypted by another key than the first of our file. FAILED_PRECONDITION: by none of them.
 */
bool cluster_keys_take(struct control *control, const struct cluster *cluster, bool *old,
                       struct error *err);

/* At the start, before anything is put into the record: says in the log which flags the node that
 * started last had otherwise. FAILED_PRECONDITION: the project is another. */
bool cluster_flags_check(struct control *control, struct error *err);

/* At the start, before the index is made: takes the issuer's name from the record, or gives it
 * there. OLD: as cluster_keys_take() said. FAILED_PRECONDITION: this node's keys are others. True
 * without a cluster. */
bool cluster_keys_settle(struct control *control, struct slice jwks, bool old, struct error *err);

/* Inside of a change that a rotation makes: from its answer on, every node believes the keys that
 * this one has now, and no others. */
bool cluster_keys_note(struct control *control, struct slice jwks, struct error *err);
