#include "control/front/absent.h"

enum { NAME_BYTES_MAX = 64 };

const char *absent_api(struct arena *arena, struct slice path)
{
    static const struct slice absent = SLICE_INIT("/absent/");
    struct slice left = slice_from(path, absent.len), name = SLICE_NONE;
    if (!slice_starts(path, absent) || !slice_cut(&left, '/', &name) || name.len == 0 ||
        name.len > NAME_BYTES_MAX) {
        return NULL;
    }
    return arena_printf(arena,
                        "The API %.*s is not in Homerun, and nothing was sent to Google: "
                        "docs/api.md lists what is here.",
                        SLICE_ARG(name));
}
