#include "codec/inside.h"

bool int64_read(struct slice text, int64_t *out)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    text = slice_from(text, negative);
    if (text.len == 0) {
        return false;
    }
    int64_t number = 0; /* kept negative: that side is the longer one */
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, text.data[i] - '0', &number)) {
            return false;
        }
    }
    if (!negative && number == INT64_MIN) {
        return false;
    }
    *out = negative ? number : -number;
    return true;
}

size_t utf8_len(struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
    size_t len;
    if (at[0] < 0x80) {
        return 1;
    } else if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        len = 2;
    } else if (at[0] >= 0xe0 && at[0] <= 0xef) {
        len = 3;
        low = at[0] == 0xe0 ? 0xa0 : low;
        high = at[0] == 0xed ? 0x9f : high; /* no surrogates */
    } else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        len = 4;
        low = at[0] == 0xf0 ? 0x90 : low;
        high = at[0] == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (text.len < len || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

const char *json_kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "nothing";
}

bool text_is_plain(struct slice text)
{
    while (text.len > 0) {
        unsigned char c = (unsigned char)text.data[0];
        size_t len = c < ' ' || c == 0x7f ? 0 : utf8_len(text);
        if (len == 0) {
            return false;
        }
        text = slice_from(text, len);
    }
    return true;
}
