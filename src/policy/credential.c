#include "policy/credential.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether TEXT has a blank or a comma in it. Nothing that a token is made of (base64url, dots) is
 * below '-', so of a token only its least byte is looked for, which takes sixteen bytes at a time.
 */
static bool has_separator(struct slice text)
{
    unsigned char least = UINT8_MAX;
#pragma GCC unroll 4
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        least = byte < least ? byte : least;
    }
    return least < '-' && (slice_find(text, ' ') >= 0 || slice_find(text, '\t') >= 0 ||
                           slice_find(text, ',') >= 0);
}

/* As slice_trim(), for what hardly ever has a blank at its ends. */
static struct slice trim(struct slice text)
{
    bool blank = text.len > 0 && (is_blank(text.data[0]) || is_blank(text.data[text.len - 1]));
    return blank ? slice_trim(text) : text;
}

bool credential_is_single(struct slice token)
{
    return !has_separator(token);
}

/* The token of "Bearer TOKEN": any case of the scheme, one or more blanks, and what follows. */
static bool bearer_token(struct slice value, struct slice *out)
{
    static const struct slice scheme = SLICE_INIT("bearer");
    bool usual = slice_starts(value, SLICE("Bearer ")); /* as nearly everybody writes it */
    if (!usual &&
        (value.len <= scheme.len || !slice_equal_nocase(slice_upto(value, scheme.len), scheme) ||
         !is_blank(value.data[scheme.len]))) {
        return false;
    }
    struct slice token = trim(slice_from(value, scheme.len + 1));
    if (token.len == 0 || token.len > CREDENTIAL_TOKEN_MAX) {
        return false;
    }
    *out = token;
    return true;
}

struct credential_found credential_locate(const struct credential_lines *lines)
{
    bool serverless = lines->serverless_count > 0;
    unsigned count = serverless ? lines->serverless_count : lines->authorization_count;
    struct credential_found out = {.state = CREDENTIAL_NONE};
    if (count == 0) {
        return out;
    }
    out.source = serverless ? CREDENTIAL_SERVERLESS : CREDENTIAL_AUTHORIZATION;
    if (count > 1) {
        out.state = CREDENTIAL_BAD;
        return out;
    }
    struct slice value = trim(serverless ? lines->serverless : lines->authorization);
    if (value.len > 0) {
        out.state = bearer_token(value, &out.token) ? CREDENTIAL_VALID : CREDENTIAL_BAD;
    }
    return out;
}

struct credential_found credential_find(const struct credential_lines *lines)
{
    struct credential_found out = credential_locate(lines);
    if (out.state == CREDENTIAL_VALID && !credential_is_single(out.token)) {
        out.state = CREDENTIAL_BAD;
    }
    return out;
}
