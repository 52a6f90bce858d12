/*
 * The nodes that work by the same record. The list is what this node has last read, within a second
 * or so; while it is cut off, it is as old as that.
 */
#include "control/api/nodes.h"

#include "control/call/call.h"
#include "control/publish/change.h"
#include "control/publish/nodes.h"

#define OWNERS "resourcemanager.organizations.setIamPolicy"

static bool is_cluster(struct api_call *call, struct error *err)
{
    return call->control->nodes != NULL ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "This Homerun is no node of a cluster: it was started without --cluster.");
}

static const char *state_of(const struct control *control, const struct store_node *node)
{
    bool own = strcmp(node->name, nodes_own_name(control)) == 0;
    bool serves = own ? nodes_may_decide(control) : node->serves && node->left_ms > 0;
    return !serves ? "CUT_OFF" : node->draining ? "DRAINING" : "SERVING";
}

static json_t *row_of(struct api_call *call, const struct store_node *node)
{
    struct control *control = call->control;
    return json_pack(
        "{ss ss ss sI sI sI sI sb sb}", "name", node->name, "state", state_of(control, node), "url",
        node->url, "epoch", (json_int_t)node->epoch, "appliedChange", (json_int_t)node->applied,
        "leaseSeconds", (json_int_t)node->lease_ms / 1000, "leaseLeftMs",
        (json_int_t)(node->serves && node->left_ms > 0 ? node->left_ms : 0), "draining",
        node->draining, "asked", strcmp(node->name, nodes_own_name(control)) == 0);
}

static void nodes_list(struct api_call *call)
{
    struct error err = {0};
    if (!is_cluster(call, &err)) {
        api_fail(call, &err);
        return;
    }
    const struct store_view *view = nodes_view(call->control);
    json_t *rows = json_array();
    for (size_t i = 0; i < view->count; i++) {
        json_array_append_new(rows, row_of(call, &view->nodes[i]));
    }
    api_reply(call, json_pack("{so sI}", "nodes", rows, "lastChange", (json_int_t)view->number));
}

/* The audit log has it, and with it every node's copy of the record. */
static bool note(struct api_call *call, const char *name, const char *deed, struct error *err)
{
    auto_change *change = api_change(call, err);
    const char *resource = arena_printf(&call->arena, "nodes/%s", name);
    return change != NULL && change_audit(change, resource, deed, NULL, NULL, err) &&
           change_commit(&change, err);
}

static void set_draining(struct api_call *call, bool draining)
{
    struct error err = {0};
    const char *name = api_param(call, "node");
    if (is_cluster(call, &err) && store_drain_node(call->control->store, name, draining, &err) &&
        note(call, name, draining ? "drain" : "undrain", &err)) {
        api_reply(call, json_object());
    } else {
        api_fail(call, &err);
    }
}

static void nodes_drain(struct api_call *call)
{
    set_draining(call, true);
}

static void nodes_undrain(struct api_call *call)
{
    set_draining(call, false);
}

static void nodes_remove(struct api_call *call)
{
    struct error err = {0};
    const char *name = api_param(call, "node");
    if (is_cluster(call, &err) && store_remove_node(call->control->store, name, &err) &&
        note(call, name, "remove", &err)) {
        api_reply(call, json_object());
    } else {
        api_fail(call, &err);
    }
}

const struct api_route nodes_routes[] = {
    {"GET", "/homerun/v1/nodes", OWNERS, "organization", API_NO_BODY, nodes_list,
     "homerun.v1.ListNodes"},
    {"POST", "/homerun/v1/nodes/{node}:drain", OWNERS, "organization", 0, nodes_drain,
     "homerun.v1.DrainNode", api_no_fields},
    {"POST", "/homerun/v1/nodes/{node}:undrain", OWNERS, "organization", 0, nodes_undrain,
     "homerun.v1.UndrainNode", api_no_fields},
    {"DELETE", "/homerun/v1/nodes/{node}", OWNERS, "organization", API_NO_BODY, nodes_remove,
     "homerun.v1.RemoveNode"},
};
const size_t nodes_route_count = sizeof(nodes_routes) / sizeof(nodes_routes[0]);
