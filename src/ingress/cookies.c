#include "ingress/cookies.h"

#include "policy/door.h"

static const struct slice prefix = SLICE_INIT(DOOR_COOKIE_PREFIX);

/* A cookie without a name is sent as its value alone, which then reads as a name and a value: so
 * the signs in front of it are passed over. */
bool cookie_is_ours(struct slice value)
{
    value = slice_trim(value);
    while (value.len > 0 && value.data[0] == '=') {
        value = slice_trim(slice_from(value, 1));
    }
    return slice_equal_nocase(slice_upto(value, prefix.len), prefix);
}

static bool holds_ours(struct slice value)
{
    struct slice pair;
    while (slice_cut(&value, ';', &pair)) {
        if (cookie_is_ours(pair)) {
            return true;
        }
    }
    return false;
}

struct slice cookies_without_ours(struct arena *arena, struct slice value)
{
    struct slice pair;
    if (!holds_ours(value)) {
        return value;
    }
    char *out = arena_alloc(arena, value.len * 2 + 1); /* ";" may become "; " */
    size_t count = 0;
    while (slice_cut(&value, ';', &pair)) {
        pair = slice_trim(pair);
        if (pair.len == 0 || cookie_is_ours(pair)) {
            continue;
        }
        if (count > 0) {
            memcpy(out + count, "; ", 2);
            count += 2;
        }
        memcpy(out + count, pair.data, pair.len);
        count += pair.len;
    }
    return (struct slice){out, count};
}
