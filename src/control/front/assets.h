/*
 * The console's files, embedded in the program: made by console/build.mjs, or none where the
 * console was not built.
 */
#pragma once

#include <stddef.h>

struct console_form {
    const unsigned char *data; /* NULL: there is no such form */
    size_t size;
};

struct console_asset {
    const char *name; /* "app.js": the path behind /console/ */
    const char *type; /* content type */
    const char *etag; /* strong: of the content, with its quotes */
    struct console_form plain, gzip, brotli;
};

/* Ends with a row without a name. */
extern const struct console_asset console_assets[];
