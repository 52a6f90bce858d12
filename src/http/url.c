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
