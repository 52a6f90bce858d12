/* Finding the credential among the headers. */
#include "ingress/credential.h"

#include "base/buffer.h"
#include "trust/trust.h"

static const struct slice authorization = SLICE_INIT("authorization");
static const struct slice serverless = SLICE_INIT("x-serverless-authorization");

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/*
 * The token of "Bearer TOKEN": any case of the scheme, one or more blanks, and one token. A blank
 * or a comma inside would mean several tokens, or several fields that somebody joined.
 */
static bool bearer_token(struct slice value, struct slice *out)
{
    static const struct slice scheme = SLICE_INIT("bearer");
    if (value.len <= scheme.len || !slice_equal_nocase(slice_upto(value, scheme.len), scheme) ||
        !is_blank(value.data[scheme.len])) {
        return false;
    }
    struct slice token = slice_trim(slice_from(value, scheme.len));
    if (token.len == 0 || token.len > TOKEN_BYTES_MAX) {
        return false;
    }
    if (slice_find(token, ' ') >= 0 || slice_find(token, '\t') >= 0 ||
        slice_find(token, ',') >= 0) {
        return false;
    }
    *out = token;
    return true;
}

struct credential_found credential_find(const struct http_headers *headers)
{
    const struct http_header *found[2] = {NULL, NULL};
    unsigned counts[2] = {0, 0};
    for (unsigned i = 0; i < headers->count; i++) {
        struct slice name = headers->items[i].name;
        bool special = slice_equal(name, serverless);
        if (special || slice_equal(name, authorization)) {
            found[special] = &headers->items[i];
            counts[special]++;
        }
    }
    bool special = counts[1] > 0;
    struct credential_found out = {.state = CREDENTIAL_NONE};
    if (counts[special] == 0) {
        return out;
    }
    out.source = special ? CREDENTIAL_SERVERLESS : CREDENTIAL_AUTHORIZATION;
    if (counts[special] > 1) {
        out.state = CREDENTIAL_BAD;
        return out;
    }
    struct slice value = slice_trim(found[special]->value);
    if (value.len > 0) {
        out.state = bearer_token(value, &out.token) ? CREDENTIAL_VALID : CREDENTIAL_BAD;
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
