/* Roles: the predefined ones, readable by anyone who is authenticated. */
#include "control/api/roles.h"

#include <stdlib.h>

enum { PAGE_DEFAULT = 300, PAGE_MAX = 1000 };

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
    const char *asked = api_query(call, "pageSize");
    const char *token = api_query(call, "pageToken");
    const char *view = api_query(call, "view");
    long size = asked == NULL ? PAGE_DEFAULT : strtol(asked, NULL, 10);
    size_t max = size <= 0 ? PAGE_DEFAULT : size > PAGE_MAX ? PAGE_MAX : (size_t)size;
    json_t *list = json_array();
    size_t i = 0;
    while (token != NULL && i < roles_count() && strcmp(roles_at(i)->name, token) <= 0) {
        i++;
    }
    for (; i < roles_count() && json_array_size(list) < max; i++) {
        json_array_append_new(list,
                              role_json(roles_at(i), view != NULL && strcmp(view, "FULL") == 0));
    }
    json_t *answer = json_object();
    if (i < roles_count()) {
        json_object_set_new(answer, "nextPageToken", json_string(roles_at(i - 1)->name));
    }
    json_object_set_new(answer, "roles", list);
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
    {"POST", "/v1/roles:queryGrantableRoles", NULL, NULL, API_SELF_CHECKED, NULL,
     "google.iam.admin.v1.QueryGrantableRoles"},
    {"POST", "/v1/iamPolicies:lintPolicy", NULL, NULL, API_SELF_CHECKED, NULL,
     "google.iam.admin.v1.LintPolicy"},
    {"POST", "/v1/iamPolicies:queryAuditableServices", NULL, NULL, API_SELF_CHECKED, NULL,
     "google.iam.admin.v1.QueryAuditableServices"},
    {"GET", "/v1/roles", NULL, NULL, API_SELF_CHECKED, roles_list, "google.iam.admin.v1.ListRoles"},
    {"GET", "/v1/roles/{role}", NULL, NULL, API_SELF_CHECKED, roles_get,
     "google.iam.admin.v1.GetRole"},
};
const size_t role_route_count = sizeof(role_routes) / sizeof(role_routes[0]);
