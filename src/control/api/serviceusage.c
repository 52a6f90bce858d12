/*
 * serviceusage.googleapis.com/v1: which APIs a project has switched on (record/apis.h). Where Cloud
 * Run is switched off, its admin API refuses; what is not here has no effect.
 */
#include "control/api/serviceusage.h"

#include "control/access/orgpolicy.h"
#include "control/api/crm_operation.h"
#include "control/call/paging.h"
#include "control/record/apis.h"
#include "control/record/projects.h"

enum { PAGE_MAX = 200, BATCH_MAX = 20 };

static const char type_prefix[] = "google.api.serviceusage.v1.";

static json_t *service_json(struct api_call *call, const struct project_api *api)
{
    const char *number = project_number(call->control, &call->arena, api_param(call, "project"));
    const char *parent = arena_printf(&call->arena, "projects/%s", number == NULL ? "-" : number);
    return json_pack("{s:o, s:s, s:{s:s, s:s}, s:s}", "name",
                     json_string(arena_printf(&call->arena, "%s/services/%s", parent, api->name)),
                     "parent", parent, "config", "name", api->name, "title", api->title, "state",
                     api->enabled ? "ENABLED" : "DISABLED");
}

static json_t *one_json(struct api_call *call, const char *name)
{
    struct project_api api =
        project_api(call->control, &call->arena, api_param(call, "project"), name);
    return service_json(call, &api);
}

static void services_get(struct api_call *call)
{
    struct error err;
    const char *name = api_param(call, "api");
    if (!api_name_valid(name, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, one_json(call, name));
}

/* "state:ENABLED", "state:DISABLED", or nothing; no other filter is known. */
static bool read_filter(struct api_call *call, const char **state, struct error *err)
{
    const char *filter = api_query(call, "filter");
    *state = filter == NULL || filter[0] == '\0'         ? NULL
             : strcasecmp(filter, "state:ENABLED") == 0  ? "ENABLED"
             : strcasecmp(filter, "state:DISABLED") == 0 ? "DISABLED"
                                                         : "";
    return *state == NULL || (*state)[0] != '\0' ||
           error_field(err, "filter", "The filter is state:ENABLED or state:DISABLED.");
}

static void services_list(struct api_call *call)
{
    struct error err = {0};
    struct paging paging;
    struct project_api *apis;
    size_t count;
    const char *state;
    if (!read_filter(call, &state, &err) || !paging_init(&paging, call, PAGE_MAX, PAGE_MAX, &err) ||
        !project_apis(call->control, &call->arena, api_param(call, "project"), &apis, &count,
                      &err)) {
        api_fail(call, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        bool wanted = state == NULL || strcmp(state, apis[i].enabled ? "ENABLED" : "DISABLED") == 0;
        enum paging_step step = wanted ? paging_step(&paging, apis[i].name) : PAGING_SKIP;
        if (step == PAGING_STOP) {
            break;
        }
        if (step == PAGING_TAKE) {
            json_array_append_new(list, service_json(call, &apis[i]));
        }
    }
    json_t *answer = json_pack("{s:o}", "services", list);
    paging_put(&paging, answer);
    api_reply(call, answer);
}

static bool switch_in(struct api_call *call, const json_t *names, bool on, struct error *err)
{
    const char *project = api_param(call, "project");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!api_name_valid(name, err) ||
            (on &&
             !orgpolicy_check_value(call, "serviceuser.services",
                                    api_expand(call, "projects/{project}"), slice_of(name), err)) ||
            !project_api_set(call->control, &call->arena, project, name, on, err)) {
            return false;
        }
    }
    return true;
}

/* Switches NAMES, all or none. WHAT: of the operation's result. */
static bool switch_all(struct api_call *call, const json_t *names, bool on, const char *what,
                       json_t **operation, struct error *err)
{
    const char *node = api_expand(call, "projects/{project}");
    auto_change *change = api_change(call, err);
    if (change == NULL || !switch_in(call, names, on, err)) {
        return false;
    }
    bool batch = strcmp(what, "BatchEnableServicesResponse") == 0;
    auto_json *response = json_object();
    auto_json *list = json_array();
    for (size_t i = 0; i < json_array_size(names); i++) {
        json_array_append_new(list, one_json(call, json_string_value(json_array_get(names, i))));
    }
    json_object_set(response, batch ? "services" : "service",
                    batch ? list : json_array_get(list, 0));
    return change_audit(change, node, on ? "enable-api" : "disable-api", NULL, names, err) &&
           crm_operation_new(call, arena_printf(&call->arena, "%s%s", type_prefix, what), response,
                             operation, err) &&
           change_commit(&change, err);
}

static void switch_and_answer(struct api_call *call, const json_t *names, bool on, const char *what)
{
    struct error err = {0};
    json_t *operation = NULL;
    if (!switch_all(call, names, on, what, &operation, &err)) {
        json_decref(operation);
        orgpolicy_fail(call, &err);
        return;
    }
    api_reply(call, operation);
}

static void services_enable(struct api_call *call)
{
    auto_json *names = json_pack("[s]", api_param(call, "api"));
    switch_and_answer(call, names, true, "EnableServiceResponse");
}

static void services_disable(struct api_call *call)
{
    auto_json *names = json_pack("[s]", api_param(call, "api"));
    switch_and_answer(call, names, false, "DisableServiceResponse");
}

static void services_batch_enable(struct api_call *call)
{
    struct error err;
    auto_json *names = json_incref(json_object_get(call->body, "serviceIds"));
    if (json_array_size(names) > BATCH_MAX) {
        error_field(&err, "serviceIds", "At most %d APIs can be enabled at once.", BATCH_MAX);
        api_fail(call, &err);
        return;
    }
    switch_and_answer(call, names, true, "BatchEnableServicesResponse");
}

static const struct field batch_fields[] = {
    {.name = "parent", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "serviceIds", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};

/* Nothing here depends on another API, nor is usage counted: neither has anything to decide. */
static const struct field disable_fields[] = {
    {.name = "disableDependentServices", .kind = FIELD_BOOL},
    {.name = "checkIfServiceHasUsage", .kind = FIELD_STRING},
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
     0, services_disable, METHOD "DisableService", disable_fields},
    {"POST", "/v1/projects/{project}/services:batchEnable", "serviceusage.services.enable", ON, 0,
     services_batch_enable, METHOD "BatchEnableServices", batch_fields},
};
const size_t serviceusage_route_count =
    sizeof(serviceusage_routes) / sizeof(serviceusage_routes[0]);
