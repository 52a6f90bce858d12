/*
 * Terraform asks for a project's billing account whenever it reads a project, and fails if nobody
 * answers. There is none.
 */
#include "control/api/cloudbilling.h"

#include "control/call/call.h"

static void billing_info_get(struct api_call *call)
{
    const char *project = api_param(call, "project");
    const char *name = arena_printf(&call->arena, "projects/%s/billingInfo", project);
    api_reply(call, json_pack("{ss ss ss sb}", "name", name, "projectId", project,
                              "billingAccountName", "", "billingEnabled", 0));
}

const struct api_route cloudbilling_routes[] = {
    {"GET", "/v1/projects/{project}/billingInfo", "resourcemanager.projects.get",
     "projects/{project}", API_NO_BODY, billing_info_get,
     "google.cloud.billing.v1.CloudBilling.GetProjectBillingInfo"},
};
const size_t cloudbilling_route_count =
    sizeof(cloudbilling_routes) / sizeof(cloudbilling_routes[0]);
