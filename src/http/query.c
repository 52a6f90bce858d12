#include "http/query.h"

#include "http/percent.h"

bool url_query_whole(struct arena *arena, struct slice query)
{
    struct slice pair, plain;
    while (slice_cut(&query, '&', &pair)) {
        if (!url_decode(arena, pair, true, &plain)) {
            return false;
        }
    }
    return true;
}

bool url_query_find(struct arena *arena, struct slice query, const char *name, struct slice *out)
{
    struct slice pair;
    while (slice_cut(&query, '&', &pair)) {
        ptrdiff_t equals = slice_find(pair, '=');
        struct slice key = equals < 0 ? pair : slice_upto(pair, (size_t)equals);
        struct slice value = equals < 0 ? SLICE("") : slice_from(pair, (size_t)equals + 1);
        struct slice plain;
        if (url_decode(arena, key, true, &plain) && slice_is(plain, name)) {
            return url_decode(arena, value, true, out);
        }
    }
    return false;
}
