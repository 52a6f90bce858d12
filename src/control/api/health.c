#include "control/api/health.h"

#include "base/memory.h"
#include "control/call/call.h"
#include "control/publish/nodes.h"
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

/* Control listens only when it can answer, so every answer means that it is healthy. A node of a
 * cluster that is cut off, or is to be left alone, says so: for balancers, which look at the
 * status. */
static void health_check(struct api_call *call)
{
    struct error err;
    const char *service = api_query(call, "service");
    if (service != NULL && service[0] != '\0' && !is_service(slice_of(service))) {
        error_set(&err, STATUS_NOT_FOUND, "There is no service %.200s.", service);
        api_fail(call, &err);
        return;
    }
    bool serves = nodes_is_healthy(call->control);
    api_reply_status(call, serves ? 200 : 503,
                     json_pack("{ss}", "status", serves ? "SERVING" : "NOT_SERVING"));
}

enum { WATCHES_MAX = 64, WATCH_LOOK_MS = 500 };

struct watch {
    struct api_call *call;
    uv_timer_t timer;
    bool serves; /* what was said last */
};

/* Control is one thread: no locks. */
static unsigned watches;

static void free_watch(uv_handle_t *handle)
{
    free(handle->data);
}

static void watch_left(struct api_call *call)
{
    struct watch *watch = call->user;
    watches--;
    uv_close((uv_handle_t *)&watch->timer, free_watch);
    api_end(call);
}

/* True while the client is there. */
static bool watch_say(struct watch *watch, const char *status)
{
    auto_json *said = json_pack("{ss}", "status", status);
    watch->call->transport->part(watch->call, said);
    if (watch->call->exchange == NULL) {
        watch_left(watch->call);
        return false;
    }
    return true;
}

static void watch_look(uv_timer_t *timer)
{
    struct watch *watch = timer->data;
    bool serves = nodes_is_healthy(watch->call->control);
    if (watch->call->exchange == NULL) {
        watch_left(watch->call);
    } else if (serves != watch->serves && !watch->call->congested) {
        watch->serves = serves;
        watch_say(watch, serves ? "SERVING" : "NOT_SERVING");
    }
}

/* Says it at once, and again whenever it changes, until the client leaves. A service that is not
 * known will not come: of it nothing more is said. */
static void health_watch(struct api_call *call)
{
    struct error err = {0};
    const char *service = api_query(call, "service");
    bool known = service == NULL || service[0] == '\0' || is_service(slice_of(service));
    if (call->transport == NULL) {
        error_set(&err, STATUS_UNIMPLEMENTED,
                  "Health is watched by gRPC alone. /homerun/v1/health says what it is now.");
        api_fail(call, &err);
        return;
    }
    if (watches >= WATCHES_MAX) {
        error_set(&err, STATUS_RESOURCE_EXHAUSTED,
                  "%d clients watch the health, the most there may be. Ask by Check.", WATCHES_MAX);
        api_fail(call, &err);
        return;
    }
    struct watch *watch = mem_new(struct watch);
    watch->call = call;
    watch->serves = nodes_is_healthy(call->control);
    watches++;
    call->user = watch;
    call->on_left = watch_left;
    uv_timer_init(call->control->loop, &watch->timer);
    watch->timer.data = watch;
    uv_unref((uv_handle_t *)&watch->timer);
    const char *status = watch->serves ? "SERVING" : "NOT_SERVING";
    if (watch_say(watch, known ? status : "SERVICE_UNKNOWN") && known) {
        uv_timer_start(&watch->timer, watch_look, WATCH_LOOK_MS, WATCH_LOOK_MS);
    }
}

const struct api_route health_routes[] = {
    {"GET", "/homerun/v1/health", NULL, NULL, API_ANONYMOUS | API_NO_BODY | API_CUT_OFF_TOO,
     health_check, "grpc.health.v1.Health.Check"},
    {"GET", "/homerun/v1/health:watch", NULL, NULL, API_ANONYMOUS | API_NO_BODY | API_CUT_OFF_TOO,
     health_watch, "grpc.health.v1.Health.Watch"},
};
const size_t health_route_count = sizeof(health_routes) / sizeof(health_routes[0]);
