/* Projects in the record (the questions about them are in api.h). */
#pragma once

#include "control/api.h"

/* Puts a project and its number, in the running change. PARENT: "organizations/N" or "folders/N".
 */
bool project_put(struct control *control, struct arena *arena, const char *id, const char *number,
                 const char *name, const char *parent, const char *create_time, struct error *err);
