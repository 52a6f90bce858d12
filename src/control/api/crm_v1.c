/* cloudresourcemanager.googleapis.com/v1: projects and their policies (gcloud.md 12). */
#include "control/api/crm_v1.h"

#include "control/policy_doc.h"

static json_t *project_json(const struct store_doc *doc)
{
    static const char *const kept[] = {"projectNumber", "projectId", "name", "lifecycleState",
                                       "createTime"};
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        json_object_set(out, kept[i], json_object_get(doc->body, kept[i]));
    }
    const char *parent = json_text(doc->body, "parent");
    const char *slash = parent == NULL ? NULL : strchr(parent, '/');
    if (slash != NULL) {
        bool folder = strncmp(parent, "folders/", 8) == 0;
        json_object_set_new(
            out, "parent",
            json_pack("{s:s, s:s}", "type", folder ? "folder" : "organization", "id", slash + 1));
    }
    return out;
}

static void projects_get(struct api_call *call)
{
    struct error err;
    struct store_doc doc;
    const char *key = api_expand(call, "projects/{project}");
    switch (store_get(call->control->store, STORE_NODE, key, &doc, &err)) {
    case STORE_ABSENT:
        error_set(&err, STATUS_NOT_FOUND, "Project '%s' was not found.",
                  api_param(call, "project"));
        api_fail(call, &err);
        return;
    case STORE_FAILED:
        api_fail(call, &err);
        return;
    case STORE_FOUND:
        break;
    }
    json_t *answer = project_json(&doc);
    json_decref(doc.body);
    api_reply(call, answer);
}

struct listing {
    struct api_call *call;
    json_t *projects;
};

static bool list_project(const struct store_doc *doc, void *ctx)
{
    struct listing *listing = ctx;
    if (api_holds(listing->call, "resourcemanager.projects.get", doc->key)) {
        json_array_append_new(listing->projects, project_json(doc));
    }
    return true;
}

static void projects_list(struct api_call *call)
{
    struct error err;
    struct listing listing = {.call = call, .projects = json_array()};
    if (!store_each(call->control->store, STORE_NODE, "projects/", list_project, &listing, &err)) {
        json_decref(listing.projects);
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:o}", "projects", listing.projects));
}

static void projects_ancestry(struct api_call *call)
{
    json_t *list = json_array();
    const char *node = api_expand(call, "projects/{project}");
    do {
        struct slice left = slice_of(node);
        struct slice kind;
        slice_cut(&left, '/', &kind);
        kind.len--; /* "projects" → "project" */
        json_array_append_new(list, json_pack("{s:{s:o, s:o}}", "resourceId", "type",
                                              json_slice(kind), "id", json_slice(left)));
    } while (resource_parent(call->control->store, &call->arena, node, &node));
    api_reply(call, json_pack("{s:o}", "ancestor", list));
}

#define PROJECT "/v1/projects/{project}"
#define ON      "projects/{project}"
#define METHOD  "google.cloud.resourcemanager.v1."

const struct api_route crm_v1_routes[] = {
    {"GET", PROJECT, "resourcemanager.projects.get", ON, 0, projects_get, METHOD "GetProject"},
    {"GET", "/v1/projects", NULL, NULL, API_SELF_CHECKED, projects_list, METHOD "ListProjects"},
    {"DELETE", PROJECT, "resourcemanager.projects.delete", ON, 0, NULL, METHOD "DeleteProject"},
    {"POST", PROJECT ":getAncestry", "resourcemanager.projects.get", ON, 0, projects_ancestry,
     METHOD "GetAncestry", api_no_fields},
    {"POST", PROJECT ":getIamPolicy", "resourcemanager.projects.getIamPolicy", ON, 0,
     iam_get_policy, METHOD "GetIamPolicy"},
    {"POST", PROJECT ":setIamPolicy", "resourcemanager.projects.setIamPolicy", ON, 0,
     iam_set_policy, METHOD "SetIamPolicy"},
    {"POST", PROJECT ":testIamPermissions", NULL, ON, API_SELF_CHECKED, iam_test_permissions,
     METHOD "TestIamPermissions"},
};
const size_t crm_v1_route_count = sizeof(crm_v1_routes) / sizeof(crm_v1_routes[0]);
