/* Policies, accounts, keys, groups and issuers: what the gate judges callers by. */
#include "control/publish/change.h"
#include "control/publish/publish.h"
#include "control/record/cluster.h"
#include "control/record/door.h"
#include "control/record/groups.h"
#include "control/record/policy_doc.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "control/record/resource_tree.h"
#include "control/record/roles.h"
#include "trust/trust.h"

static const char invoke[] = "run.routes.invoke";
static const char enter[] = "iap.webServiceVersions.accessViaIAP";

enum { JWKS_KEYS_MAX = 64 };

/* ---- policies ---- */

/* The grants of PERMISSION: one row for each member. */
static size_t grant_rows(struct change *change, const struct policy_doc *policy,
                         const char *permission, struct index_grant_row **out)
{
    size_t total = 0;
    size_t used = 0;
    for (size_t i = 0; i < policy->count; i++) {
        total += policy->bindings[i].member_count;
    }
    *out = arena_array(&change->arena, struct index_grant_row, total);
    for (size_t i = 0; i < policy->count; i++) {
        const struct binding *binding = &policy->bindings[i];
        if (!role_gives(change->control->store, binding->role, slice_of(permission))) {
            continue;
        }
        for (size_t k = 0; k < binding->member_count; k++) {
            (*out)[used++] = (struct index_grant_row){
                .member = binding->members[k],
                .grant = {.role = binding->role,
                          .program = binding->condition.program,
                          .title = binding->condition.title},
            };
        }
    }
    return used;
}

bool publish_grants_node(struct store *store, struct arena *arena, const char *resource,
                         uint64_t *out, struct error *err)
{
    static const char *const kinds[] = {
        [POLICY_SERVICE] = STORE_SERVICE,
        [POLICY_PROJECT] = STORE_NODE,
        [POLICY_FOLDER] = STORE_NODE,
        [POLICY_ORGANIZATION] = STORE_NODE,
        [POLICY_DOOR] = STORE_POLICY,
        [POLICY_ACCOUNT] = NULL, /* nobody invokes an account */
        [POLICY_TAG] = NULL,
        [POLICY_SECRET] = NULL,
    };
    enum policy_node node = policy_node_of(resource);
    const char *service = node == POLICY_DOOR ? door_service(arena, resource) : NULL;
    const char *kind = service != NULL ? STORE_SERVICE : kinds[node];
    auto_doc doc = {0};
    *out = 0;
    if (kind == NULL) {
        return true;
    }
    switch (store_get(store, kind, service != NULL ? service : resource, &doc, err)) {
    case STORE_ABSENT:
        return true; /* its grants went with it */
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    *out = doc.id;
    return true;
}

bool publish_policy(struct change *change, const char *resource, struct error *err)
{
    auto_policy policy = {0};
    struct index_grant_row *invokers, *guests;
    bool door = policy_node_of(resource) == POLICY_DOOR;
    uint64_t node;
    change_touch(change, "policy", resource);
    if (!publish_grants_node(change->control->store, &change->arena, resource, &node, err)) {
        return false;
    }
    if (node == 0) {
        return true;
    }
    if (!policy_doc_load(change->control->store, &change->arena, resource, &policy, err)) {
        return false;
    }
    size_t invoker_count = grant_rows(change, &policy, invoke, &invokers);
    size_t guest_count = grant_rows(change, &policy, enter, &guests);
    /* A service and its door have one number: each writes its own table, and leaves the other's. */
    bool service = policy_node_of(resource) == POLICY_SERVICE;
    return (door || index_txn_put_grants(change->txn, node, invokers, invoker_count, err)) &&
           (service || index_txn_put_door_grants(change->txn, node, guests, guest_count, err));
}

bool change_policy(struct change *change, const char *resource, struct error *err)
{
    /* A level of doors above the services is named in their records once it has a policy. */
    bool above =
        policy_node_of(resource) == POLICY_DOOR && door_service(&change->arena, resource) == NULL;
    return publish_policy(change, resource, err) && (!above || change_door(change, resource, err));
}

/* ---- accounts and their keys ---- */

bool change_account(struct change *change, const char *key, struct error *err)
{
    auto_doc doc = {0};
    bool user = strncmp(key, "users/", 6) == 0;
    bool deleted = !user && strstr(key, "?uid=") != NULL; /* account_delete() gave it this key */
    const char *kind = user ? STORE_USER : deleted ? STORE_DELETED_ACCOUNT : STORE_ACCOUNT;
    change_touch(change, STORE_ACCOUNT, key);
    switch (store_get(change->control->store, kind, key, &doc, err)) {
    case STORE_ABSENT:
        return true; /* a deleted account stays as a document of another kind */
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    const char *email = json_text_or(doc.body, "email", "");
    const char *at = strchr(email, '@');
    struct index_account account = {
        .state = deleted                                  ? INDEX_ACCOUNT_DELETED
                 : json_flag(doc.body, "disabled", false) ? INDEX_ACCOUNT_DISABLED
                                                          : INDEX_ACCOUNT_ACTIVE,
        .member = slice_of(
            arena_printf(&change->arena, "%s:%s", user ? "user" : "serviceAccount", email)),
        .domain = slice_of(user && at != NULL ? at + 1 : ""),
    };
    const char *sub = json_text_or(doc.body, "uniqueId", "");
    return index_txn_put_account(change->txn, slice_of(sub), &account, err);
}

/* The unique ID of the account that KEY, "ACCOUNT/keys/KID", is one of; "" if it is not there. */
static const char *sub_of_key(struct change *change, const char *key)
{
    auto_doc doc = {0};
    const char *end = strstr(key, "/keys/");
    const char *account =
        arena_string(&change->arena, (struct slice){key, end == NULL ? 0 : (size_t)(end - key)});
    if (store_get(change->control->store, STORE_ACCOUNT, account, &doc, NULL) != STORE_FOUND) {
        return "";
    }
    const char *sub =
        arena_string(&change->arena, slice_of(json_text_or(doc.body, "uniqueId", "")));
    return sub;
}

static bool put_key(struct change *change, const char *key, const json_t *body, struct slice kid,
                    struct error *err)
{
    int64_t from_us = 0, until_us = INT64_MAX;
    bool made_here = strcmp(json_text_or(body, "keyOrigin", ""), "GOOGLE_PROVIDED") == 0;
    struct index_user_key found = {.sub = slice_of(sub_of_key(change, key))};
    base64_decode_any(&change->arena, slice_of(json_text_or(body, "spki", "")), &found.spki);
    if (!made_here) { /* a certificate's times; a key of ours is good from its first second on */
        time_read(slice_of(json_text_or(body, "validAfterTime", "")), &from_us);
        time_read(slice_of(json_text_or(body, "validBeforeTime", "")), &until_us);
    }
    found.from_s = from_us / 1000000;
    found.until_s = until_us / 1000000;
    return index_txn_put_user_key(change->txn, kid, &found, err);
}

bool change_key(struct change *change, const char *key, struct error *err)
{
    auto_doc doc = {0};
    bool good = true;
    struct slice kid = slice_of(key);
    kid = slice_from(kid, (size_t)(slice_find_last(kid, '/') + 1));
    switch (store_get(change->control->store, STORE_KEY, key, &doc, err)) {
    case STORE_ABSENT:
        return index_txn_put_user_key(change->txn, kid, NULL, err);
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        good = json_flag(doc.body, "disabled", false)
                   ? index_txn_put_user_key(change->txn, kid, NULL, err)
                   : put_key(change, key, doc.body, kid, err);
        break;
    }
    return good;
}

/* ---- groups ---- */

bool change_groups(struct change *change, struct error *err)
{
    struct slice found[GROUPS_MAX];
    size_t at = 0;
    struct slice member;
    change_touch(change, STORE_GROUP, "groups/");
    struct groups *groups = groups_load(change->control->store, err);
    bool good = groups != NULL && index_txn_delete_all_groups(change->txn, err);
    while (good && groups_next_member(groups, &at, &member)) {
        size_t count = groups_find(groups, member, found);
        good = index_txn_put_groups(change->txn, member, found, count, err);
    }
    groups_free(groups);
    return good;
}

/* ---- issuers ---- */

/* The keys of an issuer, from the text of its JWKS. */
static bool publish_jwks(struct change *change, uint32_t issuer, struct slice jwks,
                         struct error *err)
{
    struct trust_jwk keys[JWKS_KEYS_MAX];
    size_t count;
    if (!index_txn_delete_keys(change->txn, issuer, err) ||
        !trust_jwks_read(&change->arena, jwks, keys, JWKS_KEYS_MAX, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct index_key key = {slice_of(trust_alg_name(keys[i].alg)), keys[i].spki};
        if (!index_txn_put_key(change->txn, issuer, keys[i].kid, &key, err)) {
            return false;
        }
    }
    return true;
}

static bool forget_issuer(struct change *change, struct slice note_name, struct error *err)
{
    struct slice note;
    struct slice number;
    uint64_t id;
    if (!index_txn_find_note(change->txn, note_name, &note)) {
        return true;
    }
    note = arena_slice(&change->arena, note);
    return slice_cut(&note, ' ', &number) && slice_to_u64(number, &id) &&
           index_txn_delete_issuer(change->txn, note, err) &&
           index_txn_delete_keys(change->txn, (uint32_t)id, err) &&
           index_txn_put_note(change->txn, note_name, SLICE_NONE, err);
}

bool change_issuer(struct change *change, const char *key, struct error *err)
{
    struct arena *arena = &change->arena;
    auto_doc doc = {0};
    struct slice note_name = slice_of(arena_printf(arena, "issuer %s", key));
    change_touch(change, STORE_ISSUER, key);
    if (!forget_issuer(change, note_name, err)) {
        return false;
    }
    switch (store_get(change->control->store, STORE_ISSUER, key, &doc, err)) {
    case STORE_ABSENT:
        return true;
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    const char *url = json_text_or(doc.body, "issuer", "");
    struct buffer domains = BUFFER_INIT(8192);
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(doc.body, "domains"), i, one)
    {
        buffer_printf(&domains, "%s%s", i == 0 ? "" : ",", json_string_value(one));
    }
    struct index_issuer issuer = {
        .id = (uint32_t)doc.id,
        .google_like = json_flag(doc.body, "googleLike", false),
        .pool = slice_of(json_text_or(doc.body, "pool", "")),
        .domains = buffer_slice(&domains),
    };
    const json_t *jwks = json_object_get(doc.body, "jwks");
    struct slice note = slice_of(arena_printf(arena, "%u %s", issuer.id, url));
    bool good = index_txn_put_issuer(change->txn, slice_of(url), &issuer, err) &&
                (jwks == NULL || publish_jwks(change, issuer.id, json_write(arena, jwks), err)) &&
                index_txn_put_note(change->txn, note_name, note, err);
    buffer_done(&domains);
    return good;
}

bool publish_own_issuer(struct change *change, struct own_issuer own, struct error *err)
{
    /* Number 0 is no document's: it is ours. Both spellings of the loopback name the same issuer.
     */
    const char *bound = change->control->settings.api_url;
    const char *server = settings_own_url(&change->control->settings, &change->arena, "auth");
    const struct index_issuer record = {.ours = true, .google_like = true};
    const struct index_issuer for_agents = {.ours = true, .agents = true};
    struct cluster cluster;
    switch (cluster_load(change->control, &change->arena, &cluster, err)) {
    case STORE_FAILED:
        return false;
    case STORE_FOUND: /* another node may have changed it; each has a URL of its own, too */
        own.jwks = slice_of(cluster.jwks);
        if (!index_txn_put_issuer(change->txn, slice_of(change->control->url), &record, err)) {
            return false;
        }
        break;
    case STORE_ABSENT:
        break;
    }
    return index_txn_put_issuer(change->txn, slice_of(own.url), &record, err) &&
           index_txn_put_issuer(change->txn, slice_of(bound), &record, err) &&
           index_txn_put_issuer(change->txn, slice_of(server), &for_agents, err) &&
           publish_jwks(change, 0, own.jwks, err);
}
