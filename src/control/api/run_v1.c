/*
 * The rows of Cloud Run's v1 API. Knative paths name no region: v1_service_key() finds where the
 * service is, so that the permission is asked for there.
 */
#include "control/api/run_v1.h"

#include "control/access/iam_policy.h"
#include "control/api/operations.h"
#include "control/record/regions.h"

#define NAMESPACE "/apis/serving.knative.dev/v1/namespaces/{project}"
#define LOCATION  "/v1/projects/{project}/locations/{region}"
#define SERVICE   "projects/{project}/locations/{region}/services/{service}"
#define PROJECT   "projects/{project}"
#define V1        "google.cloud.run.v1."

static void locations_list(struct api_call *call)
{
    json_t *list = json_array();
    const char *project = api_param(call, "project");
    for (size_t i = 0; regions[i][0] != NULL; i++) {
        const char *name =
            arena_printf(&call->arena, "projects/%s/locations/%s", project, regions[i][0]);
        json_array_append_new(list, json_pack("{ss ss ss s{ss}}", "name", name, "locationId",
                                              regions[i][0], "displayName", regions[i][1], "labels",
                                              "cloud.googleapis.com/region", regions[i][0]));
    }
    api_reply(call, json_pack("{so}", "locations", list));
}

/* One resource under both of its paths. */
#define ROWS(verb, plural, rest, permission, flags, handle, method)                                \
    {verb,      NAMESPACE "/" plural rest, permission, SERVICE, flags, handle,                     \
     V1 method, .resource = v1_service_key},                                                       \
    {                                                                                              \
        verb, LOCATION "/" plural rest, permission, SERVICE, flags, handle, V1 method,             \
            .resource = v1_service_key                                                             \
    }
/* The same for what needs a permission on the project alone. */
#define PROJECT_ROWS(verb, plural, rest, permission, flags, handle, method)                        \
    {verb, NAMESPACE "/" plural rest, permission, PROJECT, flags, handle, V1 method},              \
    {                                                                                              \
        verb, LOCATION "/" plural rest, permission, PROJECT, flags, handle, V1 method              \
    }

#define RUN     "/apis/run.googleapis.com/v1/namespaces/{project}/"
#define DOMAINS "/apis/domains.cloudrun.com/v1/namespaces/{project}/"
#define ABSENT  API_NO_BODY, NULL
#define ABSENT_ROWS(base, plural, id, permission, method)                                          \
    {"GET", base plural, permission ".list", PROJECT, ABSENT, V1 method ".List" method},           \
        {"POST", base plural, permission ".create", PROJECT, ABSENT, V1 method ".Create" method},  \
        {"GET", base plural "/" id, permission ".get", PROJECT, ABSENT, V1 method ".Get" method},  \
        {"PUT",  base plural "/" id,         permission ".update", PROJECT,                        \
         ABSENT, V1 method ".Replace" method},                                                     \
    {                                                                                              \
        "DELETE", base plural "/" id, permission ".delete", PROJECT, ABSENT,                       \
            V1 method ".Delete" method                                                             \
    }
#define ABSENT_POLICY(plural, id, permission, method)                                              \
    {"GET",                                                                                        \
     LOCATION "/" plural "/" id ":getIamPolicy",                                                   \
     permission ".getIamPolicy",                                                                   \
     PROJECT,                                                                                      \
     ABSENT,                                                                                       \
     V1 method ".GetIamPolicy"},                                                                   \
        {"POST",                                                                                   \
         LOCATION "/" plural "/" id ":setIamPolicy",                                               \
         permission ".setIamPolicy",                                                               \
         PROJECT,                                                                                  \
         ABSENT,                                                                                   \
         V1 method ".SetIamPolicy"},                                                               \
    {                                                                                              \
        "POST", LOCATION "/" plural "/" id ":testIamPermissions", permission ".getIamPolicy",      \
            PROJECT, ABSENT, V1 method ".TestIamPermissions"                                       \
    }

const struct api_route run_v1_routes[] = {
    /* services */
    ROWS("GET", "services", "/{service}", "run.services.get", API_NO_BODY, v1_service_get,
         "Services.GetService"),
    PROJECT_ROWS("GET", "services", "", "run.services.list", API_NO_BODY, v1_service_list,
                 "Services.ListServices"),
    PROJECT_ROWS("POST", "services", "", "run.services.create", API_YAML_TOO | API_DRY_RUN,
                 v1_service_create, "Services.CreateService"),
    ROWS("PUT", "services", "/{service}", "run.services.update", API_YAML_TOO | API_DRY_RUN,
         v1_service_replace, "Services.ReplaceService"),
    ROWS("DELETE", "services", "/{service}", "run.services.delete", API_NO_BODY | API_DRY_RUN,
         v1_service_delete, "Services.DeleteService"),
    {"GET", LOCATION "/services/{service}:getIamPolicy", "run.services.getIamPolicy", SERVICE,
     API_NO_BODY, iam_get_policy, V1 "Services.GetIamPolicy"},
    {"POST", LOCATION "/services/{service}:getIamPolicy", "run.services.getIamPolicy", SERVICE, 0,
     iam_get_policy, V1 "Services.GetIamPolicy"},
    {"POST", LOCATION "/services/{service}:setIamPolicy", "run.services.setIamPolicy", SERVICE, 0,
     iam_set_policy, V1 "Services.SetIamPolicy"},
    {"POST", LOCATION "/services/{service}:testIamPermissions", NULL, SERVICE, API_SELF_CHECKED,
     iam_test_permissions, V1 "Services.TestIamPermissions", .why = API_WHY_TEST},

    /* revisions, configurations, routes */
    PROJECT_ROWS("GET", "revisions", "/{revision}", "run.revisions.get", API_NO_BODY,
                 v1_revision_get, "Revisions.GetRevision"),
    PROJECT_ROWS("GET", "revisions", "", "run.revisions.list", API_NO_BODY, v1_revision_list,
                 "Revisions.ListRevisions"),
    PROJECT_ROWS("DELETE", "revisions", "/{revision}", "run.revisions.delete",
                 API_NO_BODY | API_DRY_RUN, v1_revision_delete, "Revisions.DeleteRevision"),
    ROWS("GET", "configurations", "/{configuration}", "run.configurations.get", API_NO_BODY,
         v1_configuration_get, "Configurations.GetConfiguration"),
    PROJECT_ROWS("GET", "configurations", "", "run.configurations.list", API_NO_BODY,
                 v1_configuration_list, "Configurations.ListConfigurations"),
    ROWS("GET", "routes", "/{route}", "run.routes.get", API_NO_BODY, v1_route_get,
         "Routes.GetRoute"),
    PROJECT_ROWS("GET", "routes", "", "run.routes.list", API_NO_BODY, v1_route_list,
                 "Routes.ListRoutes"),

    /* operations, locations */
    {"GET", LOCATION "/operations/{operation}", "run.operations.get", PROJECT, API_NO_BODY,
     operation_get, V1 "Operations.GetOperation"},
    {"POST", LOCATION "/operations/{operation}:wait", "run.operations.get", PROJECT, 0,
     operation_wait, V1 "Operations.WaitOperation", api_wait_fields},
    {"GET", LOCATION "/operations", "run.operations.list", PROJECT, API_NO_BODY, operation_list,
     V1 "Operations.ListOperations"},
    {"DELETE", LOCATION "/operations/{operation}", "run.operations.delete", PROJECT, API_NO_BODY,
     operation_delete, V1 "Operations.DeleteOperation"},
    {"GET", "/v1/projects/{project}/locations", "run.locations.list", PROJECT, API_NO_BODY,
     locations_list, V1 "Locations.ListLocations"},

    /* known, and not done here: 501 by name */
    ABSENT_ROWS(RUN, "jobs", "{job}", "run.jobs", "Jobs"),
    {"POST", RUN "jobs/{job}:run", "run.jobs.run", PROJECT, ABSENT, V1 "Jobs.RunJob"},
    ABSENT_ROWS(RUN, "executions", "{execution}", "run.executions", "Executions"),
    {"POST", RUN "executions/{execution}:cancel", "run.executions.cancel", PROJECT, ABSENT,
     V1 "Executions.CancelExecution"},
    ABSENT_ROWS(RUN, "tasks", "{task}", "run.tasks", "Tasks"),
    ABSENT_ROWS(RUN, "workerpools", "{workerpool}", "run.workerpools", "WorkerPools"),
    ABSENT_ROWS(RUN, "instances", "{instance}", "run.instances", "Instances"),
    {"POST", RUN "instances/{instance}:start", "run.instances.start", PROJECT, ABSENT,
     V1 "Instances.StartInstance"},
    {"POST", RUN "instances/{instance}:stop", "run.instances.stop", PROJECT, ABSENT,
     V1 "Instances.StopInstance"},
    ABSENT_ROWS(DOMAINS, "domainmappings", "{domainmapping}", "run.routes", "DomainMappings"),
    ABSENT_ROWS(LOCATION "/", "domainmappings", "{domainmapping}", "run.routes", "DomainMappings"),
    {"GET", DOMAINS "authorizeddomains", "run.routes.list", PROJECT, ABSENT,
     V1 "AuthorizedDomains.ListAuthorizedDomains"},
    {"GET", LOCATION "/authorizeddomains", "run.routes.list", PROJECT, ABSENT,
     V1 "AuthorizedDomains.ListAuthorizedDomains"},
    {"GET", "/v1/projects/{project}/authorizeddomains", "run.routes.list", PROJECT, ABSENT,
     V1 "AuthorizedDomains.ListAuthorizedDomains"},
    ABSENT_POLICY("jobs", "{job}", "run.jobs", "Jobs"),
    ABSENT_POLICY("workerpools", "{workerpool}", "run.workerpools", "WorkerPools"),
    ABSENT_POLICY("instances", "{instance}", "run.instances", "Instances"),
};
const size_t run_v1_route_count = sizeof(run_v1_routes) / sizeof(run_v1_routes[0]);
