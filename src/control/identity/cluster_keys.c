#include "control/identity/cluster_keys.h"

#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "control/publish/change.h"
#include "ipc/signer_client.h"
#include "trust/trust.h"

enum { CA_BYTES_MAX = 65536, OWNER_BYTES_MAX = 16384, SEAL_ID_AT = 1, SEAL_ID_BYTES = 8 };

static const char owner_file[] = "owner.json";

static bool has_key(const struct control *control)
{
    return control->settings.cluster_key[0] != '\0';
}

/* For the record, where there is a key to encrypt them by; else both are "". */
static bool encrypted_keys(struct control *control, struct arena *arena, struct cluster *out,
                           struct error *err)
{
    struct slice wrapped, owner, sealed;
    struct error absent;
    const char *file = settings_path(&control->settings, arena, owner_file);
    out->keys = out->owner = "";
    if (!has_key(control)) {
        return true;
    }
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_WRAP, SLICE_NONE, arena,
                     &wrapped, NULL, err)) {
        return false;
    }
    out->keys = arena_string(arena, base64_encode(arena, wrapped));
    if (!file_read(arena, file, OWNER_BYTES_MAX, &owner, &absent)) {
        return true; /* an operator has taken it away */
    }
    if (!signer_call_named(control->signer_fd, &control->signer_next_id, SIGN_SEAL,
                           slice_of(owner_file), owner, arena, &sealed, err)) {
        return false;
    }
    out->owner = arena_string(arena, base64_encode(arena, sealed));
    return true;
}

/* What this node has itself. Sealed bytes begin with the name of their key (signer/seal.h). */
static bool own_keys(struct control *control, struct slice jwks, struct arena *arena,
                     struct cluster *out, struct error *err)
{
    struct slice sealed, pem;
    struct trust_public ca;
    const char *file = settings_path(&control->settings, arena, "ca.pem");
    if (!signer_call_named(control->signer_fd, &control->signer_next_id, SIGN_SEAL,
                           SLICE("cluster"), SLICE("-"), arena, &sealed, err) ||
        !file_read(arena, file, CA_BYTES_MAX, &pem, err) ||
        !trust_public_read(arena, pem, &ca, err) || !encrypted_keys(control, arena, out, err)) {
        return error_wrap(err, "this node's keys");
    }
    struct slice name = slice_upto(slice_from(sealed, SEAL_ID_AT), SEAL_ID_BYTES);
    out->issuer = control->issuer_url;
    out->jwks = arena_string(arena, jwks);
    out->ca = arena_string(arena, base64_encode(arena, ca.spki));
    out->seal = arena_string(arena, hex_encode(arena, name));
    return true;
}

bool cluster_keys_take(struct control *control, const struct cluster *cluster, bool *old,
                       struct error *err)
{
    auto_arena arena = {0};
    struct slice wrapped, answer;
    *old = false;
    if (!has_key(control) || cluster->keys[0] == '\0') {
        return true;
    }
    if (!base64_decode_any(&arena, slice_of(cluster->keys), &wrapped)) {
        return error_set(err, STATUS_DATA_LOSS, "the cluster's keys in the record are damaged");
    }
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_UNWRAP, wrapped, &arena,
                     &answer, NULL, err)) {
        return error_wrap(err, "the cluster's keys");
    }
    *old = slice_is(answer, "old");
    return true;
}

/* For a node that came without one: `homerun token` on its machine needs it. */
static bool take_owner(struct control *control, const struct cluster *theirs, struct arena *arena,
                       struct error *err)
{
    struct slice sealed, text, known;
    struct error fault;
    const char *file = settings_path(&control->settings, arena, owner_file);
    if (!has_key(control) || theirs->owner[0] == '\0' ||
        file_read(arena, file, OWNER_BYTES_MAX, &known, &fault)) {
        return true;
    }
    if (fault.status != STATUS_NOT_FOUND) {
        *err = fault; /* one that is there is not written over */
        return false;
    }
    if (!base64_decode_any(arena, slice_of(theirs->owner), &sealed)) {
        return error_set(err, STATUS_DATA_LOSS, "the cluster's owner key in the record is damaged");
    }
    return signer_call_named(control->signer_fd, &control->signer_next_id, SIGN_OPEN,
                             slice_of(owner_file), sealed, arena, &text, err) &&
           file_write(file, text, 0600, err);
}

static bool is_same(const char *what, const char *ours, const char *theirs, struct error *err)
{
    return strcmp(ours, theirs) == 0 ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "this node has another %s than the cluster: copy DATA/signer of a node that "
                     "serves into this data folder (or start all nodes with the same "
                     "--cluster-key), and start again",
                     what);
}

static bool compare(struct control *control, const struct cluster *ours,
                    const struct cluster *theirs, struct error *err)
{
    if (!is_same("key of the local CA", ours->ca, theirs->ca, err) ||
        !is_same("key of secrets", ours->seal, theirs->seal, err) ||
        !is_same("set of issuer keys", ours->jwks, theirs->jwks, err)) {
        return false;
    }
    snprintf(control->issuer_url, sizeof(control->issuer_url), "%s", theirs->issuer);
    return true;
}

/* Another project would be made, with an owner of its own, beside that of the others. */
static bool refuse_project(const char *ours, const char *theirs, struct error *err)
{
    return error_set(err, STATUS_FAILED_PRECONDITION,
                     "the nodes of this cluster have --project=%s, and this one has --project=%s: "
                     "start it with theirs",
                     theirs, ours);
}

bool cluster_flags_check(struct control *control, struct error *err)
{
    auto_arena arena = {0};
    struct cluster theirs;
    enum store_result found = cluster_load(control, &arena, &theirs, err);
    for (size_t i = 0; i < CLUSTER_FLAGS && found == STORE_FOUND; i++) {
        const char *flag = cluster_flag_names[i], *own = cluster_own_flag(control, i);
        if (theirs.flags[i] == NULL || strcmp(own, theirs.flags[i]) == 0) {
            continue;
        }
        if (strcmp(flag, "project") == 0) {
            return refuse_project(own, theirs.flags[i], err);
        }
        log_warn("nodes: this node has --%s=%s, and the one that started before it --%s=%s: unless "
                 "all nodes are being changed, give this one the flags of the others",
                 flag, own, flag, theirs.flags[i]);
    }
    return found != STORE_FAILED;
}

static bool has_own_flags(const struct control *control, const struct cluster *cluster)
{
    for (size_t i = 0; i < CLUSTER_FLAGS; i++) {
        if (cluster->flags[i] == NULL ||
            strcmp(cluster->flags[i], cluster_own_flag(control, i)) != 0) {
            return false;
        }
    }
    return true;
}

static bool put(struct control *control, const struct cluster *ours, const char *deed,
                struct error *err)
{
    auto_change *change = change_begin(control, NULL, err);
    return change != NULL && cluster_put(control, ours, err) &&
           change_audit(change, "cluster", deed, NULL, NULL, err) && change_commit(&change, err);
}

/* The keys of a cluster that went by files until now, or by an older --cluster-key, and our flags.
 */
static bool bring_up_to_date(struct control *control, const struct cluster *ours,
                             const struct cluster *theirs, bool old, struct error *err)
{
    struct cluster next = *theirs;
    if (has_key(control) && (theirs->keys[0] == '\0' || old)) {
        next.keys = ours->keys;
        next.owner = ours->owner;
        return put(control, &next, "wrap-keys", err);
    }
    return has_own_flags(control, theirs) || put(control, &next, "note-flags", err);
}

bool cluster_keys_settle(struct control *control, struct slice jwks, bool old, struct error *err)
{
    auto_arena arena = {0};
    struct cluster ours, theirs;
    if (!control->settings.cluster) {
        return true;
    }
    if (!own_keys(control, jwks, &arena, &ours, err)) {
        return false;
    }
    switch (cluster_load(control, &arena, &theirs, err)) {
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        if (!has_key(control) && theirs.keys[0] != '\0') {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "the nodes of this cluster share their keys by --cluster-key=FILE: "
                             "start this one with it too");
        }
        return compare(control, &ours, &theirs, err) && take_owner(control, &theirs, &arena, err) &&
               bring_up_to_date(control, &ours, &theirs, old, err);
    case STORE_ABSENT:
        break;
    }
    return put(control, &ours, "first-node", err);
}

bool cluster_keys_note(struct control *control, struct slice jwks, struct error *err)
{
    auto_arena arena = {0};
    struct cluster ours;
    return !control->settings.cluster ||
           (own_keys(control, jwks, &arena, &ours, err) && cluster_put(control, &ours, err));
}
