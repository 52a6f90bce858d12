/*
 * The token endpoint (RFC 6749, RFC 7523) and OpenID discovery: what key files, refresh tokens and
 * verifiers need. Errors are RFC 6749 section 5.2.
 */
#include "control/api/oauth.h"

#include "base/clock.h"
#include "control/identity/account_keys.h"
#include "control/identity/accounts.h"
#include "control/identity/agent_grants.h"
#include "control/identity/gcloud_login.h"
#include "control/identity/issuer.h"
#include "control/identity/issuer_believe.h"
#include "control/identity/issuer_mint.h"
#include "control/publish/nodes.h"
#include "http/query.h"
#include "ipc/signer_client.h"

/* Google's token endpoint: its clients name it as the audience whatever URL they send to.
 */
static const char google_token_url[] = "https://oauth2.googleapis.com/token";

static const char *form(struct api_call *call, const char *name)
{
    struct slice value;
    if (!url_query_find(&call->arena, call->raw_body, name, &value)) {
        return NULL;
    }
    return arena_string(&call->arena, value);
}

static void refuse(struct api_call *call, const char *code, const char *description)
{
    api_reply_status(call, 400,
                     json_pack("{s:s, s:s}", "error", code, "error_description", description));
}

/* Key files name the node that made them; a balancer brings their assertions to any. */
static bool is_token_url(void *ctx, const char *url)
{
    struct slice audience = *(const struct slice *)ctx;
    return slice_starts(audience, slice_of(url)) &&
           slice_is(slice_from(audience, strlen(url)), "/token");
}

static bool audience_is_ours(const struct api_call *call, const struct token *token)
{
    const struct control *control = call->control;
    auto_arena arena = {0};
    const char *ours[] = {
        google_token_url,
        "https://accounts.google.com/o/oauth2/token",
        "https://www.googleapis.com/oauth2/v4/token",
        control->url,
        control->issuer_url,
        arena_printf(&arena, "%s/token", control->url),
        arena_printf(&arena, "%s/token", control->issuer_url),
        arena_printf(&arena, "%s/token", control->settings.api_url),
    };
    for (size_t i = 0; i < token->audience_count; i++) {
        for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++) {
            if (slice_is(token->audiences[i], ours[k])) {
                return true;
            }
        }
        struct slice audience = token->audiences[i];
        if (nodes_any_url(control, is_token_url, &audience)) {
            return true;
        }
    }
    return false;
}

static json_t *access_answer(struct api_call *call, const struct token_grant *grant,
                             struct error *err)
{
    struct slice token;
    if (!issuer_access_token(call->control, &call->arena, grant, &token, err)) {
        return NULL;
    }
    return json_pack("{s:o, s:i, s:s}", "access_token", json_slice(token), "expires_in",
                     TOKEN_SECONDS - 1, "token_type", "Bearer");
}

/* An ID token where the assertion names an audience for one, else an access token. */
static json_t *assertion_answer(struct api_call *call, const struct account *account,
                                const struct token *token, struct error *err)
{
    struct slice id_token;
    struct token_grant grant = {
        .sub = account->sub,
        .email = account->email,
        .user_key = arena_string(&call->arena, token->kid),
        .scope = token->scope.len > 0 ? arena_string(&call->arena, token->scope) : NULL,
    };
    if (token->target_audience.len == 0) {
        return access_answer(call, &grant, err);
    }
    grant.audience = arena_string(&call->arena, token->target_audience);
    if (!issuer_id_token(call->control, &call->arena, &grant, &id_token, err)) {
        return NULL;
    }
    return json_pack("{s:o}", "id_token", json_slice(id_token));
}

static void jwt_bearer(struct api_call *call)
{
    struct control *control = call->control;
    struct token token;
    struct account account;
    struct error err;
    const char *assertion = form(call, "assertion");
    if (assertion == NULL) {
        refuse(call, "invalid_request", "The form has no assertion.");
        return;
    }
    if (token_parse(&call->arena, slice_of(assertion), &token) != TOKEN_OK || token.iss.len == 0) {
        refuse(call, "invalid_grant", "Invalid JWT: it is malformed.");
        return;
    }
    if (!account_by_email(control, &call->arena, token.iss, &account)) {
        refuse(call, "invalid_grant", "Invalid grant: account not found");
        return;
    }
    if (!account_verify(control, &call->arena, &account, &token)) {
        refuse(call, "invalid_grant", "Invalid JWT Signature.");
        return;
    }
    if (!issuer_assertion_lives(&token)) {
        refuse(call, "invalid_grant",
               "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
               "timeframe. Check the iat and exp values, and this machine's clock.");
        return;
    }
    if (!audience_is_ours(call, &token)) {
        refuse(call, "invalid_grant",
               arena_printf(&call->arena,
                            "Invalid JWT: its audience is not a token endpoint. This server's is "
                            "%s/token: a key file from before it had another port says otherwise "
                            "in token_uri.",
                            control->url));
        return;
    }
    if (token.sub.len > 0 && !slice_equal(token.sub, token.iss) &&
        !slice_is(token.sub, account.sub)) {
        refuse(call, "unauthorized_client",
               "Client is unauthorized to retrieve access tokens using this method, or client not "
               "authorized for any of the scopes requested: nobody here acts for a whole domain.");
        return;
    }
    json_t *answer = assertion_answer(call, &account, &token, &err);
    if (answer != NULL) {
        api_reply(call, answer);
    } else if (err.status == STATUS_INVALID_ARGUMENT) {
        refuse(call, "invalid_request", err.text);
    } else {
        api_fail(call, &err);
    }
}

/* The account that a token of ours was made for, if it and the key between still count. */
static bool live_account(struct api_call *call, const struct token *token, struct account *out)
{
    struct control *control = call->control;
    return account_by_sub(control, &call->arena, token->sub, out) && !out->disabled &&
           issuer_session_stands(control, &call->arena, token) &&
           (token->user_key.len == 0 ||
            account_key_enabled(control, &call->arena, out, token->user_key));
}

static void reply_gcloud(struct api_call *call, const struct gcloud_tokens *tokens)
{
    /* Without "scope": gcloud ends with an error where it differs from what it asked for. */
    json_t *answer =
        json_pack("{s:o, s:i, s:s, s:o}", "access_token", json_slice(tokens->access), "expires_in",
                  TOKEN_SECONDS - 1, "token_type", "Bearer", "id_token", json_slice(tokens->id));
    if (tokens->refresh.len > 0) {
        json_object_set_new(answer, "refresh_token", json_slice(tokens->refresh));
    }
    api_reply(call, answer);
}

static struct slice form_slice(struct api_call *call, const char *name)
{
    struct slice value = SLICE_NONE;
    url_query_find(&call->arena, call->raw_body, name, &value);
    return value;
}

/* `gcloud auth login`: its client is a public one, whatever secret it sends. PKCE protects it. */
static void by_code(struct api_call *call)
{
    const struct agent_code_form given = {
        .client = form_slice(call, "client_id"),
        .code = form_slice(call, "code"),
        .redirect = form_slice(call, "redirect_uri"),
        .verifier = form_slice(call, "code_verifier"),
    };
    struct agent_request request;
    struct session_key key;
    struct gcloud_tokens tokens;
    auto_session parent = {0};
    struct error err;
    if (!slice_is(given.client, GCLOUD_LOGIN_CLIENT)) {
        refuse(call, "unauthorized_client",
               "Codes are given here to gcloud alone. Agents redeem theirs at the auth host.");
        return;
    }
    if (!agent_code_redeem(call, &given, &request, &parent, &err)) {
        refuse(call, "invalid_grant", err.text);
        return;
    }
    if (!gcloud_login_begin(call, &parent, &request, &tokens, &key, &err)) {
        api_fail(call, &err);
        return;
    }
    reply_gcloud(call, &tokens);
}

static void refresh_gcloud(struct api_call *call, struct slice text)
{
    struct gcloud_tokens tokens;
    struct error err;
    if (gcloud_login_renew(call, text, &tokens, &err)) {
        reply_gcloud(call, &tokens);
    } else if (err.status == STATUS_UNAUTHENTICATED) {
        refuse(call, "invalid_grant", "Token has been expired or revoked.");
    } else {
        api_fail(call, &err);
    }
}

static void refresh(struct api_call *call)
{
    struct control *control = call->control;
    struct token token;
    struct account account;
    struct error err;
    struct slice id_token;
    const char *text = form(call, "refresh_token");
    if (text == NULL) {
        refuse(call, "invalid_request", "The form has no refresh_token.");
        return;
    }
    if (ticket_is_whole(slice_of(text))) {
        refresh_gcloud(call, slice_of(text));
        return;
    }
    if (!issuer_believe(control, &call->arena, slice_of(text), "refresh", &token, &err) ||
        !live_account(call, &token, &account)) {
        refuse(call, "invalid_grant", "Token has been expired or revoked.");
        return;
    }
    struct token_grant grant = {
        .sub = account.sub,
        .email = account.email,
        .user_key = arena_string(&call->arena, token.user_key),
        .audience = GCLOUD_CLIENT_ID,
    };
    auto_json *answer = access_answer(call, &grant, &err);
    if (answer == NULL || !issuer_id_token(control, &call->arena, &grant, &id_token, &err)) {
        api_fail(call, &err);
        return;
    }
    /* Without it `gcloud auth print-identity-token` is dead for users. */
    json_object_set_new(answer, "id_token", json_slice(id_token));
    api_reply(call, json_steal(&answer));
}

static void token_post(struct api_call *call)
{
    static const struct {
        const char *grant;
        void (*handle)(struct api_call *call);
    } grants[] = {
        {"urn:ietf:params:oauth:grant-type:jwt-bearer", jwt_bearer},
        {"refresh_token", refresh},
        {"authorization_code", by_code},
    };
    const char *grant = form(call, "grant_type");
    if (!url_query_whole(&call->arena, call->raw_body)) {
        refuse(call, "invalid_request", "The form has a broken escape, or a NUL.");
        return;
    }
    for (size_t i = 0; grant != NULL && i < sizeof(grants) / sizeof(grants[0]); i++) {
        if (strcmp(grants[i].grant, grant) == 0) {
            grants[i].handle(call);
            return;
        }
    }
    refuse(call, grant == NULL ? "invalid_request" : "unsupported_grant_type",
           grant == NULL ? "The form has no grant_type."
                         : "This server knows jwt-bearer, refresh_token and authorization_code.");
}

static void discovery_get(struct api_call *call)
{
    const char *base = call->control->url;
    api_reply(call,
              json_pack("{s:s, s:o, s:o, s:[s], s:[s], s:[s], s:[s,s,s,s,s,s,s]}", "issuer",
                        call->control->issuer_url, "token_endpoint",
                        json_string(arena_printf(&call->arena, "%s/token", base)), "jwks_uri",
                        json_string(arena_printf(&call->arena, "%s/oauth2/v3/certs", base)),
                        "response_types_supported", "id_token", "subject_types_supported", "public",
                        "id_token_signing_alg_values_supported", "RS256", "claims_supported", "aud",
                        "email", "email_verified", "exp", "iat", "iss", "sub"));
}

/* The keys of the doors' assertions, in the two forms in which Google publishes its own. */
static void door_keys_get(struct api_call *call, bool as_jwks)
{
    struct control *control = call->control;
    struct slice both, pems;
    struct error err;
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_DOOR_KEYS, SLICE_NONE,
                     &call->arena, &both, NULL, &err) ||
        (!slice_cut(&both, '\0', &pems) &&
         !error_set(&err, STATUS_INTERNAL, "the signer's answer is empty"))) {
        api_fail(call, &err);
        return;
    }
    api_reply_text(call, 200, "application/json; charset=UTF-8", as_jwks ? both : pems);
}

static void door_pems_get(struct api_call *call)
{
    door_keys_get(call, false);
}

static void door_jwks_get(struct api_call *call)
{
    door_keys_get(call, true);
}

static void jwks_get(struct api_call *call)
{
    api_reply_text(call, 200, "application/json; charset=UTF-8", call->control->issuer->jwks);
}

static void userinfo_get(struct api_call *call)
{
    if (call->caller.federated) {
        api_reply(call, json_pack("{s:o}", "sub", json_slice(call->caller.sub)));
        return;
    }
    api_reply(call, json_pack("{s:o, s:o, s:b}", "sub", json_slice(call->caller.sub), "email",
                              json_slice(call->caller.email), "email_verified", 1));
}

static const char *query_or_form(struct api_call *call, const char *name)
{
    const char *text = api_query(call, name);
    return text != NULL ? text : form(call, name);
}

/* What a token is, for clients that ask (google-auth does): while it is good, by query or form. */
static void tokeninfo(struct api_call *call)
{
    struct token token;
    struct account account;
    struct error err;
    const char *access = query_or_form(call, "access_token");
    const char *identity = access != NULL ? NULL : query_or_form(call, "id_token");
    const char *text = access != NULL ? access : identity;
    const char *use = access != NULL ? "access" : ""; /* ID tokens name none */
    if (text == NULL ||
        !issuer_believe(call->control, &call->arena, slice_of(text), use, &token, &err) ||
        !live_account(call, &token, &account)) {
        refuse(call, "invalid_token", "Invalid Value");
        return;
    }
    int64_t left = token.exp - clock_wall_us() / 1000000;
    json_t *answer =
        json_pack("{s:o, s:o, s:I, s:s}", "aud",
                  json_slice(token.audience_count > 0 ? token.audiences[0] : SLICE_NONE), "sub",
                  json_slice(token.sub), "expires_in", (json_int_t)left, "exp",
                  arena_printf(&call->arena, "%lld", (long long)token.exp));
    if (token.email.len > 0) {
        json_object_set_new(answer, "email", json_slice(token.email));
        json_object_set_new(answer, "email_verified", json_string("true"));
    }
    if (access != NULL) {
        json_object_set_new(answer, "scope", json_slice(token.scope));
    } else {
        json_object_set_new(answer, "iss", json_slice(token.iss));
        json_object_set_new(answer, "azp", json_slice(token.azp));
    }
    api_reply(call, answer);
}

const struct api_route oauth_routes[] = {
    {"POST", "/token", NULL, NULL, API_ANONYMOUS | API_FORM, token_post, "oauth2.Token"},
    {"POST", "/oauth2/v4/token", NULL, NULL, API_ANONYMOUS | API_FORM, token_post, "oauth2.Token"},
    {"GET", "/.well-known/openid-configuration", NULL, NULL, API_ANONYMOUS, discovery_get,
     "openid.Configuration"},
    {"GET", "/oauth2/v3/certs", NULL, NULL, API_ANONYMOUS, jwks_get, "openid.Keys"},
    {"GET", "/iap/verify/public_key", NULL, NULL, API_ANONYMOUS | API_NO_BODY, door_pems_get,
     "iap.PublicKeys"},
    {"GET", "/iap/verify/public_key-jwk", NULL, NULL, API_ANONYMOUS | API_NO_BODY, door_jwks_get,
     "iap.PublicKeySet"},
    {"GET", "/oauth2/v3/userinfo", NULL, NULL, API_SELF_CHECKED, userinfo_get, "openid.UserInfo",
     .why = API_WHY_SELF},
    {"POST", "/oauth2/v3/userinfo", NULL, NULL, API_SELF_CHECKED | API_NO_BODY, userinfo_get,
     "openid.UserInfo", .why = API_WHY_SELF},
    {"GET", "/v1/userinfo", NULL, NULL, API_SELF_CHECKED, userinfo_get, "openid.UserInfo",
     .why = API_WHY_SELF},
    {"POST", "/v1/userinfo", NULL, NULL, API_SELF_CHECKED | API_NO_BODY, userinfo_get,
     "openid.UserInfo", .why = API_WHY_SELF},
    {"GET", "/tokeninfo", NULL, NULL, API_ANONYMOUS, tokeninfo, "oauth2.TokenInfo"},
    {"GET", "/oauth2/v3/tokeninfo", NULL, NULL, API_ANONYMOUS, tokeninfo, "oauth2.TokenInfo"},
    {"POST", "/tokeninfo", NULL, NULL, API_ANONYMOUS | API_FORM, tokeninfo, "oauth2.TokenInfo"},
};
const size_t oauth_route_count = sizeof(oauth_routes) / sizeof(oauth_routes[0]);
