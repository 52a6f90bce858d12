/* A service as model/ works with it, from its place in the record. */
#pragma once

#include "control/control.h"
#include "model/service.h"

/* Who a service is, from its key ("projects/P/locations/L/services/S"): all but doc and version.
 * False if its project is gone. */
bool service_view_find(struct control *control, struct arena *arena, const char *key,
                       struct service_view *out);
