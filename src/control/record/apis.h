/*
 * Which of Google's APIs a project has switched on. Those that are here are on until they are
 * switched off; any other name is kept, so that a configuration that needs them can be applied.
 */
#pragma once

#include "control/control.h"

struct project_api {
    const char *name;  /* "run.googleapis.com" */
    const char *title; /* "" for what is not here */
    bool enabled;
};

/* Whether a name can be one of an API: labels and dots, at most 253 bytes. */
bool api_name_valid(const char *name, struct error *err);
/* The state of NAME in the project. In ARENA. */
struct project_api project_api(struct control *control, struct arena *arena, const char *project,
                               const char *name);
/* All that are here, and all that were ever switched in the project, by name. False only if the
 * record fails. */
bool project_apis(struct control *control, struct arena *arena, const char *project,
                  struct project_api **out, size_t *count, struct error *err);
/* Switches NAME, in the running change. */
bool project_api_set(struct control *control, struct arena *arena, const char *project,
                     const char *name, bool enabled, struct error *err);
