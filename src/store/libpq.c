#include "store/libpq.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

const struct libpq *libpq_load(struct error *err)
{
    static struct libpq library;
    static bool loaded;
    static const struct {
        const char *symbol;
        size_t offset;
    } functions[] = {
#define LIBPQ_ROW(name, symbol) {#symbol, offsetof(struct libpq, name)},
        LIBPQ_FUNCTIONS(LIBPQ_ROW)
#undef LIBPQ_ROW
    };
    if (loaded) {
        return &library;
    }
    void *handle = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; handle != NULL && i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *symbol = dlsym(handle, functions[i].symbol);
        if (symbol == NULL) {
            error_set(err, STATUS_FAILED_PRECONDITION,
                      "libpq.so.5 is too old: it has no %s; version 14 or newer is needed",
                      functions[i].symbol);
            return NULL;
        }
        memcpy((char *)&library + functions[i].offset, &symbol, sizeof(symbol));
    }
    if (handle == NULL) {
        error_set(err, STATUS_FAILED_PRECONDITION,
                  "a record on PostgreSQL needs libpq, which is not installed: `apt-get install "
                  "libpq5`");
        return NULL;
    }
    loaded = true;
    return &library;
}
