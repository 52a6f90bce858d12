#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http;
} codes[] = {
    [STATUS_OK] = {"OK", 200},
    [STATUS_CANCELLED] = {"CANCELLED", 499},
    [STATUS_UNKNOWN] = {"UNKNOWN", 500},
    [STATUS_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", 400},
    [STATUS_DEADLINE_EXCEEDED] = {"DEADLINE_EXCEEDED", 504},
    [STATUS_NOT_FOUND] = {"NOT_FOUND", 404},
    [STATUS_ALREADY_EXISTS] = {"ALREADY_EXISTS", 409},
    [STATUS_PERMISSION_DENIED] = {"PERMISSION_DENIED", 403},
    [STATUS_RESOURCE_EXHAUSTED] = {"RESOURCE_EXHAUSTED", 429},
    [STATUS_FAILED_PRECONDITION] = {"FAILED_PRECONDITION", 400},
    [STATUS_ABORTED] = {"ABORTED", 409},
    [STATUS_OUT_OF_RANGE] = {"OUT_OF_RANGE", 400},
    [STATUS_UNIMPLEMENTED] = {"UNIMPLEMENTED", 501},
    [STATUS_INTERNAL] = {"INTERNAL", 500},
    [STATUS_UNAVAILABLE] = {"UNAVAILABLE", 503},
    [STATUS_DATA_LOSS] = {"DATA_LOSS", 500},
    [STATUS_UNAUTHENTICATED] = {"UNAUTHENTICATED", 401},
};

const char *status_name(enum status status)
{
    return codes[status].name;
}

int status_http(enum status status)
{
    return codes[status].http;
}

bool status_find(const char *name, enum status *out)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i].name, name) == 0) {
            *out = (enum status)i;
            return true;
        }
    }
    return false;
}

__attribute__((format(printf, 3, 0))) static void put(struct error *err, enum status status,
                                                      const char *format, va_list args)
{
    err->status = status;
    err->field[0] = '\0';
    vsnprintf(err->text, sizeof(err->text), format, args);
}

bool error_set(struct error *err, enum status status, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        put(err, status, format, args);
        va_end(args);
    }
    return false;
}

bool error_field(struct error *err, const char *field, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        put(err, STATUS_INVALID_ARGUMENT, format, args);
        va_end(args);
        snprintf(err->field, sizeof(err->field), "%s", field);
    }
    return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
    if (err != NULL) {
        char what[256];
        char rest[sizeof(err->text) - sizeof(what) - 3]; /* the end of a long sentence goes */
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof(what), format, args);
        va_end(args);
        snprintf(rest, sizeof(rest), "%.*s", (int)sizeof(rest) - 1, err->text);
        snprintf(err->text, sizeof(err->text), "%s: %s", what, rest);
    }
    return false;
}

bool error_errno(struct error *err, const char *format, ...)
{
    int number = errno;
    if (err != NULL) {
        char what[512];
        char reason[128];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof(what), format, args);
        va_end(args);
        const char *text = strerror_r(number, reason, sizeof(reason));
        error_set(err, STATUS_INTERNAL, "%s: %s", what, text);
    }
    return false;
}
