/* orgpolicy.googleapis.com/v2: custom constraints; and which services violate what is in force now.
 */
#include "control/api/orgpolicy_custom.h"

#include "base/clock.h"
#include "control/access/orgpolicy_ask.h"
#include "control/access/orgpolicy_doc.h"
#include "control/call/paging.h"
#include "control/record/projects.h"
#include "policy/cel_custom.h"
#include "policy/orgpolicy.h"

static const char *const action_names[] = {"ACTION_TYPE_UNSPECIFIED", "ALLOW", "DENY", NULL};
static const char *const method_names[] = {
    "METHOD_TYPE_UNSPECIFIED", "CREATE", "UPDATE", "DELETE", "REMOVE_GRANT", "GOVERN_TAGS", NULL};

static const struct field custom_fields[] = {
    {.name = "name", .kind = FIELD_STRING},
    {.name = "resourceTypes", .kind = FIELD_LIST, .item = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "methodTypes",
     .kind = FIELD_LIST,
     .item = FIELD_ENUM,
     .names = method_names,
     .flags = FIELD_REQUIRED},
    {.name = "condition", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "actionType", .kind = FIELD_ENUM, .names = action_names, .flags = FIELD_REQUIRED},
    {.name = "displayName", .kind = FIELD_STRING, .max = 200},
    {.name = "description", .kind = FIELD_STRING, .max = 2000},
    {.name = "updateTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

static const char run_service[] = "run.googleapis.com/Service";

/* "API.googleapis.com/Type" */
static bool type_valid(const char *type)
{
    struct slice left = slice_of(type), api;
    return slice_cut(&left, '/', &api) && slice_ends(api, SLICE(".googleapis.com")) &&
           left.len > 0 && left.len <= 100 && left.data[0] >= 'A' && left.data[0] <= 'Z' &&
           slice_find(left, '/') < 0;
}

static bool check_methods(const json_t *asked, struct error *err)
{
    const json_t *methods = json_object_get(asked, "methodTypes");
    bool creates = false;
    for (size_t i = 0; i < json_array_size(methods); i++) {
        const char *method = json_string_value(json_array_get(methods, i));
        creates |= strcmp(method, "CREATE") == 0;
        if (strcmp(method, "CREATE") != 0 && strcmp(method, "UPDATE") != 0) {
            return error_field(err, "methodTypes",
                               "%s is not supported for run.googleapis.com/Service.", method);
        }
    }
    return creates || error_field(err, "methodTypes", "CREATE, or CREATE and UPDATE, are needed.");
}

static bool check_custom(struct api_call *call, const json_t *asked, const char *name,
                         struct error *err)
{
    struct error why = {0};
    const json_t *types = json_object_get(asked, "resourceTypes");
    if (!orgpolicy_is_custom(slice_of(name))) {
        return error_field(err, "name",
                           "The name reads like organizations/ID/customConstraints/custom.NAME, "
                           "with at most 71 letters and digits behind \"custom.\".");
    }
    if (json_array_size(types) != 1 || !type_valid(json_string_value(json_array_get(types, 0)))) {
        return error_field(err, "resourceTypes",
                           "One type of resource is needed, like run.googleapis.com/Service.");
    }
    if (strcmp(json_text_or(asked, "actionType", action_names[0]), action_names[0]) == 0) {
        return error_field(err, "actionType", "The action is ALLOW or DENY.");
    }
    if (strcmp(json_string_value(json_array_get(types, 0)), run_service) != 0) {
        return true; /* about what is not here: kept, and never asked */
    }
    if (cel_custom_compile(&call->arena, slice_of(json_text_or(asked, "condition", "")), &why) ==
        NULL) {
        return error_field(err, "condition", "Invalid condition: %s", why.text);
    }
    return check_methods(asked, err);
}

static bool load_custom(struct api_call *call, const char *key, struct store_doc *out,
                        struct error *err)
{
    return store_load(call->control->store, STORE_ORGPOLICY, key, out, err, "There is no %s.", key);
}

static const char *custom_key(struct api_call *call, const char *name)
{
    return arena_printf(&call->arena, "organizations/%s/customConstraints/%s",
                        api_param(call, "organization"), name);
}

static void customs_get(struct api_call *call)
{
    struct error err;
    struct store_doc doc;
    if (!load_custom(call, custom_key(call, api_param(call, "constraint")), &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, doc.body);
}

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    (void)call;
    (void)ctx;
    (void)err;
    *out = json_incref(doc->body);
    return true;
}

static void customs_list(struct api_call *call)
{
    api_reply_page(call, &(struct page){.kind = STORE_ORGPOLICY,
                                        .prefix = custom_key(call, ""),
                                        .list = "customConstraints",
                                        .item = list_one});
}

/* Makes (NAME from the body) or replaces (from the path) one. */
static bool put_custom(struct api_call *call, const char *name, bool fresh, json_t **answer,
                       struct error *err)
{
    struct store_doc doc = {0};
    auto_json *asked = fields_read(custom_fields, call->body, "", err);
    if (asked == NULL) {
        return false;
    }
    const char *given = json_text_or(asked, "name", "");
    const char *key = custom_key(call, "");
    if (name == NULL) {
        name = strncmp(given, key, strlen(key)) == 0 ? given + strlen(key) : "";
    }
    if (!check_custom(call, asked, name, err)) {
        return false;
    }
    key = custom_key(call, name);
    enum store_result found = store_get(call->control->store, STORE_ORGPOLICY, key, &doc, err);
    auto_json *before = found == STORE_FOUND ? doc.body : NULL;
    if (found == STORE_FAILED) {
        return false;
    }
    if (fresh == (before != NULL)) {
        return fresh ? error_set(err, STATUS_ALREADY_EXISTS, "%s exists already.", key)
                     : error_set(err, STATUS_NOT_FOUND, "There is no %s.", key);
    }
    json_object_set_new(asked, "name", json_string(key));
    json_object_set_new(asked, "updateTime", json_slice(time_text(&call->arena, clock_wall_us())));
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !store_put(call->control->store, STORE_ORGPOLICY, key, asked, NULL, NULL, err) ||
        !change_audit(change, key, "set-custom-constraint", before, asked, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    *answer = json_incref(asked);
    return true;
}

static void customs_create(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    const char *node = api_expand(call, call->route->on);
    if (!orgpolicy_node_exists(call, node, &err) || !put_custom(call, NULL, true, &answer, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, answer);
}

static void customs_patch(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    if (!put_custom(call, api_param(call, "constraint"), false, &answer, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, answer);
}

/* Policies that name it are not in force any more; Google removes them as well. */
static void customs_delete(struct api_call *call)
{
    struct error err = {0};
    struct store_doc doc;
    const char *key = custom_key(call, api_param(call, "constraint"));
    if (!load_custom(call, key, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    auto_json *before = doc.body;
    auto_change *change = api_change(call, &err);
    if (change == NULL || !store_delete(call->control->store, STORE_ORGPOLICY, key, &err) ||
        !change_audit(change, key, "delete-custom-constraint", before, NULL, &err) ||
        !change_commit(&change, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_object());
}

/* ---- who violates now ---- */

struct listing {
    struct api_call *call;
    json_t *items;
};

static bool list_violator(const struct store_doc *doc, void *ctx)
{
    struct listing *listing = ctx;
    struct api_call *call = listing->call;
    if (!api_holds(call, "run.services.get", doc->key) ||
        !project_is_live(call->control, &call->arena, doc->key)) {
        return true;
    }
    struct orgpolicy_ask *ask = orgpolicy_ask_new(
        call->control, &call->arena, arena_string(&call->arena, slice_of(doc->key)), NULL);
    if (ask == NULL || !orgpolicy_ask_service(ask, "ReplaceService", doc->body, NULL)) {
        return true;
    }
    for (size_t i = 0; i < ask->count; i++) {
        const struct orgpolicy_violation *one = &ask->found[i];
        json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "resource", doc->key, "constraint",
                                orgpolicy_text_name(&call->arena, one->name), "description",
                                one->text != NULL ? one->text : one->description, "advice",
                                one->constraint->advice);
        if (one->node != NULL) {
            json_object_set_new(row, "policy",
                                json_string(orgpolicy_key(&call->arena, one->node, one->name)));
        }
        json_array_append_new(listing->items, row);
    }
    return true;
}

static void violations_list(struct api_call *call)
{
    struct error err;
    struct listing listing = {.call = call, .items = json_array()};
    bool good = store_each(call->control->store, STORE_SERVICE, "", list_violator, &listing, &err);
    api_answer(call, good, json_pack("{s:o}", "violations", listing.items), &err);
}

#define METHOD       "google.cloud.orgpolicy.v2.OrgPolicy."
#define ORGANIZATION "organizations/{organization}"
#define CUSTOMS      "/v2/" ORGANIZATION "/customConstraints"
#define CUSTOM       CUSTOMS "/{constraint}"
#define MAY          "orgpolicy.customConstraints."

const struct api_route orgpolicy_custom_routes[] = {
    {"GET", CUSTOMS, MAY "list", ORGANIZATION, 0, customs_list, METHOD "ListCustomConstraints"},
    {"POST", CUSTOMS, MAY "create", ORGANIZATION, 0, customs_create,
     METHOD "CreateCustomConstraint"},
    {"GET", CUSTOM, MAY "get", ORGANIZATION, 0, customs_get, METHOD "GetCustomConstraint"},
    {"PATCH", CUSTOM, MAY "update", ORGANIZATION, 0, customs_patch,
     METHOD "UpdateCustomConstraint"},
    {"DELETE", CUSTOM, MAY "delete", ORGANIZATION, 0, customs_delete,
     METHOD "DeleteCustomConstraint"},
    {"GET", "/homerun/v1/orgpolicy:violations", NULL, NULL, API_SELF_CHECKED, violations_list,
     "homerun.v1.ListViolations", .why = API_WHY_ASKED},
};
const size_t orgpolicy_custom_route_count =
    sizeof(orgpolicy_custom_routes) / sizeof(orgpolicy_custom_routes[0]);
