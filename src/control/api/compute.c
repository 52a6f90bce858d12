/*
 * compute.googleapis.com/v1, as far as a project's default network is concerned: Terraform asks for
 * it, to delete it. No project here has one, and a caller who may see the project is told so. All
 * else of that API is absent (front/absent.c).
 */
#include "control/api/compute.h"

#include "control/call/call.h"

static void network_absent(struct api_call *call)
{
    struct error err;
    error_set(&err, STATUS_NOT_FOUND,
              "The resource 'projects/%s/global/networks/%s' was not found: Homerun has no "
              "networks.",
              api_param(call, "project"), api_param(call, "network"));
    api_fail(call, &err);
}

static void list_empty(struct api_call *call)
{
    api_reply(call, json_pack("{s:[]}", "items"));
}

#define GLOBAL "/compute/v1/projects/{project}/global/"
#define MAY    "resourcemanager.projects.get", "projects/{project}"
#define METHOD "google.cloud.compute.v1."

const struct api_route compute_routes[] = {
    {"GET", GLOBAL "networks", MAY, 0, list_empty, METHOD "Networks.List"},
    {"GET", GLOBAL "networks/{network}", MAY, 0, network_absent, METHOD "Networks.Get"},
    {"DELETE", GLOBAL "networks/{network}", MAY, 0, network_absent, METHOD "Networks.Delete"},
    {"POST", GLOBAL "networks", MAY, 0, NULL, METHOD "Networks.Insert"},
    {"GET", GLOBAL "firewalls", MAY, 0, list_empty, METHOD "Firewalls.List"},
    {"POST", GLOBAL "firewalls", MAY, 0, NULL, METHOD "Firewalls.Insert"},
};
const size_t compute_route_count = sizeof(compute_routes) / sizeof(compute_routes[0]);
