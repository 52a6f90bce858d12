#include "control/identity/issuer.h"

#include <stdlib.h>

#include "base/log.h"
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

/* The signer takes the keys that another node has made, or a change that failed has left. */
static bool take_keys(struct control *control, struct issuer *issuer, const struct cluster *cluster,
                      struct error *err)
{
    if (issuer->taken != NULL && strcmp(issuer->taken, cluster->keys) == 0) {
        return true;
    }
    if (!cluster_keys_take(control, cluster, &issuer->taken_old, err)) {
        return false;
    }
    free(issuer->taken);
    issuer->taken = mem_dup(cluster->keys);
    return true;
}

/* The signer's newest among those that are believed. */
static void choose_signing(struct issuer *issuer, const struct trust_jwk *own, size_t own_count)
{
    issuer->signing = own[0];
    for (size_t i = 0; i < own_count; i++) {
        for (size_t k = 0; k < issuer->count; k++) {
            if (slice_equal(own[i].kid, issuer->keys[k].kid)) {
                issuer->signing = own[i];
                return;
            }
        }
    }
}

/* FIRST: at the start, which fails if the cluster's keys cannot be taken. Later that is logged, and
 * the node goes on signing with the keys that it has. */
static bool load_keys(struct control *control, struct issuer *issuer, bool first, struct error *err)
{
    auto_arena scratch = {0};
    struct slice jwks;
    struct cluster cluster;
    struct error fault;
    struct trust_jwk own[ISSUER_KEYS_MAX];
    size_t own_count, count;
    enum store_result found = cluster_load(control, &scratch, &cluster, err);
    if (found == STORE_FAILED) {
        return false;
    }
    if (found == STORE_FOUND && !take_keys(control, issuer, &cluster, &fault)) {
        if (first) {
            *err = fault;
            return false;
        }
        log_error("issuer: %s", fault.text); /* what other nodes sign is believed all the same */
    }
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_PUBLIC_KEYS, SLICE_NONE,
                     &scratch, &jwks, NULL, err)) {
        return error_wrap(err, "the issuer's keys");
    }
    forget_keys(issuer);
    issuer->signers = issuer->jwks = arena_slice(&issuer->arena, jwks);
    if (!trust_jwks_read(&issuer->arena, issuer->signers, own, ISSUER_KEYS_MAX, &own_count, err)) {
        return false;
    }
    if (own_count == 0) {
        return error_set(err, STATUS_INTERNAL, "the signer has no key");
    }
    if (found == STORE_FOUND) {
        issuer->jwks = arena_slice(&issuer->arena, slice_of(cluster.jwks));
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
    choose_signing(issuer, own, own_count);
    return true;
}

struct issuer *issuer_new(struct control *control, struct error *err)
{
    struct issuer *issuer = mem_new(struct issuer);
    if (!load_keys(control, issuer, true, err)) {
        forget_keys(issuer);
        free(issuer->taken);
        free(issuer);
        return NULL;
    }
    return issuer;
}

bool issuer_reload(struct control *control, struct error *err)
{
    return load_keys(control, control->issuer, false, err);
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

/* Into the record and the index; JWKS: what the signer has now. */
static bool note_keys(struct api_call *call, struct slice jwks, const char *deed, struct error *err)
{
    struct control *control = call->control;
    auto_change *change = api_change(call, err);
    return change != NULL && cluster_keys_note(control, jwks, err) && issuer_reload(control, err) &&
           publish_own_issuer(change, issuer_own(control), err) &&
           change_audit(change, "issuer", deed, NULL, NULL, err) && change_commit(&change, err);
}

/* Asks the signer for KIND, reads the keys anew, and publishes them. */
static bool change_keys(struct api_call *call, enum sign_kind kind, struct slice bytes,
                        const char *deed, struct error *err)
{
    struct control *control = call->control;
    struct slice jwks;
    struct error fault;
    if (!signer_call(control->signer_fd, &control->signer_next_id, kind, bytes, &call->arena, &jwks,
                     NULL, err)) {
        return false;
    }
    bool good = note_keys(call, jwks, deed, err);
    if (!good && !issuer_reload(control, &fault)) {
        log_error("issuer: %s", fault.text);
    }
    return good;
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
