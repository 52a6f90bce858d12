#include "control/identity/agent_url.h"

#include "http/url.h"

enum { NAME_CHARS_MAX = 64 };

/* ---- URLs ---- */

static const struct slice https = SLICE_INIT("https://");
static const struct slice http = SLICE_INIT("http://");

/* Visible ASCII, and nothing that some reader of URLs takes for something else. */
static bool is_plain_url(struct slice uri)
{
    for (size_t i = 0; i < uri.len; i++) {
        unsigned char c = (unsigned char)uri.data[i];
        if (c <= ' ' || c >= 0x7f || strchr("\\\"<>^`{}|#", c) != NULL) {
            return false;
        }
    }
    return uri.len > 0 && uri.len <= AGENT_URL_MAX;
}

/* What stands between the scheme and the path. */
static struct slice authority_of(struct slice uri, struct slice scheme)
{
    struct slice rest = slice_from(uri, scheme.len);
    size_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?') {
        end++;
    }
    return slice_upto(rest, end);
}

/* AUTHORITY without its port. */
static struct slice name_of(struct slice authority)
{
    ptrdiff_t bracket = slice_find_last(authority, ']');
    ptrdiff_t colon = slice_find_last(authority, ':');
    return colon > bracket ? slice_upto(authority, (size_t)colon) : authority;
}

/* By these names only: others that lead to the loopback ("127.1", "localhost.") have no need. */
static bool is_loopback(struct slice name)
{
    return slice_is(name, "127.0.0.1") || slice_is(name, "[::1]") || slice_is(name, "localhost");
}

bool agent_redirect_read(struct arena *arena, struct slice uri, struct agent_redirect *out,
                         const char **why)
{
    uint16_t port;
    *why = "is no URL of at most 2000 visible ASCII characters, without a fragment";
    if (!is_plain_url(uri)) {
        return false;
    }
    *why = "is neither https://… nor http://127.0.0.1…, http://[::1]… or http://localhost…";
    bool secure = slice_starts(uri, https);
    if (!secure && !slice_starts(uri, http)) {
        return false;
    }
    struct slice authority = authority_of(uri, secure ? https : http);
    bool loopback = is_loopback(name_of(authority));
    if (!secure && !loopback) {
        return false;
    }
    *why = "has no host that can be read in one way only";
    if (!url_authority(arena, authority, &out->host, &port)) {
        return false;
    }
    out->loopback = loopback && !secure;
    out->origin = slice_upto(uri, (secure ? https.len : http.len) + authority.len);
    return true;
}

bool agent_redirect_is(struct slice registered, struct slice asked)
{
    if (slice_equal(registered, asked)) {
        return true;
    }
    auto_arena arena = {0};
    struct agent_redirect place;
    const char *why;
    if (!slice_starts(registered, http) || !agent_redirect_read(&arena, asked, &place, &why) ||
        !place.loopback) {
        return false; /* what stands before a colon is a name only where no "@" follows */
    }
    struct slice ours = authority_of(registered, http), theirs = authority_of(asked, http);
    return slice_equal(name_of(ours), name_of(theirs)) &&
           slice_equal(slice_from(registered, http.len + ours.len),
                       slice_from(asked, http.len + theirs.len));
}

bool agent_resource_read(struct arena *arena, struct slice uri, bool *secure, struct slice *host,
                         uint16_t *port)
{
    *secure = slice_starts(uri, https);
    if (!is_plain_url(uri) || slice_find(uri, '?') >= 0 || (!*secure && !slice_starts(uri, http)) ||
        !url_authority(arena, authority_of(uri, *secure ? https : http), host, port)) {
        return false;
    }
    *port = *port != 0 ? *port : *secure ? 443 : 80;
    return true;
}

/* ---- documents ---- */

bool agent_id_is_url(struct slice id)
{
    return slice_starts(id, https) || slice_starts(id, http);
}

/* Segments that a reader of URLs takes away ("%2e" is a dot to some). */
static bool has_dot_segments(struct slice path)
{
    struct slice segment;
    while (slice_cut(&path, '/', &segment)) {
        size_t dots = 0, at = 0;
        while (at < segment.len) {
            bool encoded = segment.len - at >= 3 &&
                           slice_equal_nocase((struct slice){segment.data + at, 3}, SLICE("%2e"));
            if (!encoded && segment.data[at] != '.') {
                break;
            }
            at += encoded ? 3 : 1;
            dots++;
        }
        if (at == segment.len && (dots == 1 || dots == 2)) {
            return true;
        }
    }
    return false;
}

bool agent_document_url(struct arena *arena, struct slice url, bool loopback_too, const char **why)
{
    struct agent_redirect place;
    if (url.len > AGENT_DOCUMENT_URL_MAX) {
        *why = "is longer than 500 characters";
        return false;
    }
    if (!agent_redirect_read(arena, url, &place, why)) {
        return false;
    }
    *why = "is not https://…";
    if (!slice_starts(url, https) && !loopback_too) {
        return false;
    }
    struct slice path = url_path(slice_from(url, place.origin.len));
    *why = "has no path";
    if (path.len < 2 || path.data[0] != '/') {
        return false;
    }
    *why = "has “.” or “..” in its path";
    return !has_dot_segments(path);
}

/* ---- names ---- */

/* The character at *AT of UTF-8 that has been checked; *AT is behind it then. */
static uint32_t next_char(struct slice text, size_t *at)
{
    unsigned char first = (unsigned char)text.data[*at];
    size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? first : first & (0x3fU >> more);
    for (size_t i = 1; i <= more && *at + i < text.len; i++) {
        c = c << 6 | ((unsigned char)text.data[*at + i] & 0x3fU);
    }
    *at += more + 1;
    return c;
}

/* Control characters, marks of direction, spaces without width, variation selectors, and tags. */
static bool is_hidden(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},       {0xad, 0xad},        {0x034f, 0x034f},
        {0x061c, 0x061c}, {0x115f, 0x1160},   {0x17b4, 0x17b5},    {0x180b, 0x180f},
        {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},    {0x3164, 0x3164},
        {0xd800, 0xf8ff}, {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},    {0xffa0, 0xffa0},
        {0xfff0, 0xffff}, {0x1d173, 0x1d17a}, {0xe0000, 0x10ffff},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (c >= ranges[i].from && c <= ranges[i].to) {
            return true;
        }
    }
    return false;
}

struct slice agent_name_clean(struct arena *arena, struct slice name)
{
    char *out = arena_alloc(arena, name.len + 1);
    size_t used = 0, at = 0, marks = 0;
    for (size_t chars = 0; at < name.len && chars < NAME_CHARS_MAX;) {
        size_t from = at;
        uint32_t c = next_char(name, &at);
        size_t end = at < name.len ? at : name.len;
        /* Marks that pile up on one letter reach into other lines. */
        bool mark = (c >= 0x0300 && c <= 0x036f) || (c >= 0x1ab0 && c <= 0x1aff) ||
                    (c >= 0x1dc0 && c <= 0x1dff) || (c >= 0x20d0 && c <= 0x20ff);
        marks = mark ? marks + 1 : 0;
        if (is_hidden(c) || marks > 2) {
            continue;
        }
        memcpy(out + used, name.data + from, end - from);
        used += end - from;
        chars++;
    }
    return slice_trim((struct slice){out, used});
}
