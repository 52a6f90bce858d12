/* cloudresourcemanager.googleapis.com/v1: projects and their policies. */
#include "control/api/crm_v1.h"

#include "control/access/iam_policy.h"
#include "control/api/crm_tree.h"
#include "control/call/call.h"

#define PROJECT "/v1/projects/{project}"
#define ON      "projects/{project}"
#define METHOD  "google.cloud.resourcemanager.v1."
#define MAY     "resourcemanager.projects."

const struct api_route crm_v1_routes[] = {
    {"GET", PROJECT, MAY "get", ON, 0, crm_node_get, METHOD "GetProject"},
    {"GET", "/v1/projects", NULL, NULL, API_SELF_CHECKED, crm_projects_search,
     METHOD "ListProjects", .why = API_WHY_LIST},
    {"DELETE", PROJECT, MAY "delete", ON, 0, crm_projects_delete, METHOD "DeleteProject"},
    {"POST", PROJECT ":undelete", MAY "undelete", ON, 0, crm_projects_undelete,
     METHOD "UndeleteProject", api_no_fields},
    {"POST", PROJECT ":getAncestry", MAY "get", ON, 0, crm_project_ancestry, METHOD "GetAncestry",
     api_no_fields},
    {"POST", PROJECT ":getIamPolicy", MAY "getIamPolicy", ON, 0, iam_get_policy,
     METHOD "GetIamPolicy"},
    {"POST", PROJECT ":setIamPolicy", MAY "setIamPolicy", ON, 0, iam_set_policy,
     METHOD "SetIamPolicy"},
    {"POST", PROJECT ":testIamPermissions", NULL, ON, API_SELF_CHECKED, iam_test_permissions,
     METHOD "TestIamPermissions", .why = API_WHY_TEST},
};
const size_t crm_v1_route_count = sizeof(crm_v1_routes) / sizeof(crm_v1_routes[0]);
