#include "control/api/health.h"

#include "grpc/schema.h"

/* "google.cloud.run.v2.Services": one whose methods are known. */
static bool is_service(struct slice name)
{
    for (size_t i = 0; i < proto_method_count; i++) {
        struct slice left = slice_of(proto_methods[i].name), service;
        slice_cut(&left, '/', &service);
        if (slice_equal(service, name)) {
            return true;
        }
    }
    return false;
}

/* Control listens only when it can answer, so whoever gets an answer knows. */
static void health_check(struct api_call *call)
{
    struct error err;
    const char *service = api_query(call, "service");
    if (service != NULL && service[0] != '\0' && !is_service(slice_of(service))) {
        error_set(&err, STATUS_NOT_FOUND, "There is no service %.200s.", service);
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{ss}", "status", "SERVING"));
}

const struct api_route health_routes[] = {
    {"GET", "/homerun/v1/health", NULL, NULL, API_ANONYMOUS | API_NO_BODY, health_check,
     "grpc.health.v1.Health.Check"},
};
const size_t health_route_count = sizeof(health_routes) / sizeof(health_routes[0]);
