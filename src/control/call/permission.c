/*
 * Whether the caller may: the allow policies of a resource and of what stands above it, read from
 * the record. One account is out of reach for what stands above it: the owner of the installation.
 */
#include "base/clock.h"
#include "control/call/call.h"
#include "control/record/door.h"
#include "control/record/owner.h"
#include "control/record/policy_doc.h"
#include "control/record/resource_tree.h"
#include "control/record/roles.h"
#include "control/record/secrets.h"
#include "control/record/tags.h"

enum { DEPTH_MAX = 16 };

/* What conditions may ask about the resource of an admin call (docs/access.md, K3 to K5). */
static struct cel_env env_of(struct api_call *call, const char *resource)
{
    struct arena *arena = &call->arena;
    static const struct {
        const char *part, *type, *service;
    } types[] = {
        {"/services/", "run.googleapis.com/Service", "run.googleapis.com"},
        {"/locations/", "run.googleapis.com/Location", "run.googleapis.com"},
        {"/serviceAccounts/", "iam.googleapis.com/ServiceAccount", "iam.googleapis.com"},
        {"organizations/", "cloudresourcemanager.googleapis.com/Organization",
         "cloudresourcemanager.googleapis.com"},
        {"folders/", "cloudresourcemanager.googleapis.com/Folder",
         "cloudresourcemanager.googleapis.com"},
        {"projects/", "cloudresourcemanager.googleapis.com/Project",
         "cloudresourcemanager.googleapis.com"},
    };
    struct cel_env env = {
        .time_us = clock_wall_us(),
        .resource_name = arena_slice(arena, slice_of(resource)),
        .modified_role_count = -1,
    };
    if (policy_node_of(resource) == POLICY_SECRET) {
        const char *name = secret_public_name(call->control, arena, resource);
        env.resource_name = slice_of(name);
        env.resource_type = strstr(name, "/versions/") != NULL
                                ? SLICE("secretmanager.googleapis.com/SecretVersion")
                                : SLICE("secretmanager.googleapis.com/Secret");
        env.resource_service = SLICE("secretmanager.googleapis.com");
        return env;
    }
    if (door_is(resource)) {
        env.resource_type = slice_of(door_type(resource));
        env.resource_service = SLICE("iap.googleapis.com");
        return env;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strstr(resource, types[i].part) != NULL) {
            env.resource_type = slice_of(types[i].type);
            env.resource_service = slice_of(types[i].service);
            break;
        }
    }
    return env;
}

static bool node_grants(struct api_call *call, const char *node, const struct cel_env *env,
                        struct slice permission)
{
    auto_policy policy = {0};
    struct store *store = call->control->store;
    if (!policy_doc_load(store, &call->arena, node, &policy, NULL)) {
        return false;
    }
    const struct binding *found =
        policy_grants(policy.bindings, policy.count, &call->caller.principals, permission, env,
                      &call->arena, custom_role_holds, store);
    return found != NULL;
}

/* Permissions that show an account and give nothing of it. */
static bool only_shows(const char *permission)
{
    static const char *const shows[] = {
        "iam.serviceAccounts.get",
        "iam.serviceAccounts.list",
        "iam.serviceAccounts.getIamPolicy",
        "iam.serviceAccounts.listTagBindings",
        "iam.serviceAccounts.listEffectiveTags",
        "iam.serviceAccountKeys.get",
        "iam.serviceAccountKeys.list",
    };
    for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
        if (strcmp(permission, shows[i]) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Whether what is granted above RESOURCE counts for it. Of the owner's account only its own policy
 * does, and what the owner itself holds: roles/editor on the project has keys and actAs of all its
 * accounts, and would otherwise be the organization's owner.
 */
static bool inherits(struct api_call *call, const char *permission, const char *resource)
{
    struct control *control = call->control;
    return policy_node_of(resource) != POLICY_ACCOUNT || only_shows(permission) ||
           slice_is(call->caller.sub, control->owner_sub) || !owner_is(control, resource);
}

static bool holds(struct api_call *call, const char *permission, const char *resource,
                  const struct cel_env *known)
{
    struct lazy_tags lazy = {call->control, &call->arena, resource, NULL, false};
    struct cel_env env = *known;
    const char *node = resource;
    env.has_tag = lazy_tags_match;
    env.tag_ctx = &lazy;
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        if (node_grants(call, node, &env, slice_of(permission))) {
            return true;
        }
        if ((depth == 0 && !inherits(call, permission, resource)) ||
            !resource_parent(call->control->store, &call->arena, node, &node)) {
            return false;
        }
    }
    return false;
}

bool api_holds(struct api_call *call, const char *permission, const char *resource)
{
    struct cel_env env = env_of(call, resource);
    return holds(call, permission, resource, &env);
}

bool api_holds_for_roles(struct api_call *call, const char *permission, const char *resource,
                         const struct slice *roles, int count)
{
    struct cel_env env = env_of(call, resource);
    env.modified_roles = roles;
    env.modified_role_count = count;
    return holds(call, permission, resource, &env);
}

bool api_allowed(struct api_call *call, const char *permission, const char *resource,
                 struct error *err)
{
    if (api_holds(call, permission, resource)) {
        return true;
    }
    call->denied_permission = permission;
    call->denied_resource = arena_string(&call->arena, slice_of(resource));
    return error_set(err, STATUS_PERMISSION_DENIED,
                     "Permission '%s' denied on resource '%s' (or resource may not exist).",
                     permission, resource);
}
