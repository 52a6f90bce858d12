#include "control/identity/issuer.h"

#include <stdlib.h>

#include "base/memory.h"
#include "control/identity/cluster_keys.h"
#include "control/publish/publish.h"
#include "control/record/cluster.h"
#include "ipc/signer_client.h"

static void forget_keys(struct issuer *issuer)
{
    for (size_t i = 0; i < issuer->count; i++) {
        trust_key_free(issuer->public_keys[i]);
    }
    issuer->count = 0;
    arena_done(&issuer->arena);
}

static bool load_keys(struct control *control, struct issuer *issuer, struct error *err)
{
    auto_arena scratch = {0};
    struct slice jwks;
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_PUBLIC_KEYS, SLICE_NONE,
                     &scratch, &jwks, NULL, err)) {
        return error_wrap(err, "the issuer's keys");
    }
    forget_keys(issuer);
    issuer->signers = issuer->jwks = arena_slice(&issuer->arena, jwks);
    size_t count;
    if (!trust_jwks_read(&issuer->arena, issuer->signers, issuer->keys, ISSUER_KEYS_MAX, &count,
                         err)) {
        return false;
    }
    if (count == 0) {
        return error_set(err, STATUS_INTERNAL, "the signer has no key");
    }
    issuer->signing = issuer->keys[0];
    struct cluster cluster;
    switch (cluster_load(control, &issuer->arena, &cluster, err)) {
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        issuer->jwks = slice_of(cluster.jwks);
        break;
    case STORE_ABSENT:
        break;
    }
    if (!trust_jwks_read(&issuer->arena, issuer->jwks, issuer->keys, ISSUER_KEYS_MAX, &count,
                         err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        issuer->public_keys[i] =
            trust_key_from_spki(issuer->keys[i].spki, issuer->keys[i].alg, err);
        if (issuer->public_keys[i] == NULL) {
            return false;
        }
        issuer->count++;
    }
    return true;
}

struct issuer *issuer_new(struct control *control, struct error *err)
{
    struct issuer *issuer = mem_new(struct issuer);
    if (!load_keys(control, issuer, err)) {
        issuer_free(issuer);
        return NULL;
    }
    return issuer;
}

void issuer_free(struct issuer *issuer)
{
    if (issuer != NULL) {
        forget_keys(issuer);
        free(issuer);
    }
}

bool issuer_reload(struct control *control, struct error *err)
{
    return load_keys(control, control->issuer, err);
}

const char *issuer_url(const struct control *control)
{
    return control->url;
}

struct slice issuer_signers_keys(const struct control *control)
{
    return control->issuer->signers;
}

struct own_issuer issuer_own(const struct control *control)
{
    return (struct own_issuer){
        .url = control->issuer_url,
        .jwks = control->issuer->jwks,
    };
}

/* Asks the signer for KIND, reads the keys anew, and publishes them. */
static bool change_keys(struct api_call *call, enum sign_kind kind, struct slice bytes,
                        const char *deed, struct error *err)
{
    struct control *control = call->control;
    struct slice answer;
    if (!signer_call(control->signer_fd, &control->signer_next_id, kind, bytes, &call->arena,
                     &answer, NULL, err) ||
        !issuer_reload(control, err)) {
        return false;
    }
    auto_change *change = api_change(call, err);
    return change != NULL && cluster_keys_note(control, issuer_signers_keys(control), err) &&
           issuer_reload(control, err) && publish_own_issuer(change, issuer_own(control), err) &&
           change_audit(change, "issuer", deed, NULL, NULL, err) && change_commit(&change, err);
}

bool issuer_rotate(struct api_call *call, struct error *err)
{
    return change_keys(call, SIGN_ROTATE, SLICE_NONE, "rotate-key", err);
}

bool issuer_forget(struct api_call *call, const char *kid, struct error *err)
{
    return change_keys(call, SIGN_FORGET, slice_of(kid), "forget-key", err);
}

/* ---- minting ---- */

/* ---- believing ---- */
