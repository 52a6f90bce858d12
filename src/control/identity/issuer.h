/* Our own issuer and its keys: the public ones in this process, the private ones with the signer.
 */
#pragma once

#include "control/call/call.h"
#include "control/publish/publish.h"
#include "trust/trust.h"

enum { ISSUER_KEYS_MAX = 16 };

struct issuer {
    struct arena arena;   /* of what follows */
    struct slice jwks;    /* that tokens are believed by: the signer's, or those of the cluster */
    struct slice signers; /* as the signer gave them: newest first */
    struct trust_jwk signing; /* the signer's newest */
    struct trust_jwk keys[ISSUER_KEYS_MAX];
    struct trust_key *public_keys[ISSUER_KEYS_MAX];
    size_t count;
    char *taken;    /* the encrypted keys of the cluster that the signer has taken last, or NULL */
    bool taken_old; /* they were encrypted by another key than our first */
};

/* Asks the signer for the keys. Owned by the caller. */
struct issuer *issuer_new(struct control *control, struct error *err);
/* What the index shows of it. Valid until the keys are read again. */
struct own_issuer issuer_own(const struct control *control);
/* The public keys that the signer has. */
struct slice issuer_signers_keys(const struct control *control);
/* Asks again: after a rotation, here or at another node. */
bool issuer_reload(struct control *control, struct error *err);

/* A new signing key; the tokens of the old ones stay good. And the end of a key: its tokens are
 * refused from the answer on. */
bool issuer_rotate(struct api_call *call, struct error *err);
bool issuer_forget(struct api_call *call, const char *kid, struct error *err);
