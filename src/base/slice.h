/*
 * A view of bytes that someone else owns: never NUL-terminated by promise, never freed here.
 * Everything that comes from outside is looked at through slices, so that a length is always at
 * hand.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len;
};

/* A slice of a string literal, usable in static tables. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_INIT(literal)                                                                        \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define SLICE_NONE ((struct slice){NULL, 0})

/* For printf: "%.*s", SLICE_ARG(s). */
#define SLICE_ARG(s) (int)(s).len, (s).data

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

static inline bool slice_ends(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.data + s.len - suffix.len, suffix.data, suffix.len) == 0);
}

/* The part from START on, or up to END; both are clamped to the slice. */
static inline struct slice slice_from(struct slice s, size_t start)
{
    if (start > s.len) {
        start = s.len;
    }
    return (struct slice){s.data + start, s.len - start};
}

static inline struct slice slice_upto(struct slice s, size_t end)
{
    return (struct slice){s.data, end < s.len ? end : s.len};
}

/* Equal without regard to the case of ASCII letters. */
bool slice_equal_nocase(struct slice a, struct slice b);

/* Where BYTE, or NEEDLE, first (or last) stands; -1 if nowhere. */
ptrdiff_t slice_find(struct slice s, char byte);
ptrdiff_t slice_find_last(struct slice s, char byte);
ptrdiff_t slice_find_slice(struct slice s, struct slice needle);

/* Without ASCII spaces and tabs at both ends. */
struct slice slice_trim(struct slice s);

/*
 * Cuts the part before SEPARATOR off the front of *REST and gives it in *OUT. The last part ends
 * with the slice. False when nothing is left. "a,,b" has three parts, "" has none.
 */
bool slice_cut(struct slice *rest, char separator, struct slice *out);

/* Decimal, no sign, no white space, no more than 18 digits. False if it is not that. */
bool slice_to_u64(struct slice s, uint64_t *out);

/* Total order by bytes, shorter first on a tie: for sorting and searching. */
int slice_compare(struct slice a, struct slice b);
