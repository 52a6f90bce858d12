#include "control/record/service_view.h"

#include "control/record/projects.h"
#include "model/resource_name.h"

bool service_view_find(struct control *control, struct arena *arena, const char *key,
                       struct service_view *out)
{
    struct resource_name name;
    if (!resource_name_read(arena, slice_of(key), &name) || name.service == NULL) {
        return false;
    }
    *out = (struct service_view){
        .project = name.project,
        .region = name.location,
        .name = name.service,
        .domain = control->settings.domain,
        .https_port = control->settings.https_port,
    };
    out->project_number = project_number(control, arena, out->project);
    return out->project_number != NULL;
}
