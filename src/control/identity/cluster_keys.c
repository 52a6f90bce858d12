#include "control/identity/cluster_keys.h"

#include "base/encode.h"
#include "base/file.h"
#include "control/publish/change.h"
#include "control/record/cluster.h"
#include "ipc/signer_client.h"
#include "trust/trust.h"

enum { CA_BYTES_MAX = 65536, SEAL_ID_AT = 1, SEAL_ID_BYTES = 8 };

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
        !trust_public_read(arena, pem, &ca, err)) {
        return error_wrap(err, "this node's keys");
    }
    struct slice name = slice_upto(slice_from(sealed, SEAL_ID_AT), SEAL_ID_BYTES);
    *out = (struct cluster){
        .issuer = control->issuer_url,
        .jwks = arena_string(arena, jwks),
        .ca = arena_string(arena, base64_encode(arena, ca.spki)),
        .seal = arena_string(arena, hex_encode(arena, name)),
    };
    return true;
}

static bool is_same(const char *what, const char *ours, const char *theirs, struct error *err)
{
    return strcmp(ours, theirs) == 0 ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "this node has another %s than the cluster: copy DATA/signer of a node that "
                     "serves into this data folder, and start again",
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

static bool put_first(struct control *control, const struct cluster *ours, struct error *err)
{
    auto_change *change = change_begin(control, NULL, err);
    return change != NULL && cluster_put(control, ours, err) &&
           change_audit(change, "cluster", "first-node", NULL, NULL, err) &&
           change_commit(&change, err);
}

bool cluster_keys_settle(struct control *control, struct slice jwks, struct error *err)
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
        return compare(control, &ours, &theirs, err);
    case STORE_ABSENT:
        break;
    }
    return put_first(control, &ours, err);
}

bool cluster_keys_note(struct control *control, struct slice jwks, struct error *err)
{
    auto_arena arena = {0};
    struct cluster ours;
    return !control->settings.cluster ||
           (own_keys(control, jwks, &arena, &ours, err) && cluster_put(control, &ours, err));
}
