#include "base/slice.h"

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (a.data[i] != b.data[i] &&
            lower((unsigned char)a.data[i]) != lower((unsigned char)b.data[i])) {
            return false;
        }
    }
    return true;
}

ptrdiff_t slice_find(struct slice s, char byte)
{
    const char *at = s.len == 0 ? NULL : memchr(s.data, byte, s.len);
    return at == NULL ? -1 : at - s.data;
}

ptrdiff_t slice_find_last(struct slice s, char byte)
{
    const char *at = s.len == 0 ? NULL : memrchr(s.data, byte, s.len);
    return at == NULL ? -1 : at - s.data;
}

ptrdiff_t slice_find_slice(struct slice s, struct slice needle)
{
    if (needle.len == 0) {
        return 0;
    }
    const char *at = s.len == 0 ? NULL : memmem(s.data, s.len, needle.data, needle.len);
    return at == NULL ? -1 : at - s.data;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool slice_cut(struct slice *rest, char separator, struct slice *out)
{
    if (rest->data == NULL || rest->len == 0) {
        return false;
    }
    ptrdiff_t at = slice_find(*rest, separator);
    if (at < 0) {
        *out = *rest;
        *rest = SLICE_NONE;
        return true;
    }
    *out = slice_upto(*rest, (size_t)at);
    *rest = slice_from(*rest, (size_t)at + 1);
    return true;
}

bool slice_to_u64(struct slice s, uint64_t *out)
{
    if (s.len == 0 || s.len > 18) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(s.data[i] - '0');
    }
    *out = value;
    return true;
}

int slice_compare(struct slice a, struct slice b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}
