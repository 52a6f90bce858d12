/* Which backends there are. */
#include "engine/backend.h"

static const struct {
    const char *name;
    const struct engine_backend *backend; /* NULL: known, but not in this version */
} backends[] = {
    {"auto", &container_backend},
    {"process", &process_backend},
    {"oci", &container_backend},
    {"kubernetes", NULL},
};

const struct engine_backend *backend_find(const char *name, struct error *err)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i].name, name) != 0) {
            continue;
        }
        if (backends[i].backend == NULL) {
            error_set(err, STATUS_UNIMPLEMENTED, "engine '%s' is not built into this version",
                      name);
        }
        return backends[i].backend;
    }
    error_set(err, STATUS_INVALID_ARGUMENT,
              "there is no engine '%s': auto, process, oci or kubernetes", name);
    return NULL;
}
