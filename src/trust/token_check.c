/* What may be believed of a token, and tokens as text: stripped, recognized, made. */
#include "base/encode.h"
#include "codec/codec.h"
#include "trust/trust.h"

enum {
    LEEWAY_EXP_S = 10,
    LEEWAY_START_S = 60,
    LIFETIME_MAX_S = 86400,
};

static const char *const fault_names[] = {
    [TOKEN_OK] = "ok",
    [TOKEN_MALFORMED] = "malformed",
    [TOKEN_TOO_LONG] = "too long",
    [TOKEN_ALG] = "algorithm",
    [TOKEN_SIGNATURE] = "signature",
    [TOKEN_EXPIRED] = "expired",
    [TOKEN_NOT_YET] = "not yet valid",
    [TOKEN_LIFETIME] = "lifetime",
    [TOKEN_UNKNOWN_KEY] = "unknown key",
    [TOKEN_ISSUER] = "issuer",
    [TOKEN_AUDIENCE] = "audience",
    [TOKEN_SUBJECT] = "subject",
    [TOKEN_KIND] = "not an ID token",
};

const char *token_fault_name(enum token_fault fault)
{
    return fault_names[fault];
}

enum token_fault token_verify_signature(const struct token *token, const struct trust_key *key)
{
    if (token->alg != trust_key_alg(key)) {
        return TOKEN_ALG;
    }
    return trust_verify(key, token->signed_part, token->signature) ? TOKEN_OK : TOKEN_SIGNATURE;
}

enum token_fault token_verify_time(const struct token *token, int64_t now_s)
{
    /* Absent times are INT64_MIN, so the comparisons below stand without asking for them. */
    if (token->exp == INT64_MIN) {
        return TOKEN_LIFETIME;
    }
    if (token->exp <= now_s - LEEWAY_EXP_S) {
        return TOKEN_EXPIRED;
    }
    if (token->iat > now_s + LEEWAY_START_S || token->nbf > now_s + LEEWAY_START_S) {
        return TOKEN_NOT_YET;
    }
    int64_t from_s = token->iat == INT64_MIN ? now_s : token->iat;
    return token->exp - from_s > LIFETIME_MAX_S ? TOKEN_LIFETIME : TOKEN_OK;
}

static bool is_base64url(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return text.len > 0;
}

bool token_looks_like_jwt(struct slice text)
{
    ptrdiff_t first = slice_find(text, '.');
    ptrdiff_t last = slice_find_last(text, '.');
    return first > 0 && last > first && is_base64url(slice_upto(text, (size_t)first)) &&
           is_base64url(slice_from(slice_upto(text, (size_t)last), (size_t)first + 1)) &&
           is_base64url(slice_from(text, (size_t)last + 1));
}

static struct slice join(struct arena *arena, struct slice front, struct slice back)
{
    char *joined = arena_alloc(arena, front.len + 1 + back.len);
    memcpy(joined, front.data, front.len);
    joined[front.len] = '.';
    memcpy(joined + front.len + 1, back.data, back.len);
    return (struct slice){joined, front.len + 1 + back.len};
}

struct slice token_strip(struct arena *arena, struct slice text)
{
    static const struct slice replacement = SLICE_INIT("SIGNATURE_REMOVED_BY_GOOGLE");
    if (!token_looks_like_jwt(text)) {
        return arena_slice(arena, text);
    }
    return join(arena, slice_upto(text, (size_t)slice_find_last(text, '.')), replacement);
}

struct slice token_signing_input_of(struct arena *arena, enum trust_alg alg, struct slice kid,
                                    const char *typ, struct slice claims_json)
{
    auto_json *header = json_object();
    json_object_set_new(header, "alg", json_string(trust_alg_name(alg)));
    json_object_set_new(header, "kid", json_slice(kid));
    json_object_set_new(header, "typ", json_string(typ));
    return join(arena, base64url_encode(arena, json_write(arena, header)),
                base64url_encode(arena, claims_json));
}

struct slice token_signing_input(struct arena *arena, enum trust_alg alg, struct slice kid,
                                 struct slice claims_json)
{
    return token_signing_input_of(arena, alg, kid, "JWT", claims_json);
}

struct slice token_assemble(struct arena *arena, struct slice signing_input, struct slice signature)
{
    return join(arena, signing_input, base64url_encode(arena, signature));
}
