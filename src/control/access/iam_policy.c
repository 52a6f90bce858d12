/* getIamPolicy, setIamPolicy and testIamPermissions, the same for every kind of resource. */
#include "control/access/iam_policy.h"

#include "control/access/orgpolicy.h"
#include "control/call/answer.h"
#include "control/identity/accounts.h"
#include "control/record/door.h"
#include "control/record/etag.h"
#include "control/record/policy_doc.h"
#include "control/record/resource_tree.h"

enum { TEST_PERMISSIONS_MAX = 100 };

static const struct field options_fields[] = {
    {.name = "requestedPolicyVersion", .kind = FIELD_INT32},
    {0},
};

/* Go's library says the path's parameter in the body once more: it is passed over. */
#define RESOURCE                                                                                   \
    {                                                                                              \
        .name = "resource", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY                       \
    }

static const struct field get_fields[] = {
    RESOURCE,
    {.name = "options", .kind = FIELD_OBJECT, .fields = options_fields},
    {0},
};

static const struct field set_fields[] = {
    RESOURCE,
    {.name = "policy", .kind = FIELD_OBJECT, .fields = policy_doc_fields, .flags = FIELD_REQUIRED},
    {.name = "updateMask", .kind = FIELD_STRING},
    {0},
};

static const struct field test_fields[] = {
    RESOURCE,
    {.name = "permissions", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};

static json_t *policy_answer(struct arena *arena, const json_t *body, int64_t stored_version)
{
    json_t *out = json_object();
    json_object_set_new(out, "version", json_integer(json_number(body, "version", 1)));
    json_object_set_new(out, "etag", json_slice(policy_etag(arena, stored_version)));
    json_t *bindings = json_object_get(body, "bindings");
    json_t *audit = json_object_get(body, "auditConfigs");
    if (json_array_size(bindings) > 0) {
        json_object_set(out, "bindings", bindings);
    }
    if (json_array_size(audit) > 0) {
        json_object_set(out, "auditConfigs", audit);
    }
    return out;
}

/* The resource of the call exists; else NOT_FOUND, for one who may ask (the permission was checked
 * before). */
static bool exists(struct api_call *call, const char *resource, struct error *err)
{
    static const char *const kinds[] = {
        [POLICY_SERVICE] = STORE_SERVICE, [POLICY_PROJECT] = STORE_NODE,
        [POLICY_FOLDER] = STORE_NODE,     [POLICY_ORGANIZATION] = STORE_NODE,
        [POLICY_ACCOUNT] = STORE_ACCOUNT, [POLICY_TAG] = STORE_TAG,
        [POLICY_SECRET] = STORE_SECRET,
    };
    if (door_is(resource)) {
        /* The door is there with its service, whether it is on or not; above it with the project.
         */
        const char *service = door_service(&call->arena, resource);
        return service == NULL ||
               store_load(call->control->store, STORE_SERVICE, service, NULL, err,
                          "Resource '%s' was not found: there is no such service.", resource);
    }
    return store_load(call->control->store, kinds[policy_node_of(resource)], resource, NULL, err,
                      "Resource '%s' was not found.", resource);
}

/* Version 1, 3, or not said (0). */
static bool version_asked(struct api_call *call, struct error *err)
{
    const char *asked = api_query(call, "options.requestedPolicyVersion");
    uint64_t number = 0;
    bool read = asked == NULL || asked[0] == '\0' || slice_to_u64(slice_of(asked), &number);
    int64_t version = asked != NULL ? (int64_t)number
                                    : json_number(call->body, "options.requestedPolicyVersion", 0);
    if (!read || (version != 0 && version != 1 && version != 3)) {
        return error_field(err, "options.requestedPolicyVersion",
                           "The policy version must be 0, 1 or 3.");
    }
    return true;
}

void iam_get_policy(struct api_call *call)
{
    struct error err;
    auto_policy policy = {0};
    const char *resource = api_expand(call, call->route->on);
    if (!api_take_fields(call, get_fields, &err) || !version_asked(call, &err) ||
        !exists(call, resource, &err) ||
        !policy_doc_load(call->control->store, &call->arena, resource, &policy, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, policy_answer(&call->arena, policy.body, policy.stored_version));
}

static bool has_account(void *ctx, struct slice email)
{
    struct api_call *call = ctx;
    const char *key = account_key_of(call->control, &call->arena, email);
    if (door_agent_project(call->control, &call->arena, email) != NULL) {
        return true;
    }
    if (key == NULL ||
        store_get(call->control->store, STORE_ACCOUNT, key, NULL, NULL) != STORE_FOUND) {
        return false;
    }
    return true;
}

/* Whether NODE is what the call is about, or stands above it. */
static bool is_above(struct api_call *call, struct slice node)
{
    const char *at = api_expand(call, call->route->on);
    while (!slice_is(node, at)) {
        if (!resource_parent(call->control->store, &call->arena, at, &at)) {
            return false;
        }
    }
    return true;
}

/* A custom role is good in its own project or organization alone: its permissions are theirs to
 * change. */
static bool has_custom_role(void *ctx, struct slice role)
{
    struct api_call *call = ctx;
    auto_doc doc = {0};
    ptrdiff_t end = slice_find_slice(role, SLICE("/roles/"));
    if (end < 0 || !is_above(call, slice_upto(role, (size_t)end))) {
        return false;
    }
    if (store_get(call->control->store, STORE_ROLE, arena_string(&call->arena, role), &doc, NULL) !=
        STORE_FOUND) {
        return false;
    }
    return !json_flag(doc.body, "deleted", false);
}

/* Whether the mask of a set names PART; without a mask, bindings and etag are meant, and what the
 * body has. */
static bool mask_names(struct api_call *call, const char *part)
{
    const char *mask = json_text(call->body, "updateMask");
    return mask == NULL || mask[0] == '\0' || mask_touches(slice_of(mask), part);
}

/* A mask that names what no policy has would change nothing, and say that all went well. */
static bool check_mask(struct api_call *call, const json_t *asked, struct error *err)
{
    auto_json *ignored = json_object();
    struct slice mask = slice_of(json_text_or(call->body, "updateMask", ""));
    return mask_merge(policy_doc_fields, mask, ignored, asked, err);
}

/* The policy that results: what the mask names from the body, the rest as it was. */
static bool resulting(struct api_call *call, const char *resource, const json_t *asked,
                      const struct policy_doc *before, struct binding **out, size_t *count,
                      int *version, struct error *err)
{
    struct binding *given;
    size_t given_count;
    const struct policy_directory directory = {
        .ctx = call, .has_account = has_account, .has_custom_role = has_custom_role};
    if (!policy_doc_bindings(&call->arena, asked, "policy", &given, &given_count, err)) {
        return false;
    }
    int64_t asked_version = json_number(asked, "version", 0);
    if (asked_version != 0 && asked_version != 1 && asked_version != 3) {
        return error_field(err, "policy.version", "The policy version must be 0, 1 or 3.");
    }
    bool masked = json_text(call->body, "updateMask") != NULL;
    *version = (int)asked_version;
    if (masked && !mask_names(call, "version") && before->version > *version) {
        *version = before->version;
    }
    if (!mask_names(call, "bindings")) {
        *out = before->bindings;
        *count = before->count;
        return true;
    }
    return policy_normalise(&call->arena, policy_node_of(resource), given, given_count,
                            before->bindings, before->count, *version, &directory, out, count, err);
}

static bool has_condition(const struct binding *bindings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bindings[i].condition.expression.len > 0) {
            return true;
        }
    }
    return false;
}

static bool check_etag(struct api_call *call, const json_t *asked, const struct policy_doc *before,
                       struct error *err)
{
    const char *etag = json_text(asked, "etag");
    if (etag == NULL || etag[0] == '\0' || !mask_names(call, "etag") ||
        policy_etag_matches(&call->arena, etag, before->stored_version)) {
        return true;
    }
    return error_set(err, STATUS_ABORTED,
                     "There were concurrent policy changes. Please retry the whole "
                     "read-modify-write with exponential backoff.");
}

static json_t *policy_body(struct api_call *call, const json_t *asked,
                           const struct policy_doc *before, const struct binding *bindings,
                           size_t count)
{
    json_t *body = json_object();
    json_t *audit =
        json_object_get(mask_names(call, "auditConfigs") ? asked : before->body, "auditConfigs");
    json_object_set_new(body, "version", json_integer(has_condition(bindings, count) ? 3 : 1));
    json_object_set_new(body, "bindings", policy_doc_json(bindings, count));
    if (audit != NULL) {
        json_object_set(body, "auditConfigs", audit);
    }
    return body;
}

static bool grants(const struct binding *bindings, size_t count, const struct binding *wanted,
                   struct slice member)
{
    for (size_t i = 0; i < count; i++) {
        if (!slice_equal(bindings[i].role, wanted->role) ||
            !slice_equal(bindings[i].condition.expression, wanted->condition.expression)) {
            continue;
        }
        for (size_t k = 0; k < bindings[i].member_count; k++) {
            if (slice_equal(bindings[i].members[k], member)) {
                return true;
            }
        }
    }
    return false;
}

/* Adds to OUT the roles of FROM that give something which TO does not. */
static int altered(const struct binding *from, size_t from_count, const struct binding *to,
                   size_t to_count, struct slice *out, int count)
{
    for (size_t i = 0; i < from_count; i++) {
        bool same = true;
        for (size_t k = 0; k < from[i].member_count && same; k++) {
            same = grants(to, to_count, &from[i], from[i].members[k]);
        }
        if (!same) {
            out[count++] = from[i].role;
        }
    }
    return count;
}

/*
 * A grant of setIamPolicy may be limited to certain roles (modifiedGrantsByRole), which is known
 * only now: the row's check ran before the body was read.
 */
static bool may_alter_roles(struct api_call *call, const char *resource,
                            const struct policy_doc *before, const struct binding *bindings,
                            size_t count, struct error *err)
{
    struct slice *roles = arena_array(&call->arena, struct slice, before->count + count);
    int altered_count = altered(before->bindings, before->count, bindings, count, roles, 0);
    altered_count = altered(bindings, count, before->bindings, before->count, roles, altered_count);
    if (api_holds_for_roles(call, call->route->permission, resource, roles, altered_count)) {
        return true;
    }
    call->denied_permission = call->route->permission;
    call->denied_resource = resource;
    return error_set(err, STATUS_PERMISSION_DENIED,
                     "Permission '%s' denied on resource '%s' (or resource may not exist): the "
                     "caller may not change grants of all the roles that this changes.",
                     call->route->permission, resource);
}

/* The door of a service is in the service's history, so that one query shows both. */
static bool audit_policy(struct change *change, struct arena *arena, const char *resource,
                         const json_t *before, const json_t *after, struct error *err)
{
    const char *service = door_is(resource) ? door_service(arena, resource) : NULL;
    return change_audit(change, service != NULL ? service : resource,
                        door_is(resource) ? "set-iap-policy" : "set-iam-policy", before, after,
                        err);
}

static bool set_policy(struct api_call *call, const char *resource, struct policy_doc *before,
                       json_t **answer, struct error *err)
{
    struct binding *bindings;
    size_t count;
    int version;
    int64_t stored;
    if (!api_take_fields(call, set_fields, err)) {
        return false;
    }
    const json_t *asked = json_object_get(call->body, "policy");
    if (!check_mask(call, asked, err) || !exists(call, resource, err) ||
        !policy_doc_load(call->control->store, &call->arena, resource, before, err) ||
        !check_etag(call, asked, before, err) ||
        !resulting(call, resource, asked, before, &bindings, &count, &version, err) ||
        !may_alter_roles(call, resource, before, bindings, count, err) ||
        !orgpolicy_check_bindings(call, resource, before, bindings, count, err)) {
        return false;
    }
    auto_json *body = policy_body(call, asked, before, bindings, count);
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !store_put(call->control->store, STORE_POLICY, resource, body, NULL, &stored, err) ||
        !change_policy(change, resource, err) ||
        !audit_policy(change, &call->arena, resource, before->body, body, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    *answer = policy_answer(&call->arena, body, stored);
    return true;
}

/*
 * A stale etag is 412 in v1: clients of v1 take any 409 for a deletion that is under way, and
 * repeat the same call, which cannot succeed, for twenty minutes (Terraform does).
 */
static void fail_set(struct api_call *call, const struct error *err)
{
    bool run_v1 = api_is_of(call, "google.cloud.run.v1.");
    if (run_v1 && err->status == STATUS_ABORTED) {
        api_fail_http(call, 412, status_name(err->status), NULL, err->text);
    } else {
        orgpolicy_fail(call, err);
    }
}

void iam_set_policy(struct api_call *call)
{
    struct error err = {0};
    auto_policy before = {0};
    json_t *answer = NULL;
    const char *resource = api_expand(call, call->route->on);
    bool good = set_policy(call, resource, &before, &answer, &err);
    if (good) {
        api_reply(call, answer);
    } else {
        fail_set(call, &err);
    }
}

void iam_test_permissions(struct api_call *call)
{
    struct error err;
    const char *resource = api_expand(call, call->route->on);
    size_t i;
    json_t *one;
    if (!api_take_fields(call, test_fields, &err)) {
        api_fail(call, &err);
        return;
    }
    const json_t *asked = json_object_get(call->body, "permissions");
    auto_json *held = json_array();
    if (json_array_size(asked) > TEST_PERMISSIONS_MAX) {
        error_field(&err, "permissions", "At most %d permissions can be tested at once.",
                    TEST_PERMISSIONS_MAX);
        api_fail(call, &err);
        return;
    }
    json_array_foreach(asked, i, one)
    {
        const char *permission = json_string_value(one);
        if (strchr(permission, '*') != NULL) {
            error_field(&err, "permissions", "Permissions are names without wildcards.");
            api_fail(call, &err);
            return;
        }
        if (api_holds(call, permission, resource)) {
            json_array_append(held, one);
        }
    }
    json_t *answer = json_object();
    if (json_array_size(held) > 0) {
        json_object_set(answer, "permissions", held);
    }
    api_reply(call, answer);
}
