/*
 * What v1 shows in a specification that says little: Cloud Run's defaults, where a client that sent
 * nothing expects some. Annotations and labels get none: a client that wrote some of them would
 * take another one for a change.
 */
#include "model/service_tables.h"

json_t *service_v1_template_shown(const struct service_view *view)
{
    static const char *const filled[] = {"timeout", "maxInstanceRequestConcurrency", "containers",
                                         NULL};
    const json_t *template = json_object_get(view->doc, "template");
    json_t *shown = json_copy(json_lend(template));
    auto_json *full = template_with_defaults(template);
    for (size_t i = 0; filled[i] != NULL; i++) {
        json_object_set(shown, filled[i], json_object_get(full, filled[i]));
    }
    size_t i;
    json_t *container;
    json_array_foreach(json_object_get(shown, "containers"), i, container)
    {
        const json_t *sent = json_array_get(json_object_get(template, "containers"), i);
        json_t *limits = json_at(sent, "resources.limits");
        if (json_object_size(limits) > 0) {
            json_put(container, "resources.limits", json_incref(limits)); /* and no others */
        }
    }
    if (json_text_or(shown, "serviceAccount", "")[0] == '\0') {
        char account[128];
        snprintf(account, sizeof(account), "%s-compute@developer.gserviceaccount.com",
                 view->project_number);
        json_object_set_new(shown, "serviceAccount", json_string(account));
    }
    return shown;
}
