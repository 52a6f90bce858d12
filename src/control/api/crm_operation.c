#include "control/api/crm_operation.h"

#include "base/clock.h"
#include "base/random.h"

bool crm_operation_new(struct api_call *call, const char *type, const json_t *response,
                       json_t **answer, struct error *err)
{
    char digits[20];
    random_text(digits, 19, "123456789");
    const char *name = arena_printf(&call->arena, "operations/cp.%s", digits);
    json_t *typed =
        json_pack("{s:s}", "@type", arena_printf(&call->arena, "type.googleapis.com/%s", type));
    json_object_update(typed, (json_t *)(uintptr_t)response);
    auto_json *body =
        json_pack("{s:b, s:o, s:o}", "done", 1, "finishTime",
                  json_slice(time_text(&call->arena, clock_wall_us())), "response", typed);
    if (!store_put(call->control->store, STORE_OPERATION, name, body, NULL, NULL, err)) {
        return false;
    }
    *answer = json_pack("{s:s, s:b, s:O}", "name", name, "done", 1, "response", typed);
    return true;
}

bool crm_operation_commit(struct api_call *call, struct change **change, struct error *err)
{
    return api_query_flag(call, "validateOnly") || change_commit(change, err);
}

static void operations_get(struct api_call *call)
{
    struct error err;
    struct store_doc doc;
    const char *name = arena_printf(&call->arena, "operations/%s", api_param(call, "operation"));
    if (!store_load(call->control->store, STORE_OPERATION, name, &doc, &err,
                    "Operation '%s' was not found.", name)) {
        api_fail(call, &err);
        return;
    }
    auto_json *body = doc.body;
    api_reply(call, json_pack("{s:s, s:b, s:O}", "name", name, "done", 1, "response",
                              json_object_get(body, "response")));
}

/* A caller who was given the name of an operation may ask for it. */
const struct api_route crm_operation_routes[] = {
    {"GET", "/v1/operations/{operation}", NULL, NULL, API_SELF_CHECKED, operations_get,
     "google.longrunning.Operations.GetOperation", .why = API_WHY_NAME},
    {"GET", "/v3/operations/{operation}", NULL, NULL, API_SELF_CHECKED, operations_get,
     "google.longrunning.Operations.GetOperation", .why = API_WHY_NAME},
};
const size_t crm_operation_route_count =
    sizeof(crm_operation_routes) / sizeof(crm_operation_routes[0]);
