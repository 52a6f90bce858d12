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

/* As browsers trim an attribute, and a little more: what only some of them take for Domain is one
 * here too. */
static struct slice trim_wide(struct slice text)
{
    while (text.len > 0 && (unsigned char)text.data[0] <= ' ') {
        text = slice_from(text, 1);
    }
    while (text.len > 0 && (unsigned char)text.data[text.len - 1] <= ' ') {
        text = slice_upto(text, text.len - 1);
    }
    return text;
}

bool cookie_is_for_others(struct slice value, struct slice host)
{
    ptrdiff_t bracket = slice_find_last(host, ']'), colon = slice_find_last(host, ':');
    struct slice attribute;
    host = colon > bracket ? slice_upto(host, (size_t)colon) : host;
    slice_cut(&value, ';', &attribute); /* the cookie itself */
    while (slice_cut(&value, ';', &attribute)) {
        ptrdiff_t equals = slice_find(attribute, '=');
        if (equals < 0 || !slice_equal_nocase(trim_wide(slice_upto(attribute, (size_t)equals)),
                                              SLICE("domain"))) {
            continue;
        }
        struct slice domain = trim_wide(slice_from(attribute, (size_t)equals + 1));
        domain = domain.len > 0 && domain.data[0] == '.' ? slice_from(domain, 1) : domain;
        if (domain.len > 0 && !slice_equal_nocase(domain, host)) {
            return true;
        }
    }
    return false;
}
