/*
 * What the nodes of a cluster must have in common, as the record has it: under which name the
 * issuer signs, its public keys, and what tells the CA's key and the secrets' key apart from
 * others. No secret is in it but what the signer has encrypted.
 */
#pragma once

#include "control/control.h"

/* Flags of `homerun up` by which nodes would have other services, hosts or instances under the same
 * names, or tell clients another way to them. */
enum { CLUSTER_FLAGS = 6 };
extern const char *const cluster_flag_names[CLUSTER_FLAGS];

struct cluster {
    const char *issuer; /* a URL */
    const char *jwks;   /* public keys that tokens are believed by; the newest first */
    const char *ca;     /* the public key of the local CA, base64 */
    const char *seal;   /* the name of the key of secrets, hexadecimal */
    const char *keys;   /* SIGN_WRAP's answer, base64; "" in a cluster without --cluster-key */
    const char *owner;  /* DATA/owner.json as SIGN_SEAL encrypted it, base64; "" likewise */
    /* What they are at the node that started last, in the order of their names; NULL: nobody has
     * said yet. */
    const char *flags[CLUSTER_FLAGS];
};

/* The value of a flag at this node. */
const char *cluster_own_flag(const struct control *control, size_t which);

/* Texts in ARENA. STORE_ABSENT also for who has no cluster. */
enum store_result cluster_load(const struct control *control, struct arena *arena,
                               struct cluster *out, struct error *err);
/* Inside of a change. The flags become our own. */
bool cluster_put(struct control *control, const struct cluster *cluster, struct error *err);
