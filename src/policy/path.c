/*
 * A condition judges one reading of the path, and the container acts on its own. So a spelling
 * that two servers could read as two different paths has no normal form here, and is refused where
 * a condition on the path decides: it is never repaired.
 *
 * Everything is decoded once, in one pass, and what must not come out of an escape is looked for in
 * the decoded bytes of each segment.
 */
#include "policy/path.h"

struct slice path_of_target(struct slice target)
{
    size_t end = 0;
    while (end < target.len && target.data[end] != '?' && target.data[end] != '#') {
        end++;
    }
    return slice_upto(target, end);
}

static const char *const texts[] = {
    [PATH_FINE] = "",
    [PATH_NOT_ABSOLUTE] = "no path that begins with a slash",
    [PATH_EMPTY_SEGMENT] = "an empty segment (//)",
    [PATH_DOT_SEGMENT] = "a segment of dots (. or ..)",
    [PATH_PARAMETERS] = "a semicolon",
    [PATH_BACKSLASH] = "a backslash",
    [PATH_ENCODED_MARK] = "an encoded slash, question mark or number sign",
    [PATH_ENCODED_TWICE] = "something that was percent-encoded twice",
    [PATH_BROKEN_ESCAPE] = "a percent sign that begins no escape",
    [PATH_CONTROL] = "a control character",
    [PATH_NOT_UTF8] = "bytes that are not UTF-8",
    [PATH_LOOKALIKE] = "a character that can be normalised to a separator",
};

const char *path_fault_text(enum path_fault fault)
{
    return texts[fault];
}

/*
 * Characters whose NFC or NFKC form holds one of / \ . ; % ? #, or is taken for it by a best-fit
 * conversion (Unicode, "Halfwidth and Fullwidth Forms", "Small Form Variants", "General
 * Punctuation").
 */
static const uint32_t lookalikes[] = {
    0x037e,                                         /* Greek question mark: ";" */
    0x2024, 0x2025, 0x2026,                         /* leaders and the ellipsis: ".", "..", "..." */
    0x2047, 0x2048, 0x2049,                         /* "??", "?!", "!?" */
    0x2044, 0x2215, 0x29f8,                         /* fraction, division and big slash */
    0x2216, 0x29f5, 0x29f9,                         /* set minus, reverse solidus operators */
    0x2100, 0x2101, 0x2105, 0x2106,                 /* "a/c", "a/s", "c/o", "c/u" */
    0xfe19, 0xfe30, 0xfe14, 0xfe16,                 /* vertical forms of "...", "..", ";", "?" */
    0xfe52, 0xfe54, 0xfe56, 0xfe5f, 0xfe68, 0xfe6a, /* small . ; ? # \ % */
    0xff03, 0xff05, 0xff0e, 0xff0f, 0xff1b, 0xff1f, 0xff3c, /* fullwidth # % . / ; ? \ */
};

static bool is_lookalike(uint32_t point)
{
    for (size_t i = 0; i < sizeof(lookalikes) / sizeof(lookalikes[0]); i++) {
        if (lookalikes[i] == point) {
            return true;
        }
    }
    return false;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether an escape begins at AT. */
static bool is_escape(struct slice text, size_t at)
{
    return text.len - at >= 3 && hex_value(text.data[at + 1]) >= 0 &&
           hex_value(text.data[at + 2]) >= 0;
}

/*
 * One code point of well-formed UTF-8 (RFC 3629 section 4) at AT: its length; 0 if there is none.
 * Overlong forms, surrogates and what is over U+10FFFF are not well-formed.
 */
static size_t utf8_read(struct slice text, size_t at, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text.data[at];
    size_t length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length == 0 || first > 0xf4 || length > text.len - at) {
        return 0;
    }
    *point = length == 1 ? first : first & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        unsigned char next = (unsigned char)text.data[at + i];
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        *point = *point << 6 | (next & 0x3f);
    }
    bool surrogate = *point >= 0xd800 && *point <= 0xdfff;
    return *point < least[length] || surrogate || *point > 0x10ffff ? 0 : length;
}

/* What one byte of a decoded segment says against it. "/", "?" and "#" can only be there if they
 * were encoded. */
static enum path_fault byte_fault(struct slice segment, size_t at)
{
    unsigned char c = (unsigned char)segment.data[at];
    switch (c) {
    case '/':
    case '?':
    case '#':
        return PATH_ENCODED_MARK;
    case '\\':
        return PATH_BACKSLASH;
    case ';':
        return PATH_PARAMETERS;
    case '%':
        return is_escape(segment, at) ? PATH_ENCODED_TWICE : PATH_FINE;
    default:
        return c < 0x20 || c == 0x7f ? PATH_CONTROL : PATH_FINE;
    }
}

static enum path_fault segment_check(struct slice segment)
{
    if (slice_is(segment, ".") || slice_is(segment, "..")) {
        return PATH_DOT_SEGMENT;
    }
    for (size_t at = 0; at < segment.len;) {
        uint32_t point = 0;
        size_t length = utf8_read(segment, at, &point);
        if (length == 0) {
            return PATH_NOT_UTF8;
        }
        enum path_fault fault = length == 1             ? byte_fault(segment, at)
                                : point < 0xa0 /* C1 */ ? PATH_CONTROL
                                : is_lookalike(point)   ? PATH_LOOKALIKE
                                                        : PATH_FINE;
        if (fault != PATH_FINE) {
            return fault;
        }
        at += length;
    }
    return PATH_FINE;
}

/* Decodes RAW to AT; false on a broken escape. */
static bool segment_decode(struct slice raw, char *at, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.data[i];
        if (c == '%') {
            if (!is_escape(raw, i)) {
                return false;
            }
            c = (char)(hex_value(raw.data[i + 1]) * 16 + hex_value(raw.data[i + 2]));
            i += 2;
        }
        at[(*count)++] = c;
    }
    return true;
}

enum path_fault path_normal(struct arena *arena, struct slice target, struct slice *out)
{
    struct slice path = path_of_target(target);
    if (path.len == 0 || path.data[0] != '/') {
        return PATH_NOT_ABSOLUTE;
    }
    char *normal = arena_alloc(arena, path.len);
    size_t used = 0;
    for (struct slice rest = path; rest.len > 0;) {
        rest = slice_from(rest, 1); /* the slash before the segment */
        ptrdiff_t slash = slice_find(rest, '/');
        struct slice raw = slash < 0 ? rest : slice_upto(rest, (size_t)slash);
        size_t count;
        normal[used++] = '/';
        if (raw.len == 0 && slash >= 0) {
            return PATH_EMPTY_SEGMENT; /* an empty last one is the slash at the end */
        }
        if (!segment_decode(raw, normal + used, &count)) {
            return PATH_BROKEN_ESCAPE;
        }
        enum path_fault fault = segment_check((struct slice){normal + used, count});
        if (fault != PATH_FINE) {
            return fault;
        }
        used += count;
        rest = slice_from(rest, raw.len);
    }
    *out = (struct slice){normal, used};
    return PATH_FINE;
}
