/* Roles: the predefined ones, readable by anyone who is authenticated. */
#include "control/api/roles.h"

#include "control/call/paging.h"

enum { PAGE_DEFAULT = 300 };

static json_t *role_json(const struct role *role, bool full)
{
    json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", role->name, "title", role->title,
                            "description", role->title, "stage", role->stage, "etag", "AA==");
    if (full) {
        json_t *permissions = json_array();
        for (size_t i = 0; i < role->permission_count; i++) {
            json_array_append_new(permissions, json_string(permission_name(role->permissions[i])));
        }
        json_object_set_new(out, "includedPermissions", permissions);
    }
    return out;
}

static void roles_list(struct api_call *call)
{
    struct error err = {0};
    struct paging paging;
    const char *view = api_query(call, "view");
    bool full = view != NULL && strcmp(view, "FULL") == 0;
    if (!paging_init(&paging, call, PAGE_DEFAULT, PAGE_MOST, &err)) {
        api_fail(call, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < roles_count() && !paging.more; i++) {
        if (paging_step(&paging, roles_at(i)->name) == PAGING_TAKE) {
            json_array_append_new(list, role_json(roles_at(i), full));
        }
    }
    json_t *answer = json_pack("{s:o}", "roles", list);
    paging_put(&paging, answer);
    api_reply(call, answer);
}

static void roles_get(struct api_call *call)
{
    struct error err;
    const char *name = arena_printf(&call->arena, "roles/%s", api_param(call, "role"));
    const struct role *role = roles_find(slice_of(name));
    if (role == NULL) {
        error_set(&err, STATUS_NOT_FOUND, "The role named %s was not found.", name);
        api_fail(call, &err);
        return;
    }
    api_reply(call, role_json(role, true));
}

const struct api_route role_routes[] = {
    {"POST", "/v1/roles:queryGrantableRoles", NULL, NULL, 0, NULL,
     "google.iam.admin.v1.QueryGrantableRoles"},
    {"POST", "/v1/iamPolicies:lintPolicy", NULL, NULL, 0, NULL, "google.iam.admin.v1.LintPolicy"},
    {"POST", "/v1/iamPolicies:queryAuditableServices", NULL, NULL, 0, NULL,
     "google.iam.admin.v1.QueryAuditableServices"},
    {"GET", "/v1/roles", NULL, NULL, API_SELF_CHECKED, roles_list, "google.iam.admin.v1.ListRoles",
     .why = API_WHY_ALL},
    {"GET", "/v1/roles/{role}", NULL, NULL, API_SELF_CHECKED, roles_get,
     "google.iam.admin.v1.GetRole", .why = API_WHY_ALL},
};
const size_t role_route_count = sizeof(role_routes) / sizeof(role_routes[0]);
