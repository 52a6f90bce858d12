/* serviceusage.googleapis.com/v1: every API that we have is enabled, always. */
#include "control/api/serviceusage.h"

#include "control/call/call.h"
#include "control/record/projects.h"

static const struct {
    const char *name, *title;
} apis[] = {
    {"cloudresourcemanager.googleapis.com", "Resource Manager"},
    {"iam.googleapis.com", "Identity and Access Management"},
    {"iamcredentials.googleapis.com", "IAM Service Account Credentials"},
    {"logging.googleapis.com", "Logging"},
    {"orgpolicy.googleapis.com", "Organization Policy"},
    {"run.googleapis.com", "Run Admin"},
    {"serviceusage.googleapis.com", "Service Usage"},
};
enum { API_COUNT = sizeof(apis) / sizeof(apis[0]) };

/* A name for the usual ones together: `gcloud projects create` enables it last. */
static const char bundle[] = "cloudapis.googleapis.com";

/* NULL: there is no such API here. */
static const char *title_of(const char *name)
{
    for (size_t i = 0; i < API_COUNT; i++) {
        if (strcmp(apis[i].name, name) == 0) {
            return apis[i].title;
        }
    }
    return NULL;
}

static bool known(const char *name)
{
    return title_of(name) != NULL;
}

static json_t *service_json(struct api_call *call, const char *api, const char *state)
{
    const char *number = project_number(call->control, &call->arena, api_param(call, "project"));
    const char *title = known(api) ? title_of(api) : "";
    const char *parent = arena_printf(&call->arena, "projects/%s", number == NULL ? "-" : number);
    return json_pack("{s:o, s:s, s:{s:s, s:s}, s:s}", "name",
                     json_string(arena_printf(&call->arena, "%s/services/%s", parent, api)),
                     "parent", parent, "config", "name", api, "title", title, "state", state);
}

static void services_get(struct api_call *call)
{
    const char *api = api_param(call, "api");
    api_reply(call, service_json(call, api, known(api) ? "ENABLED" : "DISABLED"));
}

static void services_list(struct api_call *call)
{
    json_t *list = json_array();
    const char *filter = api_query(call, "filter");
    bool disabled_only = filter != NULL && strstr(filter, "DISABLED") != NULL;
    for (size_t i = 0; i < API_COUNT && !disabled_only; i++) {
        json_array_append_new(list, service_json(call, apis[i].name, "ENABLED"));
    }
    api_reply(call, json_pack("{s:o}", "services", list));
}

static bool enable_one(const char *api, struct error *err)
{
    return known(api) || strcmp(api, bundle) == 0 ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "The API %.100s does not exist in Homerun, so it cannot be enabled.", api);
}

static void services_enable(struct api_call *call)
{
    struct error err;
    const char *api = api_param(call, "api");
    if (!enable_one(api, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call,
              json_pack("{s:s, s:b, s:{s:o}}", "name", "operations/noop.DONE_OPERATION", "done", 1,
                        "response", "service", service_json(call, api, "ENABLED")));
}

static void services_batch_enable(struct api_call *call)
{
    struct error err;
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(call->body, "serviceIds"), i, one)
    {
        if (!enable_one(json_string_value(one), &err)) {
            api_fail(call, &err);
            return;
        }
    }
    api_reply(call, json_pack("{s:s, s:b, s:{}}", "name", "operations/noop.DONE_OPERATION", "done",
                              1, "response"));
}

static const struct field batch_fields[] = {
    {.name = "parent", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "serviceIds", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};

#define ON     "projects/{project}"
#define METHOD "google.api.serviceusage.v1.ServiceUsage."

const struct api_route serviceusage_routes[] = {
    {"GET", "/v1/projects/{project}/services", "serviceusage.services.list", ON, 0, services_list,
     METHOD "ListServices"},
    {"GET", "/v1/projects/{project}/services/{api}", "serviceusage.services.get", ON, 0,
     services_get, METHOD "GetService"},
    {"POST", "/v1/projects/{project}/services/{api}:enable", "serviceusage.services.enable", ON, 0,
     services_enable, METHOD "EnableService", api_no_fields},
    {"POST", "/v1/projects/{project}/services/{api}:disable", "serviceusage.services.disable", ON,
     0, NULL, METHOD "DisableService"},
    {"POST", "/v1/projects/{project}/services:batchEnable", "serviceusage.services.enable", ON, 0,
     services_batch_enable, METHOD "BatchEnableServices", batch_fields},
};
const size_t serviceusage_route_count =
    sizeof(serviceusage_routes) / sizeof(serviceusage_routes[0]);
