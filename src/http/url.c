/*
 * URLs. Everything here refuses rather than repairs: a spelling that two readers could take for two
 * different things must not get past the gate as either of them.
 */
#include "http/url.h"

#include <arpa/inet.h>

enum { HOST_MAX = 253 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Names as DNS has them, and '_', which people use; no empty labels. */
static bool name_read(struct arena *arena, struct slice text, struct slice *out)
{
    if (slice_ends(text, SLICE("."))) {
        text = slice_upto(text, text.len - 1);
    }
    if (text.len == 0 || text.len > HOST_MAX) {
        return false;
    }
    char *lower = arena_string(arena, text);
    char previous = '.';
    for (size_t i = 0; i < text.len; i++) {
        char c = lower[i];
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' &&
            !(c == '.' && previous != '.')) {
            return false;
        }
        if (c >= 'A' && c <= 'Z') {
            lower[i] = (char)(c + 32);
        }
        previous = c;
    }
    if (previous == '.') {
        return false;
    }
    *out = (struct slice){lower, text.len};
    return true;
}

/* The address in its one canonical spelling (RFC 5952), without brackets. */
static bool ipv6_read(struct arena *arena, struct slice text, struct slice *out)
{
    char spelled[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.len >= sizeof(spelled) || slice_find(text, '\0') >= 0) {
        return false;
    }
    memcpy(spelled, text.data, text.len);
    spelled[text.len] = '\0';
    if (inet_pton(AF_INET6, spelled, &address) != 1) {
        return false;
    }
    char *canonical = arena_alloc(arena, INET6_ADDRSTRLEN);
    inet_ntop(AF_INET6, &address, canonical, INET6_ADDRSTRLEN);
    *out = slice_of(canonical);
    return true;
}

/* ":8080" or nothing. No sign, no leading zero, not 0: one port has one spelling. */
static bool port_read(struct slice text, uint16_t *out)
{
    uint64_t number;
    *out = 0;
    if (text.len == 0) {
        return true;
    }
    text = slice_from(text, 1);
    if (text.len > 5 || !slice_to_u64(text, &number) || text.data[0] == '0' ||
        number > UINT16_MAX) {
        return false;
    }
    *out = (uint16_t)number;
    return true;
}

bool url_authority(struct arena *arena, struct slice authority, struct slice *host, uint16_t *port)
{
    struct slice name, rest, found;
    uint16_t number;
    bool bracketed = authority.len > 0 && authority.data[0] == '[';
    if (bracketed) {
        ptrdiff_t end = slice_find(authority, ']');
        if (end < 0) {
            return false;
        }
        name = slice_from(slice_upto(authority, (size_t)end), 1);
        rest = slice_from(authority, (size_t)end + 1);
        if (rest.len > 0 && rest.data[0] != ':') {
            return false;
        }
    } else {
        ptrdiff_t colon = slice_find(authority, ':');
        name = colon < 0 ? authority : slice_upto(authority, (size_t)colon);
        rest = slice_from(authority, name.len);
    }
    if (!port_read(rest, &number) ||
        !(bracketed ? ipv6_read(arena, name, &found) : name_read(arena, name, &found))) {
        return false;
    }
    *host = found;
    *port = number;
    return true;
}

struct slice url_path(struct slice target)
{
    size_t end = 0;
    while (end < target.len && target.data[end] != '?' && target.data[end] != '#') {
        end++;
    }
    return slice_upto(target, end);
}

struct slice url_query(struct slice target)
{
    ptrdiff_t hash = slice_find(target, '#');
    if (hash >= 0) {
        target = slice_upto(target, (size_t)hash);
    }
    ptrdiff_t at = slice_find(target, '?');
    return at < 0 ? SLICE("") : slice_from(target, (size_t)at + 1);
}

static int hex_value(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool url_decode(struct arena *arena, struct slice text, bool plus, struct slice *out)
{
    char *plain = arena_alloc(arena, text.len + 1);
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%') {
            if (text.len - i < 3) {
                return false;
            }
            int high = hex_value(text.data[i + 1]), low = hex_value(text.data[i + 2]);
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0') {
            return false;
        }
        plain[count++] = c;
    }
    *out = (struct slice){plain, count};
    return true;
}

struct slice url_encode(struct arena *arena, struct slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, text.len * 3 + 1);
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            out[count++] = c;
        } else {
            out[count++] = '%';
            out[count++] = hex[(unsigned char)c >> 4];
            out[count++] = hex[(unsigned char)c & 15];
        }
    }
    return (struct slice){out, count};
}

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

struct slice html_escape(struct arena *arena, struct slice text)
{
    static const char *const entities[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
    enum { ENTITY_MAX = 6 };
    char *out = arena_alloc(arena, text.len * ENTITY_MAX + 1);
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        const char *entity = c < 128 ? entities[c] : NULL;
        if (entity == NULL) {
            out[count++] = (char)c;
            continue;
        }
        memcpy(out + count, entity, strlen(entity));
        count += strlen(entity);
    }
    return (struct slice){out, count};
}
