#include "base/encode.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char urlsafe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct slice encode(struct arena *arena, struct slice bytes, const char *letters,
                           bool padded)
{
    char *out = arena_alloc(arena, (bytes.len + 2) / 3 * 4 + 1);
    size_t used = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (k < left ? (unsigned char)bytes.data[i + k] : 0);
        }
        for (size_t k = 0; k < 4; k++) {
            if (k <= left) {
                out[used++] = letters[group >> (18 - 6 * k) & 63];
            } else if (padded) {
                out[used++] = '=';
            }
        }
    }
    return (struct slice){out, used};
}

/* Value of a letter; -1 if it is none. The two alphabets differ in 62 and 63 only. */
static int value_of(char c, bool standard_too)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '-' || (standard_too && c == '+')) {
        return 62;
    }
    if (c == '_' || (standard_too && c == '/')) {
        return 63;
    }
    return -1;
}

static bool decode(struct arena *arena, struct slice text, bool standard_too, struct slice *out)
{
    if (text.len % 4 == 1) {
        return false;
    }
    char *bytes = arena_alloc(arena, text.len / 4 * 3 + 3);
    size_t used = 0;
    uint32_t group = 0;
    int bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.data[i], standard_too);
        if (value < 0) {
            return false;
        }
        group = group << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[used++] = (char)(group >> bits & 255);
        }
    }
    if ((group & ((1u << bits) - 1)) != 0) {
        return false;
    }
    *out = (struct slice){bytes, used};
    return true;
}

struct slice base64_encode(struct arena *arena, struct slice bytes)
{
    return encode(arena, bytes, standard, true);
}

bool base64_decode_any(struct arena *arena, struct slice text, struct slice *out)
{
    size_t padding = 0;
    while (text.len > 0 && padding < 2 && text.data[text.len - 1] == '=') {
        text.len--;
        padding++;
    }
    if (padding > 0 && (text.len + padding) % 4 != 0) {
        return false;
    }
    return decode(arena, text, true, out);
}

struct slice base64url_encode(struct arena *arena, struct slice bytes)
{
    return encode(arena, bytes, urlsafe, false);
}

bool base64url_decode(struct arena *arena, struct slice text, struct slice *out)
{
    return decode(arena, text, false, out);
}

struct slice hex_encode(struct arena *arena, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *out = arena_alloc(arena, bytes.len * 2 + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        out[2 * i] = digits[(unsigned char)bytes.data[i] >> 4];
        out[2 * i + 1] = digits[(unsigned char)bytes.data[i] & 15];
    }
    return (struct slice){out, bytes.len * 2};
}
