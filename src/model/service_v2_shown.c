/*
 * What v2 shows of a service that says little: the values of Cloud Run's defaults, where a client
 * that sent nothing expects some, and nowhere else (a client that compares what it sent with what
 * it reads takes an invented value for somebody's change).
 */
#include "model/service_run.h"
#include "model/service_v2.h"

static void put_if_absent(json_t *object, const char *name, json_t *value)
{
    auto_json *taken = value;
    if (json_object_get(object, name) == NULL) {
        json_object_set(object, name, taken);
    }
}

/* RESOURCES stay as they were sent, but for the word that was left out. */
static void resources_show(json_t *container, const json_t *sent)
{
    json_t *resources = json_object_get(sent, "resources");
    if (resources != NULL) {
        json_object_set(container, "resources", resources);
    } else {
        resources = json_object_get(container, "resources");
    }
    put_if_absent(resources, "cpuIdle", json_true());
}

static json_t *template_show(const struct service_view *view)
{
    const struct field *table = revision_template_fields;
    const json_t *template = json_object_get(view->doc, "template");
    auto_json *sent = service_v2_copy(table, template, true);
    auto_json *full = template_with_defaults(template);
    json_t *shown = service_v2_copy(table, full, true);
    size_t i;
    json_t *container;
    json_array_foreach(json_object_get(shown, "containers"), i, container)
    {
        resources_show(container, json_array_get(json_object_get(sent, "containers"), i));
    }
    json_t *scaling = json_object_get(sent, "scaling");
    if (scaling != NULL) {
        json_object_set(shown, "scaling", scaling);
    }
    char account[128];
    snprintf(account, sizeof(account), "%s-compute@developer.gserviceaccount.com",
             view->project_number);
    put_if_absent(shown, "serviceAccount", json_string(account));
    return shown;
}

json_t *service_v2_shown(struct arena *arena, const struct service_view *view)
{
    (void)arena;
    json_t *shown = service_v2_copy(service_fields, view->doc, true);
    put_if_absent(shown, "ingress", json_string("INGRESS_TRAFFIC_ALL"));
    put_if_absent(shown, "launchStage", json_string("GA"));
    json_object_set_new(shown, "template", template_show(view));
    json_object_set_new(shown, "traffic", traffic_or_default(json_object_get(shown, "traffic")));
    return shown;
}

json_t *revision_v2_shown(const json_t *template)
{
    json_t *shown = service_v2_copy(revision_template_fields, template, true);
    size_t i;
    json_t *container;
    json_array_foreach(json_object_get(shown, "containers"), i, container)
    {
        put_if_absent(json_object_get(container, "resources"), "cpuIdle", json_true());
    }
    return shown;
}
