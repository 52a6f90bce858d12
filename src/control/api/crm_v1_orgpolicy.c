/*
 * The same policies as orgpolicy v2's, in the shape of before: one constraint is on or off, or has
 * one list of values. What this shape cannot say (conditions, parameters) is left out of answers
 * and lost when it is written through here.
 */
#include "control/api/crm_v1_orgpolicy.h"

#include "base/clock.h"
#include "control/access/orgpolicy_doc.h"
#include "control/api/orgpolicy_forms.h"
#include "control/record/etag.h"

static const char *const all_values[] = {"ALL_VALUES_UNSPECIFIED", "ALLOW", "DENY", NULL};

static const struct field list_fields[] = {
    {.name = "allowedValues", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "deniedValues", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "allValues", .kind = FIELD_ENUM, .names = all_values},
    {.name = "suggestedValue", .kind = FIELD_STRING},
    {.name = "inheritFromParent", .kind = FIELD_BOOL},
    {0},
};

static const struct field boolean_fields[] = {{.name = "enforced", .kind = FIELD_BOOL}, {0}};
static const struct field no_fields[] = {{0}};

static const struct field policy_fields[] = {
    {.name = "version", .kind = FIELD_INT32},
    {.name = "constraint", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "etag", .kind = FIELD_STRING},
    {.name = "updateTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "listPolicy", .kind = FIELD_OBJECT, .fields = list_fields},
    {.name = "booleanPolicy", .kind = FIELD_OBJECT, .fields = boolean_fields},
    {.name = "restoreDefault", .kind = FIELD_OBJECT, .fields = no_fields},
    {0},
};

static const struct field set_fields[] = {
    {.name = "policy", .kind = FIELD_OBJECT, .fields = policy_fields, .flags = FIELD_REQUIRED},
    {0},
};

static const struct field named_fields[] = {
    {.name = "constraint", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "etag", .kind = FIELD_STRING},
    {0},
};

static const struct field list_request[] = {
    {.name = "resource", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "pageSize", .kind = FIELD_INT32, .max = INT32_MAX},
    {.name = "pageToken", .kind = FIELD_STRING},
    {0},
};

/* ---- names ---- */

/* "constraints/C" or "customConstraints/custom.C" → C. */
static const char *short_name(const char *constraint)
{
    static const char *const prefixes[] = {"constraints/", "customConstraints/"};
    for (size_t i = 0; i < 2; i++) {
        if (strncmp(constraint, prefixes[i], strlen(prefixes[i])) == 0) {
            return constraint + strlen(prefixes[i]);
        }
    }
    return constraint;
}

/* ---- out ---- */

static void append_values(json_t *policy, const char *name, const json_t *values)
{
    json_t *list = json_object_get(policy, name);
    if (json_array_size(values) == 0) {
        return;
    }
    if (list == NULL) {
        list = json_array();
        json_object_set_new(policy, name, list);
    }
    for (size_t i = 0; i < json_array_size(values); i++) {
        json_array_append(list, json_array_get(values, i));
    }
}

static json_t *list_policy(const json_t *spec)
{
    json_t *out = json_object();
    const json_t *rules = json_object_get(spec, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        if (json_object_get(rule, "condition") != NULL) {
            continue;
        }
        if (json_flag(rule, "allowAll", false) || json_flag(rule, "denyAll", false)) {
            bool allow = json_flag(rule, "allowAll", false);
            json_object_set_new(out, "allValues", json_string(allow ? "ALLOW" : "DENY"));
        }
        append_values(out, "allowedValues", json_at(rule, "values.allowedValues"));
        append_values(out, "deniedValues", json_at(rule, "values.deniedValues"));
    }
    if (json_object_get(out, "allValues") != NULL) {
        json_object_del(out, "allowedValues");
        json_object_del(out, "deniedValues");
    }
    if (json_flag(spec, "inheritFromParent", false)) {
        json_object_set_new(out, "inheritFromParent", json_true());
    }
    return out;
}

static json_t *boolean_policy(const json_t *spec)
{
    const json_t *rules = json_object_get(spec, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        if (json_object_get(rule, "condition") == NULL && json_flag(rule, "enforce", false)) {
            return json_pack("{s:b}", "enforced", 1);
        }
    }
    return json_object();
}

static json_t *policy_json(struct api_call *call, const struct orgpolicy_constraint *constraint,
                           const char *name, const json_t *spec)
{
    json_t *out = json_pack("{s:s}", "constraint", orgpolicy_text_name(&call->arena, name));
    if (json_flag(spec, "reset", false)) {
        json_object_set_new(out, "restoreDefault", json_object());
    } else if (constraint->kind == ORGPOLICY_LIST) {
        json_object_set_new(out, "listPolicy", list_policy(spec));
    } else {
        json_object_set_new(out, "booleanPolicy", boolean_policy(spec));
    }
    return out;
}

static json_t *stored_json(struct api_call *call, const struct orgpolicy_constraint *constraint,
                           const char *name, const json_t *body, int64_t version)
{
    json_t *out = policy_json(call, constraint, name, json_object_get(body, "spec"));
    json_object_set_new(out, "etag", json_slice(policy_etag(&call->arena, version)));
    json_object_set_new(out, "updateTime", json_string(json_text_or(body, "updateTime", "")));
    return out;
}

static void policy_get(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    const struct orgpolicy_constraint *constraint;
    const char *node = api_expand(call, call->route->on);
    auto_json *asked = fields_read(named_fields, call->body, "", &err);
    const char *name = short_name(json_text_or(asked, "constraint", ""));
    if (asked == NULL || !orgpolicy_node_exists(call, node, &err) ||
        !orgpolicy_find(call, node, name, STATUS_NOT_FOUND, &constraint, &err)) {
        api_fail(call, &err);
        return;
    }
    switch (orgpolicy_load(call, node, name, &doc, &err)) {
    case STORE_FAILED:
        api_fail(call, &err);
        return;
    case STORE_ABSENT: /* 200: an empty policy */
        api_reply(call, json_pack("{s:s}", "constraint", orgpolicy_text_name(&call->arena, name)));
        return;
    case STORE_FOUND:
        break;
    }
    api_reply(call, stored_json(call, constraint, name, doc.body, doc.version));
}

static void policy_effective(struct api_call *call)
{
    struct error err;
    const struct orgpolicy_constraint *constraint;
    const char *node = api_expand(call, call->route->on);
    auto_json *asked = fields_read(named_fields, call->body, "", &err);
    const char *name = short_name(json_text_or(asked, "constraint", ""));
    if (asked == NULL || !orgpolicy_node_exists(call, node, &err) ||
        !orgpolicy_find(call, node, name, STATUS_NOT_FOUND, &constraint, &err)) {
        api_fail(call, &err);
        return;
    }
    auto_json *spec = orgpolicy_effective(call, node, constraint, name, &err);
    if (spec == NULL) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, policy_json(call, constraint, name, spec));
}

static json_t *listed(struct api_call *call, const char *node, const struct store_doc *doc)
{
    const char *name = json_text_or(doc->body, "constraint", "");
    const struct orgpolicy_constraint *constraint =
        orgpolicy_constraint_at_node(call->control, &call->arena, node, name);
    return constraint == NULL || json_object_get(doc->body, "spec") == NULL
               ? NULL
               : stored_json(call, constraint, name, doc->body, doc->version);
}

static void policies_list(struct api_call *call)
{
    orgpolicy_reply_policies(call, listed);
}

static json_t *constraint_json(struct api_call *call, const char *node,
                               const struct orgpolicy_constraint *constraint)
{
    (void)node;
    return orgpolicy_constraint_form(orgpolicy_text_name(&call->arena, constraint->name),
                                     constraint);
}

static void constraints_list(struct api_call *call)
{
    orgpolicy_reply_constraints(call, constraint_json);
}

/* ---- in ---- */

static json_t *rules_of_list(const json_t *list, struct error *err)
{
    const char *all = json_text_or(list, "allValues", all_values[0]);
    json_t *allowed = json_object_get(list, "allowedValues");
    json_t *denied = json_object_get(list, "deniedValues");
    bool values = json_array_size(allowed) + json_array_size(denied) > 0;
    if (strcmp(all, all_values[0]) != 0) {
        if (values) {
            error_field(err, "policy.listPolicy.allValues",
                        "A policy has either allValues or values.");
            return NULL;
        }
        return json_pack("[{s:b}]", strcmp(all, "ALLOW") == 0 ? "allowAll" : "denyAll", 1);
    }
    json_t *rules = json_array();
    if (values) {
        json_t *inner = json_object();
        if (json_array_size(allowed) > 0) {
            json_object_set(inner, "allowedValues", allowed);
        }
        if (json_array_size(denied) > 0) {
            json_object_set(inner, "deniedValues", denied);
        }
        json_array_append_new(rules, json_pack("{s:o}", "values", inner));
    }
    return rules;
}

static json_t *spec_of(const struct orgpolicy_constraint *constraint, const json_t *policy,
                       struct error *err)
{
    const json_t *list = json_object_get(policy, "listPolicy");
    const json_t *boolean = json_object_get(policy, "booleanPolicy");
    bool reset = json_object_get(policy, "restoreDefault") != NULL;
    if ((list != NULL) + (boolean != NULL) + reset != 1) {
        error_field(err, "policy",
                    "A policy has exactly one of listPolicy, booleanPolicy and restoreDefault.");
        return NULL;
    }
    if (reset) {
        return json_pack("{s:b}", "reset", 1);
    }
    if ((list != NULL) != (constraint->kind == ORGPOLICY_LIST)) {
        error_field(err, "policy", "The constraint is not of the kind that the policy is.");
        return NULL;
    }
    if (boolean != NULL) {
        return json_pack("{s:[{s:b}]}", "rules", "enforce", json_flag(boolean, "enforced", false));
    }
    json_t *rules = rules_of_list(list, err);
    if (rules == NULL) {
        return NULL;
    }
    json_t *spec = json_pack("{s:o}", "rules", rules);
    if (json_flag(list, "inheritFromParent", false)) {
        json_object_set_new(spec, "inheritFromParent", json_true());
    }
    return spec;
}

/* The policy as it is, or a new one. */
static json_t *load_body(struct api_call *call, const char *node, const char *name)
{
    struct store_doc doc;
    if (orgpolicy_load(call, node, name, &doc, NULL) == STORE_FOUND) {
        return doc.body;
    }
    return json_pack("{s:s}", "constraint", name);
}

static bool set(struct api_call *call, const char *node, json_t **answer, struct error *err)
{
    const struct orgpolicy_constraint *constraint;
    int64_t version;
    auto_json *asked = fields_read(set_fields, call->body, "", err);
    const json_t *policy = json_object_get(asked, "policy");
    const char *name = short_name(json_text_or(policy, "constraint", ""));
    if (asked == NULL ||
        !orgpolicy_find(call, node, name, STATUS_INVALID_ARGUMENT, &constraint, err)) {
        return false;
    }
    auto_json *spec = spec_of(constraint, policy, err);
    if (spec == NULL || !orgpolicy_spec_valid(call, constraint, spec, "policy", err)) {
        return false;
    }
    const char *key = orgpolicy_key(&call->arena, node, name);
    auto_json *body = load_body(call, node, name);
    json_object_set(body, "spec", spec);
    json_object_set_new(body, "updateTime", json_slice(time_text(&call->arena, clock_wall_us())));
    if (!orgpolicy_store(call, key, body, json_text(policy, "etag"), &version, err)) {
        return false;
    }
    *answer = stored_json(call, constraint, name, body, version);
    return true;
}

static void policy_set(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    const char *node = api_expand(call, call->route->on);
    if (!orgpolicy_node_exists(call, node, &err) || !set(call, node, &answer, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, answer);
}

static void policy_clear(struct api_call *call)
{
    struct error err = {0};
    int64_t version;
    const struct orgpolicy_constraint *constraint;
    const char *node = api_expand(call, call->route->on);
    auto_json *asked = fields_read(named_fields, call->body, "", &err);
    const char *name = short_name(json_text_or(asked, "constraint", ""));
    if (asked == NULL || !orgpolicy_node_exists(call, node, &err) ||
        !orgpolicy_find(call, node, name, STATUS_INVALID_ARGUMENT, &constraint, &err) ||
        !orgpolicy_store(call, orgpolicy_key(&call->arena, node, name), NULL,
                         json_text(asked, "etag"), &version, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_object());
}

#define METHOD "google.cloud.resourcemanager.v1."
#define MAY    "orgpolicy."
#define GET    MAY "policy.get"
#define ROW(kind, param, verb, permission, other, handler, method, body)                           \
    {                                                                                              \
        "POST", "/v1/" kind "/{" param "}:" verb, MAY permission, kind "/{" param "}", 0, handler, \
            METHOD method, body, .or_permission = other                                            \
    }
#define NODE(kind, param)                                                                          \
    ROW(kind, param, "getOrgPolicy", "policy.get", NULL, policy_get, "GetOrgPolicy", NULL),        \
        ROW(kind, param, "getEffectiveOrgPolicy", "policy.get", NULL, policy_effective,            \
            "GetEffectiveOrgPolicy", NULL),                                                        \
        ROW(kind, param, "setOrgPolicy", "policy.set", NULL, policy_set, "SetOrgPolicy", NULL),    \
        ROW(kind, param, "clearOrgPolicy", "policy.set", NULL, policy_clear, "ClearOrgPolicy",     \
            NULL),                                                                                 \
        ROW(kind, param, "listOrgPolicies", "policies.list", GET, policies_list,                   \
            "ListOrgPolicies", list_request),                                                      \
        ROW(kind, param, "listAvailableOrgPolicyConstraints", "constraints.list", GET,             \
            constraints_list, "ListAvailableOrgPolicyConstraints", list_request)

const struct api_route crm_v1_orgpolicy_routes[] = {
    NODE("projects", "project"),
    NODE("folders", "folder"),
    NODE("organizations", "organization"),
};
const size_t crm_v1_orgpolicy_route_count =
    sizeof(crm_v1_orgpolicy_routes) / sizeof(crm_v1_orgpolicy_routes[0]);
