/* The rows of the resource tree: v3, and what gcloud still asks of v1 and v2. */
#include "control/api/crm_v3.h"

#include "control/access/iam_policy.h"
#include "control/api/crm_tree.h"

/* The name is the path's, once more, as Go's library sends it. */
static const struct field move_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "destinationParent", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {0},
};
/* Of v1 (filter) and v2 (query). */
static const struct field search_fields[] = {
    {.name = "filter", .kind = FIELD_STRING},
    {.name = "query", .kind = FIELD_STRING},
    {.name = "pageSize", .kind = FIELD_INT32, .max = INT32_MAX},
    {.name = "pageToken", .kind = FIELD_STRING},
    {0},
};

#define PROJECT      "projects/{project}"
#define FOLDER       "folders/{folder}"
#define ORGANIZATION "organizations/{organization}"
#define V1           "google.cloud.resourcemanager.v1."
#define V2           "google.cloud.resourcemanager.v2."
#define V3           "google.cloud.resourcemanager.v3."
#define MAY          "resourcemanager."
#define IAM(version, node, kind, set, method)                                                      \
    {"POST",         version node ":getIamPolicy", MAY kind ".getIamPolicy", node, 0,              \
     iam_get_policy, method "GetIamPolicy"},                                                       \
        {"POST", version node ":setIamPolicy", MAY kind ".setIamPolicy", node, 0,                  \
         set,    method "SetIamPolicy"},                                                           \
    {                                                                                              \
        "POST", version node ":testIamPermissions", NULL, node, API_SELF_CHECKED,                  \
            iam_test_permissions, method "TestIamPermissions", .why = API_WHY_TEST}
#define FOLDERS(version, method)                                                                   \
    {                                                                                              \
        "GET", version FOLDER, MAY "folders.get",         FOLDER,                                  \
        0,     crm_node_get,   method "Folders.GetFolder"},                                        \
        {"PATCH", version FOLDER,     MAY "folders.update",         FOLDER,                        \
         0,       crm_folders_update, method "Folders.UpdateFolder"},                              \
        {"DELETE", version FOLDER,     MAY "folders.delete",         FOLDER,                       \
         0,        crm_folders_delete, method "Folders.DeleteFolder"},                             \
        {"POST",           version FOLDER ":move",      MAY "folders.move",       FOLDER, 0,      \
         crm_folders_move, method "Folders.MoveFolder", move_fields},                              \
        {"POST", version FOLDER ":undelete", MAY "folders.undelete",          FOLDER,              \
         0,      crm_folders_undelete,       method "Folders.UndeleteFolder", api_no_fields},      \
        {"GET",                                                                                    \
         version "folders",                                                                        \
         NULL,                                                                                     \
         NULL,                                                                                     \
         API_SELF_CHECKED,                                                                         \
         crm_folders_list,                                                                         \
         method "Folders.ListFolders", .why = API_WHY_ASKED},                                                            \
        {"POST",                                                                                   \
         version "folders",                                                                        \
         NULL,                                                                                     \
         NULL,                                                                                     \
         API_SELF_CHECKED,                                                                         \
         crm_folders_create,                                                                       \
         method "Folders.CreateFolder", .why = API_WHY_ASKED},                                                           \
        IAM(version, FOLDER, "folders", iam_set_policy, method "Folders.")

const struct api_route crm_v3_routes[] = {
    {"POST", "/v1/projects", NULL, NULL, API_SELF_CHECKED, crm_projects_create, V1 "CreateProject", .why = API_WHY_ASKED},
    {"PUT", "/v1/" PROJECT, MAY "projects.update", PROJECT, 0, crm_projects_update,
     V1 "UpdateProject"},
    {"GET", "/v1/" ORGANIZATION, MAY "organizations.get", ORGANIZATION, 0, crm_node_get,
     V1 "GetOrganization"},
    {"POST", "/v1/organizations:search", NULL, NULL, API_SELF_CHECKED, crm_organizations_search,
     V1 "SearchOrganizations", search_fields, .why = API_WHY_LIST},
    IAM("/v1/", ORGANIZATION, "organizations", crm_organization_set_policy, V1),
    FOLDERS("/v2/", V2),
    {"POST", "/v2/folders:search", NULL, NULL, API_SELF_CHECKED, crm_folders_search,
     V2 "Folders.SearchFolders", search_fields, .why = API_WHY_LIST},
    FOLDERS("/v3/", V3),
    {"GET", "/v3/folders:search", NULL, NULL, API_SELF_CHECKED, crm_folders_search,
     V3 "Folders.SearchFolders", .why = API_WHY_LIST},
    {"GET", "/v3/" PROJECT, MAY "projects.get", PROJECT, 0, crm_node_get, V3 "Projects.GetProject"},
    {"GET", "/v3/projects", NULL, NULL, API_SELF_CHECKED, crm_projects_list,
     V3 "Projects.ListProjects", .why = API_WHY_ASKED},
    {"GET", "/v3/projects:search", NULL, NULL, API_SELF_CHECKED, crm_projects_search,
     V3 "Projects.SearchProjects", .why = API_WHY_LIST},
    {"POST", "/v3/projects", NULL, NULL, API_SELF_CHECKED, crm_projects_create,
     V3 "Projects.CreateProject", .why = API_WHY_ASKED},
    {"PATCH", "/v3/" PROJECT, MAY "projects.update", PROJECT, 0, crm_projects_update,
     V3 "Projects.UpdateProject"},
    {"POST", "/v3/" PROJECT ":move", MAY "projects.move", PROJECT, 0, crm_projects_move,
     V3 "Projects.MoveProject", move_fields},
    {"DELETE", "/v3/" PROJECT, MAY "projects.delete", PROJECT, 0, crm_projects_delete,
     V3 "Projects.DeleteProject"},
    {"POST", "/v3/" PROJECT ":undelete", MAY "projects.undelete", PROJECT, 0, crm_projects_undelete,
     V3 "Projects.UndeleteProject", api_no_fields},
    IAM("/v3/", PROJECT, "projects", iam_set_policy, V3 "Projects."),
    {"GET", "/v3/" ORGANIZATION, MAY "organizations.get", ORGANIZATION, 0, crm_node_get,
     V3 "Organizations.GetOrganization"},
    {"GET", "/v3/organizations:search", NULL, NULL, API_SELF_CHECKED, crm_organizations_search,
     V3 "Organizations.SearchOrganizations", .why = API_WHY_LIST},
    IAM("/v3/", ORGANIZATION, "organizations", crm_organization_set_policy, V3 "Organizations."),
    {"GET", "/v3/" FOLDER "/capabilities/{capability}", MAY "folders.get", FOLDER, 0, NULL,
     V3 "Folders.GetCapability"},
    {"PATCH", "/v3/" FOLDER "/capabilities/{capability}", MAY "folders.update", FOLDER, 0, NULL,
     V3 "Folders.UpdateCapability"},
};
const size_t crm_v3_route_count = sizeof(crm_v3_routes) / sizeof(crm_v3_routes[0]);
