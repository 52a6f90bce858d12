#include "control/record/resource_tree.h"

#include "control/record/door.h"

/* "projects/P/secrets/S", and what is below. A service can be named "secrets", so that the word
 * counts only at its place. */
static bool is_secret(struct slice resource, struct slice *rest)
{
    struct slice word;
    return slice_cut(&resource, '/', &word) && slice_is(word, "projects") &&
           slice_cut(&resource, '/', &word) && slice_cut(&resource, '/', &word) &&
           slice_is(word, "secrets") && slice_cut(&resource, '/', &word) &&
           ((*rest = resource), true);
}

enum policy_node policy_node_of(const char *resource)
{
    struct slice text = slice_of(resource), rest;
    if (is_secret(text, &rest)) {
        return POLICY_SECRET;
    }
    if (door_is(resource)) {
        return POLICY_DOOR;
    }
    if (slice_find_slice(text, SLICE("/serviceAccounts/")) >= 0) {
        return POLICY_ACCOUNT;
    }
    if (slice_find_slice(text, SLICE("/locations/")) >= 0) {
        return POLICY_SERVICE;
    }
    if (slice_starts(text, SLICE("folders/"))) {
        return POLICY_FOLDER;
    }
    if (slice_starts(text, SLICE("tagKeys/")) || slice_starts(text, SLICE("tagValues/"))) {
        return POLICY_TAG;
    }
    return slice_starts(text, SLICE("organizations/")) ? POLICY_ORGANIZATION : POLICY_PROJECT;
}

bool resource_parent(struct store *store, struct arena *arena, const char *resource,
                     const char **parent)
{
    struct slice left = slice_of(resource);
    struct slice kind;
    struct slice id;
    struct slice version;
    if (is_secret(left, &version) && version.len > 0) {
        *parent = arena_string(arena, slice_upto(left, left.len - version.len - 1));
        return true;
    }
    if (door_is(resource)) {
        *parent = door_parent(arena, resource);
        return true;
    }
    if (!slice_cut(&left, '/', &kind) || !slice_cut(&left, '/', &id)) {
        return false;
    }
    if (left.len > 0) {
        *parent = arena_printf(arena, "%.*s/%.*s", SLICE_ARG(kind), SLICE_ARG(id));
        return true;
    }
    auto_doc doc = {0};
    const char *table = policy_node_of(resource) == POLICY_TAG ? STORE_TAG : STORE_NODE;
    if (store_get(store, table, resource, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    const char *above = json_text(doc.body, "parent");
    bool found = above != NULL;
    if (found) {
        *parent = arena_string(arena, slice_of(above));
    }
    return found;
}
