/*
 * Deleting projects and bringing them back. A project that is being deleted keeps all that it has,
 * and its ID; its services are closed by the time the call is answered, and open again by the time
 * its undeletion is (projects.h says who asks).
 */
#include "control/api/crm_tree.h"

#include "control/api/crm_liens.h"
#include "control/api/crm_operation.h"

void crm_mark(struct api_call *call, json_t *node, bool live)
{
    json_object_set_new(node, "lifecycleState", json_string(live ? "ACTIVE" : "DELETE_REQUESTED"));
    json_object_set_new(node, "updateTime", json_string(crm_now(call)));
    if (live) {
        json_object_del(node, "deleteTime");
    } else {
        json_object_set_new(node, "deleteTime", json_string(crm_now(call)));
    }
}

static bool publish_kind(struct api_call *call, struct change *change, const char *kind,
                         const char *prefix,
                         bool (*publish)(struct change *, const char *, struct error *),
                         struct error *err)
{
    auto_json *keys = json_array();
    if (!store_each(call->control->store, kind, prefix, crm_collect_key, keys, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (!publish(change, json_string_value(json_array_get(keys, i)), err)) {
            return false;
        }
    }
    return true;
}

/* Its services, their grants, and what the engine keeps running for them. */
static bool publish_project(struct api_call *call, struct change *change, const char *node,
                            struct error *err)
{
    const char *prefix = arena_printf(&call->arena, "%s/locations/", node);
    const char *doors = arena_printf(&call->arena, "%s/iap_web/", node);
    return publish_kind(call, change, STORE_SERVICE, prefix, change_service, err) &&
           publish_kind(call, change, STORE_POLICY, prefix, change_policy, err) &&
           publish_kind(call, change, STORE_POLICY, doors, change_policy, err) &&
           publish_kind(call, change, STORE_REVISION, prefix, change_revision, err);
}

static bool check_state(struct api_call *call, const json_t *node, bool live, struct error *err)
{
    if (crm_is_live(node) == live) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         live ? "Project '%s' is not being deleted."
                              : "Project '%s' is being deleted already.",
                         json_text_or(node, "projectId", ""));
    }
    if (!live) {
        return crm_liens_allow_deletion(
            call, arena_printf(&call->arena, "projects/%s", json_text_or(node, "projectId", "")),
            err);
    }
    return crm_check_parent(call, json_text_or(node, "parent", ""), err);
}

static bool set_live(struct api_call *call, bool live, json_t **operation, struct error *err)
{
    struct store_doc doc;
    const char *node = api_expand(call, call->route->on);
    if (!crm_load(call, node, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_copy(before);
    doc.body = after;
    if (!check_state(call, before, live, err)) {
        return false;
    }
    crm_mark(call, after, live);
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !store_put(call->control->store, STORE_NODE, node, after, NULL, &doc.version, err)) {
        return false;
    }
    auto_json *response = crm_json(call, &doc);
    return publish_project(call, change, node, err) &&
           change_audit(change, node, live ? "undelete-project" : "delete-project", before, after,
                        err) &&
           crm_operation_new(call, crm_type(call, "Project"), response, operation, err) &&
           change_commit(&change, err);
}

/* v1 has nothing to say. */
static void answer(struct api_call *call, bool live)
{
    struct error err = {0};
    auto_json *operation = NULL;
    bool good = set_live(call, live, &operation, &err);
    bool v1 = good && api_version(call) == 1;
    crm_answer(call, good, v1 ? json_object() : json_steal(&operation), &err);
}

void crm_projects_delete(struct api_call *call)
{
    answer(call, false);
}

void crm_projects_undelete(struct api_call *call)
{
    answer(call, true);
}
