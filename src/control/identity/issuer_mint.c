#include "control/identity/issuer_mint.h"

#include "base/clock.h"
#include "control/identity/issuer.h"
#include "control/identity/ticket.h"
#include "ipc/signer_client.h"

static bool sign(struct control *control, struct arena *arena, const char *typ, json_t *claims,
                 struct slice *token, struct error *err)
{
    const struct trust_jwk *key = &control->issuer->signing;
    struct slice input =
        token_signing_input_of(arena, key->alg, key->kid, typ, json_write(arena, claims));
    struct slice signature;
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_ISSUER_JWT, input, arena,
                     &signature, NULL, err)) {
        return error_wrap(err, "sign a token");
    }
    *token = token_assemble(arena, input, signature);
    return true;
}

/* Signs CLAIMS (JSON; iat, exp, iss are filled in if absent) with the issuer's newest key. */
static bool issuer_mint(struct control *control, struct arena *arena, json_t *claims,
                        struct slice *token, struct error *err)
{
    int64_t now = clock_wall_us() / 1000000;
    if (json_object_get(claims, "iss") == NULL) {
        json_object_set_new(claims, "iss", json_string(control->issuer_url));
    }
    if (json_object_get(claims, "iat") == NULL) {
        json_object_set_new(claims, "iat", json_integer(now));
    }
    if (json_object_get(claims, "exp") == NULL) {
        json_object_set_new(claims, "exp", json_integer(now + TOKEN_SECONDS));
    }
    return sign(control, arena, "JWT", claims, token, err);
}

/*
 * What a caller has said becomes a claim only as text that every reader takes for the same text. A
 * claim that cannot be written must never be left out instead: a token without an audience, or
 * without a scope, would be good for more.
 */
static bool put_claim(json_t *claims, const char *name, const char *text, struct error *err)
{
    if (text == NULL || text[0] == '\0' || !text_is_plain(slice_of(text))) {
        return error_field(err, name,
                           "It must be UTF-8 text without control characters, and not empty.");
    }
    return json_object_set_new(claims, name, json_string(text)) == 0 ||
           error_set(err, STATUS_INTERNAL, "the claim %s could not be written", name);
}

static bool base_claims(json_t *claims, const struct token_grant *grant, struct error *err)
{
    int64_t now = clock_wall_us() / 1000000;
    int64_t seconds = grant->seconds > 0 ? grant->seconds : TOKEN_SECONDS;
    json_object_set_new(claims, "iat", json_integer(now));
    json_object_set_new(claims, "exp", json_integer(now + seconds));
    return put_claim(claims, "sub", grant->sub, err) &&
           (grant->sid == NULL || put_claim(claims, "sid", grant->sid, err)) &&
           (grant->user_key == NULL || grant->user_key[0] == '\0' ||
            put_claim(claims, "homerun_key", grant->user_key, err));
}

bool issuer_access_token(struct control *control, struct arena *arena,
                         const struct token_grant *grant, struct slice *token, struct error *err)
{
    static const char everything[] = "https://www.googleapis.com/auth/cloud-platform";
    auto_json *claims = json_object();
    return base_claims(claims, grant, err) && put_claim(claims, "homerun_use", "access", err) &&
           put_claim(claims, "email", grant->email, err) &&
           put_claim(claims, "aud", control->issuer_url, err) &&
           put_claim(claims, "scope", grant->scope != NULL ? grant->scope : everything, err) &&
           issuer_mint(control, arena, claims, token, err);
}

bool issuer_federated_token(struct control *control, struct arena *arena,
                            const struct token_grant *grant, const json_t *sets,
                            struct slice *token, struct error *err)
{
    auto_json *claims = json_object();
    if (json_array_size(sets) > 0) {
        json_object_set_new(claims, "homerun_sets", json_deep_copy(sets));
    }
    return base_claims(claims, grant, err) && put_claim(claims, "homerun_use", "federated", err) &&
           put_claim(claims, "aud", control->issuer_url, err) &&
           put_claim(claims, "scope", grant->scope, err) &&
           issuer_mint(control, arena, claims, token, err);
}

bool issuer_id_token(struct control *control, struct arena *arena, const struct token_grant *grant,
                     struct slice *token, struct error *err)
{
    auto_json *claims = json_object();
    if (!base_claims(claims, grant, err) || !put_claim(claims, "aud", grant->audience, err) ||
        !put_claim(claims, "azp", grant->sub, err) ||
        (grant->nonce != NULL && !put_claim(claims, "nonce", grant->nonce, err))) {
        return false;
    }
    if (!grant->without_email) {
        json_object_set_new(claims, "email_verified", json_true());
        if (!put_claim(claims, "email", grant->email, err)) {
            return false;
        }
    }
    return issuer_mint(control, arena, claims, token, err);
}

bool issuer_refresh_token(struct control *control, struct arena *arena,
                          const struct token_grant *grant, struct slice *token, struct error *err)
{
    struct token_grant lasting = *grant;
    lasting.seconds = REFRESH_SECONDS;
    auto_json *claims = json_object();
    return base_claims(claims, &lasting, err) && put_claim(claims, "homerun_use", "refresh", err) &&
           put_claim(claims, "email", grant->email, err) &&
           issuer_mint(control, arena, claims, token, err);
}

bool issuer_agent_token(struct control *control, struct arena *arena,
                        const struct agent_token *agent, struct slice *token, struct error *err)
{
    const struct token_grant grant = {.sub = agent->sub, .seconds = AGENT_TOKEN_SECONDS};
    auto_json *claims = json_object();
    json_object_set_new(claims, "aud", json_pack("[s]", agent->resource));
    return base_claims(claims, &grant, err) && put_claim(claims, "homerun_use", "agent", err) &&
           put_claim(claims, "iss", settings_own_url(&control->settings, arena, "auth"), err) &&
           put_claim(claims, "client_id", agent->client, err) &&
           put_claim(claims, "sid", agent->sid, err) &&
           put_claim(claims, "scope", agent->scope, err) &&
           put_claim(claims, "jti", arena_string(arena, ticket_new(arena)), err) &&
           sign(control, arena, "at+jwt", claims, token, err);
}
