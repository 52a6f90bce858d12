/*
 * What agents ask for themselves: what there is (RFC 8414), to be registered (RFC 7591), tokens
 * (RFC 6749, 7636, 8707), and the end of one (RFC 7009). Pages of any origin may ask: none of this
 * goes by a cookie.
 */
#include "control/front/agents.h"
#include "control/front/agents_inside.h"
#include "control/front/door_inside.h"
#include "control/identity/agent_documents.h"
#include "control/identity/issuer.h"
#include "control/identity/issuer_mint.h"

/* ---- answers ---- */

static void reply(struct api_call *call, int status, json_t *body)
{
    const struct api_header headers[] = {
        {"cache-control", "no-store"},
        {"access-control-allow-origin", "*"},
        {"x-content-type-options", "nosniff"},
        {"retry-after", "60"}, /* what is counted is counted by the minute */
    };
    auto_json *owned = body;
    api_reply_with(call, status, "application/json; charset=UTF-8",
                   owned == NULL ? SLICE("") : json_write(&call->arena, owned), headers,
                   status == 429 ? 4 : 3);
}

static void refuse(struct api_call *call, int status, const char *code, const char *text)
{
    reply(call, status, json_pack("{s:s, s:s}", "error", code, "error_description", text));
}

static void fail(struct api_call *call, const struct error *err)
{
    bool full = err->status == STATUS_RESOURCE_EXHAUSTED;
    refuse(call, full ? 429 : 503, "temporarily_unavailable", err->text);
}

static void preflight(struct api_call *call)
{
    const struct api_header headers[] = {
        {"access-control-allow-origin", "*"},
        {"access-control-allow-methods", "GET, POST"},
        {"access-control-allow-headers", "Content-Type, MCP-Protocol-Version"},
        {"access-control-max-age", "600"},
    };
    api_reply_with(call, 204, "text/plain", SLICE(""), headers, 4);
}

/* ---- what there is ---- */

static void metadata_get(struct api_call *call)
{
    const char *auth = door_auth_url(call);
    const struct {
        const char *name, *path;
    } places[] = {
        {"authorization_endpoint", "/authorize"}, {"token_endpoint", "/token"},
        {"registration_endpoint", "/register"},   {"revocation_endpoint", "/revoke"},
        {"jwks_uri", "/oauth2/v3/certs"},
    };
    json_t *body =
        json_pack("{s:s, s:[s], s:[s,s], s:[s], s:[s], s:[s], s:b, s:b, s:[s], s:[s], s:[s,s]}",
                  "issuer", auth, "response_types_supported", "code", "grant_types_supported",
                  "authorization_code", "refresh_token", "code_challenge_methods_supported", "S256",
                  "token_endpoint_auth_methods_supported", "none",
                  "revocation_endpoint_auth_methods_supported", "none",
                  "authorization_response_iss_parameter_supported", 1,
                  "client_id_metadata_document_supported", agent_documents_on(call->control),
                  "subject_types_supported", "public", "id_token_signing_alg_values_supported",
                  "RS256", "scopes_supported", "openid", "email");
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        json_object_set_new(body, places[i].name,
                            json_string(arena_printf(&call->arena, "%s%s", auth, places[i].path)));
    }
    reply(call, 200, body);
}

static void keys_get(struct api_call *call)
{
    const struct api_header headers[] = {{"access-control-allow-origin", "*"}};
    api_reply_with(call, 200, "application/json; charset=UTF-8", call->control->issuer->jwks,
                   headers, 1);
}

/* ---- registration ---- */

static void register_post(struct api_call *call)
{
    struct agent_refusal refusal;
    json_t *answer = agent_client_register(call, call->body, &refusal);
    if (answer == NULL) {
        refuse(call, refusal.status, refusal.code, refusal.text);
        return;
    }
    reply(call, 201, answer);
}

/* ---- tokens ---- */

/* What all forms of programs have in common; the call has been answered if false. */
static bool client_of_form(struct api_call *call, struct agent_client *client)
{
    struct slice id, secret;
    if (!agent_parameter(call, call->raw_body, "client_id", &id) || id.len == 0) {
        refuse(call, 400, "invalid_request",
               "The form has no client_id of its own. Clients here have no secret: they send their "
               "ID in the form (token_endpoint_auth_method none).");
        return false;
    }
    if (!agent_parameter(call, call->raw_body, "client_secret", &secret) ||
        !agent_client_find(call->control, id, client)) {
        refuse(call, 401, "invalid_client", "No such client is registered here, or no longer.");
        return false;
    }
    return true;
}

static void reply_tokens(struct api_call *call, const struct agent_tokens *tokens)
{
    json_t *body =
        json_pack("{s:o, s:s, s:i, s:o}", "access_token", json_slice(tokens->access), "token_type",
                  "Bearer", "expires_in", AGENT_TOKEN_SECONDS, "scope", json_slice(tokens->scope));
    if (tokens->refresh.len > 0) {
        json_object_set_new(body, "refresh_token", json_slice(tokens->refresh));
    }
    reply(call, 200, body);
}

static void by_code(struct api_call *call, const struct agent_client *client)
{
    struct slice body = call->raw_body, resource;
    struct agent_code_form form = {.client = client->id};
    struct agent_request request;
    struct session_key key;
    struct agent_tokens tokens;
    auto_session parent = {0};
    struct error err;
    if (!agent_parameter(call, body, "code", &form.code) ||
        !agent_parameter(call, body, "redirect_uri", &form.redirect) ||
        !agent_parameter(call, body, "code_verifier", &form.verifier) ||
        !agent_parameter(call, body, "resource", &resource)) {
        refuse(call, 400, "invalid_request", "A parameter is broken, or stands there twice.");
        return;
    }
    if (!agent_code_redeem(call, &form, &request, &parent, &err)) {
        refuse(call, 400, "invalid_grant", err.text);
        return;
    }
    if (resource.len > 0 && !slice_equal(resource, request.resource)) {
        agent_code_burn(call, request.code);
        refuse(call, 400, "invalid_target", "The person has said yes for another resource.");
        return;
    }
    if (!agent_grant_begin(call, &parent, client, &request, &tokens, &key, &err)) {
        fail(call, &err);
        return;
    }
    reply_tokens(call, &tokens);
}

static void by_refresh_token(struct api_call *call, const struct agent_client *client)
{
    struct slice refresh, resource;
    struct agent_tokens tokens;
    bool wrong_resource;
    struct error err;
    if (!agent_parameter(call, call->raw_body, "refresh_token", &refresh) ||
        !agent_parameter(call, call->raw_body, "resource", &resource)) {
        refuse(call, 400, "invalid_request",
               "refresh_token or resource is broken, or stands there twice.");
        return;
    }
    switch (agent_grant_renew(call, client, refresh, resource, &tokens, &wrong_resource, &err)) {
    case AGENT_RENEWED:
        reply_tokens(call, &tokens);
        return;
    case AGENT_ENDED:
        if (wrong_resource) {
            refuse(call, 400, "invalid_target", "The person has said yes for another resource.");
            return;
        }
        refuse(call, 400, "invalid_grant",
               "The token is not known, was used before, or its person has ended it or signed "
               "out; or their sign-in is over, which lasts an hour where their identity provider "
               "gives no refresh token. Begin again at the authorization endpoint.");
        return;
    case AGENT_TOO_OFTEN:
        refuse(call, 429, "temporarily_unavailable",
               "Ten refresh tokens of this consent were used within a minute. Access tokens live "
               "for ten: wait a minute, and use this one then.");
        return;
    case AGENT_FAILED:
        fail(call, &err);
        return;
    }
}

static void token_post(struct api_call *call)
{
    static const struct {
        const char *grant;
        void (*handle)(struct api_call *call, const struct agent_client *client);
    } grants[] = {
        {"authorization_code", by_code},
        {"refresh_token", by_refresh_token},
    };
    auto_agent_client client = {0};
    struct slice grant;
    if (!agent_parameter(call, call->raw_body, "grant_type", &grant) || grant.len == 0) {
        refuse(call, 400, "invalid_request", "The form has no single grant_type.");
        return;
    }
    for (size_t i = 0; i < sizeof(grants) / sizeof(grants[0]); i++) {
        if (slice_is(grant, grants[i].grant)) {
            if (client_of_form(call, &client)) {
                grants[i].handle(call, &client);
            }
            return;
        }
    }
    refuse(call, 400, "unsupported_grant_type",
           "Agents come by authorization_code and refresh_token.");
}

/* The end of a token is the end of all that came from the same consent. */
static void revoke_post(struct api_call *call)
{
    auto_agent_client client = {0};
    struct session_key key;
    struct slice token;
    struct error err;
    if (!client_of_form(call, &client)) {
        return;
    }
    if (!agent_parameter(call, call->raw_body, "token", &token) || token.len == 0) {
        refuse(call, 400, "invalid_request", "The form has no single token.");
        return;
    }
    if (agent_grant_of_token(call, token, client.id, &key) &&
        !agent_grant_end(call, &key, "end-agent-by-itself", &err)) {
        fail(call, &err);
        return;
    }
    reply(call, 200, NULL); /* of a token that is none of its, too (RFC 7009 section 2.2) */
}

#define METHOD "homerun.v1.Agents."
#define OPEN   NULL, NULL, API_ANONYMOUS | API_ON_AUTH
#define PAGES_OF_ANY_ORIGIN(path)                                                                  \
    {                                                                                              \
        "OPTIONS", path, OPEN | API_NO_BODY, preflight, METHOD "Preflight"                         \
    }

const struct api_route agent_token_routes[] = {
    {"GET", "/.well-known/oauth-authorization-server", OPEN | API_NO_BODY, metadata_get,
     METHOD "Metadata"},
    {"GET", "/.well-known/openid-configuration", OPEN | API_NO_BODY, metadata_get,
     METHOD "Metadata"},
    {"GET", "/oauth2/v3/certs", OPEN | API_NO_BODY, keys_get, METHOD "Keys"},
    {"POST", "/register", OPEN, register_post, METHOD "Register"},
    {"POST", "/token", OPEN | API_FORM, token_post, METHOD "Token"},
    {"POST", "/revoke", OPEN | API_FORM, revoke_post, METHOD "Revoke"},
    PAGES_OF_ANY_ORIGIN("/.well-known/oauth-authorization-server"),
    PAGES_OF_ANY_ORIGIN("/.well-known/openid-configuration"),
    PAGES_OF_ANY_ORIGIN("/oauth2/v3/certs"),
    PAGES_OF_ANY_ORIGIN("/register"),
    PAGES_OF_ANY_ORIGIN("/token"),
    PAGES_OF_ANY_ORIGIN("/revoke"),
};
const size_t agent_token_route_count = sizeof(agent_token_routes) / sizeof(agent_token_routes[0]);
