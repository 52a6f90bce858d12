/*
 * Policies are kept per node and constraint; this is their newer form. Nodes are named by ID or
 * number, answers have the number.
 */
#include "control/api/orgpolicy_v2.h"

#include "base/clock.h"
#include "control/access/orgpolicy_doc.h"
#include "control/api/orgpolicy_forms.h"
#include "control/record/etag.h"
#include "control/record/projects.h"

static const struct field policy_fields[] = {
    {.name = "name", .kind = FIELD_STRING},
    {.name = "spec", .kind = FIELD_OBJECT, .fields = orgpolicy_spec_fields},
    {.name = "dryRunSpec", .kind = FIELD_OBJECT, .fields = orgpolicy_spec_fields},
    {.name = "etag", .kind = FIELD_STRING},
    {.name = "alternate", .kind = FIELD_ANY, .flags = FIELD_REFUSED, .note = "it is deprecated"},
    {0},
};

static const char *now(struct api_call *call)
{
    return arena_string(&call->arena, time_text(&call->arena, clock_wall_us()));
}

/* ---- forms ---- */

static json_t *spec_json(const json_t *stored, const char *etag, const char *time)
{
    json_t *out = json_pack("{s:s, s:s}", "etag", etag, "updateTime", time);
    json_t *rules = json_object_get(stored, "rules");
    if (json_array_size(rules) > 0) {
        json_object_set(out, "rules", rules);
    }
    static const char *const flags[] = {"inheritFromParent", "reset"};
    for (size_t i = 0; i < 2; i++) {
        if (json_flag(stored, flags[i], false)) {
            json_object_set_new(out, flags[i], json_true());
        }
    }
    return out;
}

static json_t *policy_json(struct api_call *call, const char *node, const json_t *body,
                           int64_t version)
{
    const char *etag = arena_string(&call->arena, policy_etag(&call->arena, version));
    const char *public = orgpolicy_public_node(call->control, &call->arena, node);
    json_t *out = json_pack(
        "{s:s, s:s}", "name",
        orgpolicy_key(&call->arena, public, json_text_or(body, "constraint", "")), "etag", etag);
    const json_t *spec = json_object_get(body, "spec");
    const json_t *dry = json_object_get(body, "dryRunSpec");
    if (spec != NULL) {
        json_object_set_new(out, "spec",
                            spec_json(spec, etag, json_text_or(body, "updateTime", "")));
    }
    if (dry != NULL) {
        json_object_set_new(out, "dryRunSpec",
                            spec_json(dry, etag, json_text_or(body, "dryRunTime", "")));
    }
    return out;
}

static json_t *constraint_json(struct api_call *call, const char *node,
                               const struct orgpolicy_constraint *constraint)
{
    const char *public = orgpolicy_public_node(call->control, &call->arena, node);
    json_t *out = orgpolicy_constraint_form(
        arena_printf(&call->arena, "%s/constraints/%s", public, constraint->name), constraint);
    if (constraint->supports_under) {
        json_object_set_new(json_object_get(out, "listConstraint"), "supportsUnder", json_true());
    }
    if (constraint->supports_dry_run) {
        json_object_set_new(out, "supportsDryRun", json_true());
    }
    if (constraint->equivalent != NULL) {
        json_object_set_new(
            out, "equivalentConstraint",
            json_string(arena_printf(&call->arena, "constraints/%s", constraint->equivalent)));
    }
    return out;
}

/* ---- reading ---- */

static bool load(struct api_call *call, const char *node, const char *constraint,
                 struct store_doc *out, struct error *err)
{
    switch (orgpolicy_load(call, node, constraint, out, err)) {
    case STORE_FOUND:
        return true;
    case STORE_ABSENT:
        return error_set(err, STATUS_NOT_FOUND, "No policy for constraints/%s is set on %s.",
                         constraint, orgpolicy_public_node(call->control, &call->arena, node));
    case STORE_FAILED:
        return false;
    }
    return false;
}

static void policies_get(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    const char *node = api_expand(call, call->route->on);
    if (!orgpolicy_node_exists(call, node, &err) ||
        !load(call, node, api_param(call, "policy"), &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, policy_json(call, node, doc.body, doc.version));
}

static void policies_effective(struct api_call *call)
{
    struct error err;
    const struct orgpolicy_constraint *constraint;
    const char *node = api_expand(call, call->route->on);
    const char *name = api_param(call, "policy");
    json_t *spec = NULL;
    if (!orgpolicy_node_exists(call, node, &err) ||
        !orgpolicy_find(call, node, name, STATUS_NOT_FOUND, &constraint, &err) ||
        (spec = orgpolicy_effective(call, node, constraint, name, &err)) == NULL) {
        api_fail(call, &err);
        return;
    }
    const char *public = orgpolicy_public_node(call->control, &call->arena, node);
    api_reply(call, json_pack("{s:s, s:o}", "name", orgpolicy_key(&call->arena, public, name),
                              "spec", spec));
}

static json_t *listed(struct api_call *call, const char *node, const struct store_doc *doc)
{
    return policy_json(call, node, doc->body, doc->version);
}

static void policies_list(struct api_call *call)
{
    orgpolicy_reply_policies(call, listed);
}

static void constraints_list(struct api_call *call)
{
    orgpolicy_reply_constraints(call, constraint_json);
}

/* ---- writing ---- */

/* A spec as it is kept: without what the server writes. */
static json_t *kept_spec(const json_t *spec)
{
    json_t *out = json_copy((json_t *)(uintptr_t)spec);
    json_object_del(out, "etag");
    return out;
}

static bool put_spec(struct api_call *call, const struct orgpolicy_constraint *constraint,
                     json_t *body, const json_t *asked, const char *which, const char *time_name,
                     struct error *err)
{
    json_t *spec = json_object_get(asked, which);
    if (spec == NULL) {
        json_object_del(body, which);
        json_object_del(body, time_name);
        return true;
    }
    if (strcmp(which, "dryRunSpec") == 0 && !constraint->supports_dry_run) {
        return error_field(err, which, "constraints/%s does not support a dry run.",
                           json_text_or(body, "constraint", ""));
    }
    orgpolicy_spec_modernize(&call->arena, spec);
    if (!orgpolicy_spec_valid(call, constraint, spec, which, err)) {
        return false;
    }
    json_object_set_new(body, which, kept_spec(spec));
    json_object_set_new(body, time_name, json_string(now(call)));
    return true;
}

/* The mask's paths may begin with "policy."; no mask means both specs. */
static bool mask_names(struct api_call *call, const char *which)
{
    const char *mask = api_query(call, "updateMask");
    if (mask == NULL || mask[0] == '\0') {
        return true;
    }
    return mask_touches(slice_of(mask), which) ||
           mask_touches(slice_of(mask), arena_printf(&call->arena, "policy.%s", which));
}

/* gcloud's paths begin with "policy.", Terraform's with the field. */
static bool check_mask(struct api_call *call, struct error *err)
{
    static const struct field wrapped[] = {
        {.name = "policy", .kind = FIELD_OBJECT, .fields = policy_fields}, {0}};
    return api_check_mask(call, wrapped, NULL) || api_check_mask(call, policy_fields, err);
}

static const char *etag_of(const json_t *asked)
{
    const char *etag = json_text(asked, "etag");
    const char *of_spec = json_text(asked, "spec.etag");
    return etag != NULL && etag[0] != '\0' ? etag
           : of_spec != NULL               ? of_spec
                                           : json_text(asked, "dryRunSpec.etag");
}

/* Writes what ASKED has into BODY: the policy as it was, or empty. */
static bool merge_policy(struct api_call *call, const char *node, const char *name, json_t *body,
                         const json_t *asked, struct error *err)
{
    const struct orgpolicy_constraint *constraint;
    if (!orgpolicy_find(call, node, name, STATUS_INVALID_ARGUMENT, &constraint, err)) {
        const char *why = arena_string(&call->arena, slice_of(err->text));
        return error_field(err, "name", "%s", why);
    }
    json_object_set_new(body, "constraint", json_string(name));
    if ((mask_names(call, "spec") &&
         !put_spec(call, constraint, body, asked, "spec", "updateTime", err)) ||
        (mask_names(call, "dryRunSpec") &&
         !put_spec(call, constraint, body, asked, "dryRunSpec", "dryRunTime", err))) {
        return false;
    }
    if (json_object_get(body, "spec") == NULL && json_object_get(body, "dryRunSpec") == NULL) {
        return error_field(err, "spec", "The policy has neither spec nor dryRunSpec.");
    }
    return true;
}

/* The same, and stores it. */
static bool write_policy(struct api_call *call, const char *node, const char *name, json_t *body,
                         const json_t *asked, const char *etag, int64_t *version, struct error *err)
{
    return merge_policy(call, node, name, body, asked, err) &&
           orgpolicy_store(call, orgpolicy_key(&call->arena, node, name), body, etag, version, err);
}

/* The constraint that NAME ("NODE/policies/C", or C alone) is for; NODE by ID or number. */
static const char *constraint_named(struct api_call *call, const char *node, const char *name,
                                    struct error *err)
{
    const char *slash = strstr(name, "/policies/");
    if (slash == NULL) {
        if (name[0] != '\0' && strchr(name, '/') == NULL) {
            return name;
        }
        error_field(err, "name", "The name of a policy reads like %s/policies/CONSTRAINT.", node);
        return NULL;
    }
    const char *parent = arena_printf(&call->arena, "%.*s", (int)(slash - name), name);
    if (strncmp(parent, "projects/", 9) == 0) {
        const char *id = project_id(call->control, &call->arena, parent + 9);
        parent = id == NULL ? parent : arena_printf(&call->arena, "projects/%s", id);
    }
    if (strcmp(parent, node) != 0) {
        error_field(err, "name", "The name of the policy is of another resource than %s.", node);
        return NULL;
    }
    return slash + strlen("/policies/");
}

/* The store key of the resource that the policy NAME is of, by ID or number. NULL and *err. */
static const char *node_named(struct api_call *call, const char *name, struct error *err)
{
    const char *slash = strstr(name, "/policies/");
    if (slash == NULL) {
        error_field(err, "organizationPolicy.name",
                    "The name of a policy reads like projects/P/policies/CONSTRAINT.");
        return NULL;
    }
    const char *node = arena_printf(&call->arena, "%.*s", (int)(slash - name), name);
    const char *id = strncmp(node, "projects/", 9) == 0
                         ? project_id(call->control, &call->arena, node + 9)
                         : NULL;
    return id == NULL ? node : arena_printf(&call->arena, "projects/%s", id);
}

bool orgpolicy_v2_read(struct api_call *call, const json_t *policy, const char **node,
                       const char **constraint, json_t **body, struct error *err)
{
    auto_doc doc = {0};
    auto_json *asked = fields_read(policy_fields, policy, "organizationPolicy.", err);
    if (asked == NULL || (*node = node_named(call, json_text_or(asked, "name", ""), err)) == NULL ||
        !api_allowed(call, "orgpolicy.policy.get", *node, err) ||
        !orgpolicy_node_exists(call, *node, err) ||
        (*constraint = constraint_named(call, *node, json_text_or(asked, "name", ""), err)) ==
            NULL) {
        return false;
    }
    *constraint = arena_string(&call->arena, slice_of(*constraint)); /* ASKED goes */
    switch (orgpolicy_load(call, *node, *constraint, &doc, err)) {
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        *body = json_deep_copy(doc.body);
        break;
    case STORE_ABSENT:
        *body = json_object();
    }
    return merge_policy(call, *node, *constraint, *body, asked, err);
}

static bool create(struct api_call *call, const char *node, json_t **answer, struct error *err)
{
    auto_doc doc = {0};
    int64_t version;
    auto_json *asked = fields_read(policy_fields, call->body, "", err);
    const char *name =
        asked == NULL ? NULL : constraint_named(call, node, json_text_or(asked, "name", ""), err);
    if (name == NULL) {
        return false;
    }
    switch (orgpolicy_load(call, node, name, &doc, err)) {
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        return error_set(err, STATUS_ALREADY_EXISTS,
                         "A policy for constraints/%s is set on %s already.", name, node);
    case STORE_ABSENT:
        break;
    }
    auto_json *body = json_object();
    if (!write_policy(call, node, name, body, asked, NULL, &version, err)) {
        return false;
    }
    *answer = policy_json(call, node, body, version);
    return true;
}

static void policies_create(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    const char *node = api_expand(call, call->route->on);
    if (!orgpolicy_node_exists(call, node, &err) || !create(call, node, &answer, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, answer);
}

static bool patch(struct api_call *call, const char *node, json_t **answer, struct error *err)
{
    auto_doc doc = {0};
    int64_t version;
    const char *name = api_param(call, "policy");
    auto_json *asked = fields_read(policy_fields, call->body, "", err);
    if (asked == NULL || !check_mask(call, err) || !load(call, node, name, &doc, err)) {
        return false;
    }
    auto_json *body = json_deep_copy(doc.body);
    if (!write_policy(call, node, name, body, asked, etag_of(asked), &version, err)) {
        return false;
    }
    *answer = policy_json(call, node, body, version);
    return true;
}

static void policies_patch(struct api_call *call)
{
    struct error err = {0};
    json_t *answer = NULL;
    const char *node = api_expand(call, call->route->on);
    if (!orgpolicy_node_exists(call, node, &err) || !patch(call, node, &answer, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, answer);
}

static void policies_delete(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    int64_t version;
    const char *node = api_expand(call, call->route->on);
    const char *name = api_param(call, "policy");
    if (!orgpolicy_node_exists(call, node, &err) || !load(call, node, name, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    if (!orgpolicy_store(call, orgpolicy_key(&call->arena, node, name), NULL,
                         api_query(call, "etag"), &version, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_object());
}

#define METHOD "google.cloud.orgpolicy.v2.OrgPolicy."
#define MAY    "orgpolicy."
#define SET    MAY "policy.set"
#define ROW(verb, kind, param, rest, permission, other, handler, method)                           \
    {                                                                                              \
        verb, "/v2/" kind "/{" param "}/" rest, MAY permission, kind "/{" param "}", 0, handler,   \
            METHOD method, .or_permission = other                                                  \
    }
#define NODE(kind, param)                                                                          \
    ROW("GET", kind, param, "policies", "policies.list", NULL, policies_list, "ListPolicies"),     \
        ROW("POST", kind, param, "policies", "policies.create", SET, policies_create,              \
            "CreatePolicy"),                                                                       \
        ROW("GET", kind, param, "policies/{policy}", "policy.get", NULL, policies_get,             \
            "GetPolicy"),                                                                          \
        ROW("PATCH", kind, param, "policies/{policy}", "policies.update", SET, policies_patch,     \
            "UpdatePolicy"),                                                                       \
        ROW("DELETE", kind, param, "policies/{policy}", "policies.delete", SET, policies_delete,   \
            "DeletePolicy"),                                                                       \
        ROW("GET", kind, param, "policies/{policy}:getEffectivePolicy", "policy.get", NULL,        \
            policies_effective, "GetEffectivePolicy"),                                             \
        ROW("GET", kind, param, "constraints", "constraints.list", NULL, constraints_list,         \
            "ListConstraints")

const struct api_route orgpolicy_v2_routes[] = {
    NODE("projects", "project"),
    NODE("folders", "folder"),
    NODE("organizations", "organization"),
};
const size_t orgpolicy_v2_route_count =
    sizeof(orgpolicy_v2_routes) / sizeof(orgpolicy_v2_routes[0]);
