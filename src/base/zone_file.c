/* Names of zones are parts of a path, so that each letter of them is looked at first. */
#include "base/zone_file.h"

#include <unistd.h>

#include "base/file.h"

#define FOLDER "/usr/share/zoneinfo"

enum { NAME_MAX_BYTES = 64, FILE_MAX_BYTES = 64 * 1024 };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Parts of letters, digits, '_', '-' and '+' that begin with a capital letter: those of small
 * letters are the folder's own files. */
static bool is_zone_name(struct slice name)
{
    bool first = true;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (first ? !(c >= 'A' && c <= 'Z')
                  : !is_letter(c) && !(c >= '0' && c <= '9') && strchr("_-+/", c) == NULL) {
            return false;
        }
        first = c == '/';
    }
    return !first && name.len <= NAME_MAX_BYTES;
}

bool zone_file_read(struct arena *arena, struct slice name, struct slice *out, struct error *err)
{
    if (access(FOLDER, X_OK) != 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "this machine has no time zones: install tzdata");
    }
    if (is_zone_name(name) && slice_find(name, '\0') < 0 &&
        file_read(arena, arena_printf(arena, FOLDER "/%.*s", SLICE_ARG(name)), FILE_MAX_BYTES, out,
                  NULL)) {
        return true;
    }
    return error_set(err, STATUS_NOT_FOUND, "unknown time zone");
}
