#include "ingress/credential.h"

#include "trust/trust.h"

static const struct slice authorization = SLICE_INIT("authorization");
static const struct slice serverless = SLICE_INIT("x-serverless-authorization");

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct credential_lines credential_lines_of(const struct http_headers *headers)
{
    struct credential_lines out = {0};
    for (unsigned i = 0; i < headers->count; i++) {
        const struct http_header *field = &headers->items[i];
        if (slice_equal(field->name, authorization)) {
            out.authorization = field->value;
            out.authorization_count++;
        } else if (slice_equal(field->name, serverless)) {
            out.serverless = field->value;
            out.serverless_count++;
        }
    }
    return out;
}

static bool is_separator(char c)
{
    return is_blank(c) || c == ',' || c == ';' || c == '"' || c == '=';
}

static size_t word_end(struct slice text, size_t at)
{
    while (at < text.len && !is_separator(text.data[at])) {
        at++;
    }
    return at;
}

static bool holds_jwt(struct slice value)
{
    for (size_t at = 0; at < value.len; at++) {
        size_t end = word_end(value, at);
        if (token_looks_like_jwt(slice_from(slice_upto(value, end), at))) {
            return true;
        }
        at = end;
    }
    return false;
}

struct slice credential_strip(struct arena *arena, struct slice value)
{
    if (!holds_jwt(value)) {
        return value;
    }
    /* A token of "a.b.c" grows to its replaced form; that many can be in it at most. */
    char *out = arena_alloc(arena, value.len * 8 + 32);
    size_t count = 0;
    for (size_t at = 0; at < value.len;) {
        size_t end = word_end(value, at);
        struct slice word = slice_from(slice_upto(value, end), at);
        word = token_looks_like_jwt(word) ? token_strip(arena, word) : word;
        if (word.len > 0) {
            memcpy(out + count, word.data, word.len);
            count += word.len;
        }
        if (end < value.len) {
            out[count++] = value.data[end++];
        }
        at = end;
    }
    return (struct slice){out, count};
}
