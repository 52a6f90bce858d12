/*
 * Inside of the room: v2's view of a document. Its fields are those of service_fields; what stands
 * there beside (fields that only v1 has, labels and annotations of the server's namespaces) is kept
 * but not shown.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "codec/codec.h"
#include "model/service.h"
#include "model/service_type.h"

/*
 * A copy of what TABLE knows of VALUE, without what is zero or empty: such a field is the same as
 * none. HIDE: also without labels and annotations of the server's namespaces.
 */
json_t *service_v2_copy(const struct field *table, const json_t *value, bool hide);

/* The service as v2 shows it, less what only the server writes: with Cloud Run's defaults. */
json_t *service_v2_shown(struct arena *arena, const struct service_view *view);
/* The template of a revision as v2 shows it: its defaults stand in the document already. */
json_t *revision_v2_shown(const json_t *template);

/* service_v2_status.c */
json_t *service_v2_conditions(struct arena *arena, const struct service *service);
json_t *service_v2_terminal_condition(const struct service *service);
json_t *service_v2_traffic_statuses(struct arena *arena, const struct service_view *view,
                                    const struct service *service);
json_t *revision_v2_conditions(const struct service *service, const char *name,
                               const struct revision *revision);
