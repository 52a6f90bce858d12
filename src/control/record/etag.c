#include "control/record/etag.h"

#include "base/encode.h"

struct slice policy_etag(struct arena *arena, int64_t stored_version)
{
    if (stored_version == 0) {
        return SLICE("ACAB");
    }
    /* Hexadecimal digits have no base64 that needs '+' or '/'. Twelve of them need no padding
     * either. */
    char *digits = arena_printf(arena, "%012llx", (unsigned long long)stored_version);
    return base64_encode(arena, slice_of(digits));
}

bool policy_etag_matches(struct arena *arena, const char *etag, int64_t stored_version)
{
    struct slice given;
    struct slice current;
    return base64_decode_any(arena, slice_of(etag), &given) &&
           base64_decode_any(arena, policy_etag(arena, stored_version), &current) &&
           slice_equal(given, current);
}
