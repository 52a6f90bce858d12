/* Which backends there are. */
#include "engine/backend.h"

static const struct {
    const char *name;
    const struct engine_backend *backend;
} backends[] = {
    {"auto", &container_backend},
    {"process", &process_backend},
    {"oci", &container_backend},
    {"kubernetes", &kubernetes_backend},
};

const struct engine_backend *backend_find(const char *name, struct error *err)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i].name, name) != 0) {
            continue;
        }
        return backends[i].backend;
    }
    error_set(err, STATUS_INVALID_ARGUMENT,
              "there is no engine '%s': auto, process, oci or kubernetes", name);
    return NULL;
}
