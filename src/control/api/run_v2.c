/*
 * The rows of Cloud Run's v2 API. Every method of the API has one; what is not done here answers
 * 501 by name.
 */
#include "control/api/run_v2.h"

#include "control/access/iam_policy.h"
#include "control/api/operations.h"

#define LOCATION   "/v2/projects/{project}/locations/{region}"
#define PROJECT    "projects/{project}"
#define SERVICE    "projects/{project}/locations/{region}/services/{service}"
#define SERVICES   LOCATION "/services"
#define REVISIONS  SERVICES "/{service}/revisions"
#define OPERATIONS LOCATION "/operations"
#define V2         "google.cloud.run.v2."

#define ABSENT(verb, path, permission, method)                                                     \
    {                                                                                              \
        verb, LOCATION path, permission, PROJECT, API_NO_BODY, NULL, V2 method                     \
    }
#define ABSENT_RESOURCE(plural, id, permission, name)                                              \
    ABSENT("POST", "/" plural, permission ".create", name "s.Create" name),                        \
        ABSENT("GET", "/" plural, permission ".list", name "s.List" name "s"),                     \
        ABSENT("GET", "/" plural "/" id, permission ".get", name "s.Get" name),                    \
        ABSENT("PATCH", "/" plural "/" id, permission ".update", name "s.Update" name),            \
        ABSENT("DELETE", "/" plural "/" id, permission ".delete", name "s.Delete" name)
#define ABSENT_POLICY(plural, id, permission, name)                                                \
    ABSENT("GET", "/" plural "/" id ":getIamPolicy", permission ".getIamPolicy",                   \
           name "s.GetIamPolicy"),                                                                 \
        ABSENT("POST", "/" plural "/" id ":setIamPolicy", permission ".setIamPolicy",              \
               name "s.SetIamPolicy"),                                                             \
        ABSENT("POST", "/" plural "/" id ":testIamPermissions", permission ".getIamPolicy",        \
               name "s.TestIamPermissions")

#define JOB       "/jobs/{job}"
#define EXECUTION JOB "/executions/{execution}"
#define POOL      "/workerPools/{workerPool}"

const struct api_route run_v2_routes[] = {
    /* services */
    {"POST", SERVICES, "run.services.create", PROJECT, API_VALIDATE_ONLY, v2_service_create,
     V2 "Services.CreateService"},
    {"GET", SERVICES, "run.services.list", PROJECT, API_NO_BODY, v2_service_list,
     V2 "Services.ListServices"},
    {"GET", SERVICES "/{service}", "run.services.get", SERVICE, API_NO_BODY, v2_service_get,
     V2 "Services.GetService"},
    {"PATCH", SERVICES "/{service}", "run.services.update", SERVICE, API_VALIDATE_ONLY,
     v2_service_patch, V2 "Services.UpdateService"},
    {"DELETE", SERVICES "/{service}", "run.services.delete", SERVICE,
     API_NO_BODY | API_VALIDATE_ONLY, v2_service_delete, V2 "Services.DeleteService"},
    {"GET", SERVICES "/{service}:getIamPolicy", "run.services.getIamPolicy", SERVICE, API_NO_BODY,
     iam_get_policy, V2 "Services.GetIamPolicy"},
    {"POST", SERVICES "/{service}:setIamPolicy", "run.services.setIamPolicy", SERVICE, 0,
     iam_set_policy, V2 "Services.SetIamPolicy"},
    {"POST", SERVICES "/{service}:testIamPermissions", NULL, SERVICE, API_SELF_CHECKED,
     iam_test_permissions, V2 "Services.TestIamPermissions", .why = API_WHY_TEST},

    /* revisions */
    {"GET", REVISIONS, "run.revisions.list", PROJECT, API_NO_BODY, v2_revision_list,
     V2 "Revisions.ListRevisions"},
    {"GET", REVISIONS "/{revision}", "run.revisions.get", PROJECT, API_NO_BODY, v2_revision_get,
     V2 "Revisions.GetRevision"},
    {"DELETE", REVISIONS "/{revision}", "run.revisions.delete", PROJECT,
     API_NO_BODY | API_VALIDATE_ONLY, v2_revision_delete, V2 "Revisions.DeleteRevision"},

    /* operations */
    {"GET", OPERATIONS, "run.operations.list", PROJECT, API_NO_BODY, operation_list,
     "google.longrunning.Operations.ListOperations"},
    {"GET", OPERATIONS "/{operation}", "run.operations.get", PROJECT, API_NO_BODY, operation_get,
     "google.longrunning.Operations.GetOperation"},
    {"POST", OPERATIONS "/{operation}:wait", "run.operations.get", PROJECT, 0, operation_wait,
     "google.longrunning.Operations.WaitOperation", api_wait_fields},
    {"DELETE", OPERATIONS "/{operation}", "run.operations.delete", PROJECT, API_NO_BODY,
     operation_delete, "google.longrunning.Operations.DeleteOperation"},

    /* known, and not done here: 501 by name */
    ABSENT_RESOURCE("jobs", "{job}", "run.jobs", "Job"),
    ABSENT_POLICY("jobs", "{job}", "run.jobs", "Job"),
    ABSENT("POST", JOB ":run", "run.jobs.run", "Jobs.RunJob"),
    ABSENT("GET", JOB "/executions", "run.executions.list", "Executions.ListExecutions"),
    ABSENT("GET", EXECUTION, "run.executions.get", "Executions.GetExecution"),
    ABSENT("DELETE", EXECUTION, "run.executions.delete", "Executions.DeleteExecution"),
    ABSENT("POST", EXECUTION ":cancel", "run.executions.cancel", "Executions.CancelExecution"),
    ABSENT("GET", EXECUTION "/{operation}:exportStatus", "run.executions.get",
           "Executions.ExportStatus"),
    ABSENT("GET", EXECUTION "/tasks", "run.tasks.list", "Tasks.ListTasks"),
    ABSENT("GET", EXECUTION "/tasks/{task}", "run.tasks.get", "Tasks.GetTask"),
    ABSENT_RESOURCE("workerPools", "{workerPool}", "run.workerpools", "WorkerPool"),
    ABSENT_POLICY("workerPools", "{workerPool}", "run.workerpools", "WorkerPool"),
    ABSENT("GET", POOL "/revisions", "run.revisions.list", "Revisions.ListWorkerPoolRevisions"),
    ABSENT("GET", POOL "/revisions/{revision}", "run.revisions.get",
           "Revisions.GetWorkerPoolRevision"),
    ABSENT("DELETE", POOL "/revisions/{revision}", "run.revisions.delete",
           "Revisions.DeleteWorkerPoolRevision"),
    ABSENT_RESOURCE("instances", "{instance}", "run.instances", "Instance"),
    ABSENT("POST", "/instances/{instance}:start", "run.instances.start", "Instances.StartInstance"),
    ABSENT("POST", "/instances/{instance}:stop", "run.instances.stop", "Instances.StopInstance"),
    ABSENT("POST", "/builds:submit", "run.services.create", "Builds.SubmitBuild"),
    ABSENT("GET", "/services/{service}/revisions/{revision}/{operation}:exportStatus",
           "run.revisions.get", "Revisions.ExportStatus"),
    ABSENT("POST", "/{image}:exportImage", "run.revisions.get", "Locations.ExportImage"),
    ABSENT("GET", "/{image}:exportImageMetadata", "run.revisions.get",
           "Locations.ExportImageMetadata"),
    ABSENT("GET", "/{image}:exportMetadata", "run.revisions.get", "Locations.ExportMetadata"),
    ABSENT("GET", ":exportProjectMetadata", "run.revisions.get", "Locations.ExportProjectMetadata"),
};
const size_t run_v2_route_count = sizeof(run_v2_routes) / sizeof(run_v2_routes[0]);
