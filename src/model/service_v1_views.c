/* Configurations and routes: views of a service that Knative's clients know as objects. */
#include "model/service.h"

static json_t *condition_named(const json_t *service, const char *type)
{
    size_t i;
    json_t *condition;
    json_array_foreach(json_at(service, "status.conditions"), i, condition)
    {
        if (strcmp(json_text_or(condition, "type", ""), type) == 0) {
            json_t *ready = json_deep_copy(condition);
            json_object_set_new(ready, "type", json_string("Ready"));
            return json_pack("[o]", ready);
        }
    }
    return json_array();
}

/* A view of SERVICE (v1, taken): what KIND keeps of spec and status, and its own condition as
 * Ready. */
static json_t *view_of(json_t *taken, const char *kind, const char *plural, const char *condition,
                       const char *const *spec, const char *const *status)
{
    auto_json *service = taken;
    json_t *view = json_pack("{ss ss sO s{} s{so}}", "apiVersion", "serving.knative.dev/v1", "kind",
                             kind, "metadata", json_object_get(service, "metadata"), "spec",
                             "status", "conditions", condition_named(service, condition));
    for (size_t i = 0; spec[i] != NULL; i++) {
        json_t *part = json_object_get(json_object_get(service, "spec"), spec[i]);
        json_object_set(json_object_get(view, "spec"), spec[i], part);
    }
    for (size_t i = 0; status[i] != NULL; i++) {
        json_t *part = json_object_get(json_object_get(service, "status"), status[i]);
        if (part != NULL) {
            json_object_set(json_object_get(view, "status"), status[i], part);
        }
    }
    const char *link = json_text_or(service, "metadata.selfLink", "");
    const char *at = strstr(link, "/services/");
    if (at != NULL) {
        char text[512];
        snprintf(text, sizeof(text), "%.*s/%s/%s", (int)(at - link), link, plural,
                 at + strlen("/services/"));
        json_put(view, "metadata.selfLink", json_string(text));
    }
    return view;
}

json_t *configuration_to_v1(struct arena *arena, const struct service_view *view)
{
    static const char *const spec[] = {"template", NULL};
    static const char *const status[] = {"observedGeneration", "latestCreatedRevisionName",
                                         "latestReadyRevisionName", NULL};
    return view_of(service_to_v1(arena, view), "Configuration", "configurations",
                   "ConfigurationsReady", spec, status);
}

json_t *route_to_v1(struct arena *arena, const struct service_view *view)
{
    static const char *const spec[] = {"traffic", NULL};
    static const char *const status[] = {"observedGeneration", "traffic", "url", "address", NULL};
    return view_of(service_to_v1(arena, view), "Route", "routes", "RoutesReady", spec, status);
}
