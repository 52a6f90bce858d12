/* What a provider's tokens and answers are worth. Nothing here asks anybody: time and keys are
 * given. */
#include <openssl/evp.h>

#include "base/encode.h"
#include "control/identity/provider.h"

enum {
    KEYS_MAX = 64,
    SUBJECT_MAX = 255, /* Core 2: sub */
    EMAIL_MAX = 254,
    GROUP_MAX = 256,
    GROUPS_OF_SESSION_MAX = 200,
    LOGOUT_AGE_S = 120,
};

static bool set(struct error *err, const char *text)
{
    return error_set(err, STATUS_INVALID_ARGUMENT, "%s", text);
}

/* The key that TOKEN names; the only one of its algorithm where it names none. */
static enum token_fault verify(struct arena *arena, const struct provider *provider,
                               const struct token *token)
{
    struct trust_jwk keys[KEYS_MAX];
    const struct trust_jwk *found = NULL;
    size_t count = 0, of_alg = 0;
    const json_t *jwks = json_object_get(provider->body, "jwks");
    if (jwks == NULL ||
        !trust_jwks_read(arena, json_write(arena, jwks), keys, KEYS_MAX, &count, NULL)) {
        return TOKEN_UNKNOWN_KEY;
    }
    for (size_t i = 0; i < count; i++) {
        bool same_alg = keys[i].alg == token->alg;
        of_alg += same_alg;
        if (token->kid.len > 0 ? slice_equal(keys[i].kid, token->kid) : same_alg) {
            found = &keys[i];
        }
    }
    if (found == NULL || (token->kid.len == 0 && of_alg > 1)) {
        return TOKEN_UNKNOWN_KEY;
    }
    struct trust_key *key = trust_key_from_spki(found->spki, found->alg, NULL);
    enum token_fault fault = key == NULL ? TOKEN_SIGNATURE : token_verify_signature(token, key);
    trust_key_free(key);
    return fault;
}

/* The algorithms that the provider says it signs with; RS256 where it names none (Discovery 3). */
static bool alg_is_offered(const struct provider *provider, enum trust_alg alg)
{
    size_t i;
    json_t *one;
    const json_t *offered = json_at(provider->body, "description.algs");
    if (offered == NULL) {
        return true;
    }
    json_array_foreach(offered, i, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), trust_alg_name(alg)) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_for_us(const struct provider *provider, const struct token *token)
{
    bool named = false;
    for (size_t i = 0; i < token->audience_count; i++) {
        named |= slice_is(token->audiences[i], provider->client_id);
    }
    return named && (token->azp.len == 0 ? token->audience_count == 1
                                         : slice_is(token->azp, provider->client_id));
}

/* Core 3.1.3.6: the left half of the hash that the token's algorithm uses. */
static bool hash_fits(struct arena *arena, const struct token *token, struct slice text,
                      const char *claimed)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_Digest(text.data, text.len, digest, &length,
               token->alg == TRUST_EDDSA ? EVP_sha512() : EVP_sha256(), NULL);
    return slice_is(base64url_encode(arena, (struct slice){(const char *)digest, length / 2}),
                    claimed);
}

/* What ID tokens and logout tokens have in common. */
static enum token_fault believe(struct arena *arena, const struct provider *provider,
                                enum token_fault parsed, int64_t now_s, struct token *out,
                                struct error *err)
{
    enum token_fault fault = parsed;
    if (fault != TOKEN_OK) {
        set(err, "The provider's token cannot be read, or is signed in a way that is not taken.");
        return fault;
    }
    if (!slice_is(out->iss, provider->issuer)) {
        set(err, "The provider's token names another issuer.");
        return TOKEN_ISSUER;
    }
    if (!alg_is_offered(provider, out->alg)) {
        set(err, "The provider's token is signed in a way that it does not offer.");
        return TOKEN_ALG;
    }
    fault = verify(arena, provider, out);
    if (fault != TOKEN_OK) {
        set(err, "The signature of the provider's token cannot be verified.");
        return fault;
    }
    if (!is_for_us(provider, out)) {
        set(err, "The provider's token is for another client.");
        return TOKEN_AUDIENCE;
    }
    if (out->iat == INT64_MIN) {
        set(err, "The provider's token does not say when it was made.");
        return TOKEN_MALFORMED;
    }
    fault = token_verify_time(out, now_s);
    if (fault != TOKEN_OK) {
        set(err, "The provider's token is not valid at this time. If it was just made, one of the "
                 "two clocks is wrong.");
    }
    return fault;
}

enum token_fault provider_believe(struct arena *arena, const struct provider *provider,
                                  struct slice text, const struct id_token_checks *checks,
                                  struct token *out, struct error *err)
{
    enum token_fault fault =
        believe(arena, provider, token_parse(arena, text, out), checks->now_s, out, err);
    if (fault != TOKEN_OK) {
        return fault;
    }
    if (out->typ.len > 0 && !slice_equal_nocase(out->typ, SLICE("JWT"))) {
        set(err, "The provider's token is no ID token.");
        return TOKEN_KIND;
    }
    auto_json *claims = json_read(out->payload, NULL);
    const json_t *at_hash = json_object_get(claims, "at_hash");
    if (checks->nonce.len > 0 && !slice_equal(out->nonce, checks->nonce)) {
        set(err, "The provider's token belongs to another sign-in.");
        return TOKEN_KIND;
    }
    if (out->sub.len == 0 || out->sub.len > SUBJECT_MAX || !text_is_plain(out->sub) ||
        slice_find(out->sub, '/') >= 0) {
        set(err, "The provider's token names nobody that can stand in a policy.");
        return TOKEN_SUBJECT;
    }
    if (at_hash != NULL && checks->access_token.len > 0 &&
        (!json_is_string(at_hash) ||
         !hash_fits(arena, out, checks->access_token, json_string_value(at_hash)))) {
        set(err, "The provider's two tokens do not belong together.");
        return TOKEN_KIND;
    }
    if (checks->auth_after_s > 0 &&
        json_number(claims, "auth_time", 0) < checks->auth_after_s - 60) {
        set(err, "The provider did not ask for a new sign-in, which this service wants.");
        return TOKEN_EXPIRED;
    }
    return TOKEN_OK;
}

enum token_fault provider_believe_logout(struct arena *arena, const struct provider *provider,
                                         struct slice text, int64_t now_s, struct token *out,
                                         struct slice *jti, struct slice *sid, struct error *err)
{
    static const char event[] = "http://schemas.openid.net/event/backchannel-logout";
    enum token_fault fault =
        believe(arena, provider, token_parse_logout(arena, text, out), now_s, out, err);
    if (fault != TOKEN_OK) {
        return fault;
    }
    auto_json *claims = json_read(out->payload, NULL);
    *jti = arena_slice(arena, slice_of(json_text_or(claims, "jti", "")));
    *sid = arena_slice(arena, slice_of(json_text_or(claims, "sid", "")));
    if (!json_is_object(json_object_get(json_object_get(claims, "events"), event)) ||
        json_object_get(claims, "nonce") != NULL || jti->len == 0 ||
        (out->sub.len == 0 && sid->len == 0)) {
        set(err, "This is no logout token.");
        return TOKEN_KIND;
    }
    if (now_s - out->iat > LOGOUT_AGE_S) {
        set(err, "The logout token is too old.");
        return TOKEN_EXPIRED;
    }
    return TOKEN_OK;
}

/* ---- people ---- */

/* One '@', ASCII, in lower case; "" if it is no such address. */
static struct slice address_of(struct arena *arena, const char *text)
{
    size_t length = strlen(text);
    const char *at = strchr(text, '@');
    if (length > EMAIL_MAX || at == NULL || at == text || at[1] == '\0' ||
        strchr(at + 1, '@') != NULL) {
        return SLICE_NONE;
    }
    char *out = arena_string(arena, slice_of(text));
    for (char *c = out; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f || strchr("\"(),:;<>[]\\/", *c) != NULL) {
            return SLICE_NONE;
        }
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
    }
    return slice_of(out);
}

/* Whole domains alone: a suffix would let "evil-example.com" speak for "example.com". */
static bool speaks_for(const struct provider *provider, struct slice email)
{
    struct slice domain = slice_from(email, (size_t)(slice_find(email, '@') + 1));
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(provider->body, "domains"), i, one)
    {
        if (json_is_string(one) && slice_equal_nocase(domain, slice_of(json_string_value(one)))) {
            return true;
        }
    }
    return false;
}

static struct slice usable_email(struct arena *arena, const struct provider *provider,
                                 const json_t *claims, const char **note)
{
    const json_t *verified = json_object_get(claims, "email_verified");
    struct slice email = address_of(arena, json_text_or(claims, "email", ""));
    *note = NULL;
    if (email.len == 0) {
        *note = "The provider gives no e-mail address that can be used.";
    } else if (!json_is_true(verified)) {
        *note = json_is_string(verified)
                    ? "The provider says that the e-mail address is verified by a text, where "
                      "OpenID Connect has a boolean: that is not taken."
                    : "The provider does not say that the e-mail address is verified.";
    } else if (!speaks_for(provider, email)) {
        *note = "The provider may not speak for the domain of the e-mail address "
                "(`homerun issuers add --domains`).";
    }
    return *note == NULL ? email : SLICE_NONE;
}

/* A list of texts, or one text. Objects (Zitadel's roles) are no groups. */
static json_t *groups_of_claims(const json_t *claim)
{
    json_t *out = json_array();
    size_t i;
    json_t *one;
    if (json_is_string(claim)) {
        json_array_append_new(out, json_deep_copy(claim));
    }
    json_array_foreach(claim, i, one)
    {
        size_t length = json_is_string(one) ? json_string_length(one) : 0;
        if (json_array_size(out) < GROUPS_OF_SESSION_MAX && length > 0 && length <= GROUP_MAX &&
            text_is_plain((struct slice){json_string_value(one), length})) {
            json_array_append(out, one);
        }
    }
    return out;
}

void provider_person(struct arena *arena, const struct provider *provider, struct slice subject,
                     const json_t *claims, struct person *out, json_t **groups, const char **note)
{
    struct slice email = usable_email(arena, provider, claims, note);
    *groups = groups_of_claims(json_object_get(claims, provider->groups_claim));
    *out = (struct person){
        .issuer = slice_of(provider->issuer),
        .subject = arena_slice(arena, subject),
        .provider = slice_of(provider->key),
        .email = email,
        .shown = email.len > 0 ? email
                               : slice_of(arena_printf(arena, "%.*s (%s)", SLICE_ARG(subject),
                                                       provider->name)),
        .groups = *groups,
    };
}
