#include "control/record/service_view.h"

#include "control/record/projects.h"

bool service_view_find(struct control *control, struct arena *arena, const char *key,
                       struct service_view *out)
{
    struct slice left = slice_of(key);
    struct slice parts[6];
    for (size_t i = 0; i < 6; i++) {
        if (!slice_cut(&left, '/', &parts[i])) {
            return false;
        }
    }
    *out = (struct service_view){
        .project = arena_string(arena, parts[1]),
        .region = arena_string(arena, parts[3]),
        .name = arena_string(arena, parts[5]),
        .domain = control->settings.domain,
        .https_port = control->settings.https_port,
    };
    out->project_number = project_number(control, arena, out->project);
    return out->project_number != NULL;
}
