#include "policy/credential.h"

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
    if (token.len == 0 || token.len > CREDENTIAL_TOKEN_MAX || slice_find(token, ' ') >= 0 ||
        slice_find(token, '\t') >= 0 || slice_find(token, ',') >= 0) {
        return false;
    }
    *out = token;
    return true;
}

struct credential_found credential_find(const struct credential_lines *lines)
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
    struct slice value = slice_trim(serverless ? lines->serverless : lines->authorization);
    if (value.len > 0) {
        out.state = bearer_token(value, &out.token) ? CREDENTIAL_VALID : CREDENTIAL_BAD;
    }
    return out;
}
