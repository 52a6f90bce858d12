/*
 * What the nodes of a cluster must have in common, as the record has it: under which name the
 * issuer signs, its public keys, and what tells the CA's key and the secrets' key apart from
 * others. No secret is in it but what the signer has encrypted.
 */
#pragma once

#include "control/control.h"

struct cluster {
    const char *issuer; /* a URL */
    const char *jwks;   /* public keys that tokens are believed by; the newest first */
    const char *ca;     /* the public key of the local CA, base64 */
    const char *seal;   /* the name of the key of secrets, hexadecimal */
    const char *keys;   /* SIGN_WRAP's answer, base64; "" in a cluster without --cluster-key */
    const char *owner;  /* DATA/owner.json as SIGN_SEAL encrypted it, base64; "" likewise */
};

/* Texts in ARENA. STORE_ABSENT also for who has no cluster. */
enum store_result cluster_load(const struct control *control, struct arena *arena,
                               struct cluster *out, struct error *err);
/* Inside of a change. */
bool cluster_put(struct control *control, const struct cluster *cluster, struct error *err);
