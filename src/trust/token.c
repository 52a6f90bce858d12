/* The claims of a token (RFC 7519, OpenID Connect Core section 2); jws.c reads the envelope. */
#include "trust/jws.h"

enum { AUDIENCES_MAX = 64 };

static const int64_t time_max_s = INT64_C(253402300799); /* the end of year 9999 */

/* NumericDate: whole seconds, a fraction is dropped. False if it is there and no such number. */
static bool time_read_s(const json_t *object, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(object, name);
    *out = INT64_MIN;
    if (value == NULL) {
        return true;
    }
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return *out >= 0 && *out <= time_max_s;
    }
    double seconds = json_is_real(value) ? json_real_value(value) : -1;
    if (!(seconds >= 0 && seconds <= (double)time_max_s)) {
        return false;
    }
    *out = (int64_t)seconds;
    return true;
}

/* One string, or an array of strings (RFC 7519 section 4.1.3). */
static bool audiences_read(struct arena *arena, const json_t *claims, struct token *out)
{
    const json_t *value = json_object_get(claims, "aud");
    size_t count = json_is_array(value) ? json_array_size(value) : value != NULL;
    if (count > AUDIENCES_MAX) {
        return false;
    }
    struct slice *audiences = arena_array(arena, struct slice, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(one)) {
            return false;
        }
        audiences[i] =
            arena_slice(arena, (struct slice){json_string_value(one), json_string_length(one)});
    }
    out->audiences = audiences;
    out->audience_count = count;
    return true;
}

/* A boolean; some issuers send it as a string. */
static bool verified_read(const json_t *claims, bool *out)
{
    const json_t *value = json_object_get(claims, "email_verified");
    *out = json_is_true(value);
    if (value == NULL || json_is_boolean(value)) {
        return true;
    }
    const char *text = json_string_value(value);
    if (text == NULL || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)) {
        return false;
    }
    *out = strcmp(text, "true") == 0;
    return true;
}

static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    {"iss", offsetof(struct token, iss)},
    {"sub", offsetof(struct token, sub)},
    {"email", offsetof(struct token, email)},
    {"hd", offsetof(struct token, hd)},
    {"azp", offsetof(struct token, azp)},
    {"scope", offsetof(struct token, scope)},
    {"target_audience", offsetof(struct token, target_audience)},
    {"nonce", offsetof(struct token, nonce)},
    {"homerun_key", offsetof(struct token, user_key)},
    {"homerun_use", offsetof(struct token, token_use)},
    {"sid", offsetof(struct token, sid)},
    {"client_id", offsetof(struct token, client_id)},
};

static bool claims_read(struct arena *arena, const json_t *claims, struct token *out)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slice text;
        if (!jws_text(arena, claims, texts[i].name, &text)) {
            return false;
        }
        memcpy((char *)out + texts[i].offset, &text, sizeof(text));
    }
    return time_read_s(claims, "exp", &out->exp) && time_read_s(claims, "iat", &out->iat) &&
           time_read_s(claims, "nbf", &out->nbf) && audiences_read(arena, claims, out) &&
           verified_read(claims, &out->email_verified);
}

static enum token_fault parse(struct arena *arena, struct slice text, bool logout,
                              struct token *out)
{
    struct token token;
    enum token_fault fault = jws_parse(arena, text, logout, &token);
    if (fault != TOKEN_OK) {
        return fault;
    }
    auto_json *claims = jws_object(token.payload);
    if (claims == NULL || !claims_read(arena, claims, &token)) {
        return TOKEN_MALFORMED;
    }
    *out = token;
    return TOKEN_OK;
}

enum token_fault token_parse(struct arena *arena, struct slice text, struct token *out)
{
    return parse(arena, text, false, out);
}

enum token_fault token_parse_logout(struct arena *arena, struct slice text, struct token *out)
{
    return parse(arena, text, true, out);
}
