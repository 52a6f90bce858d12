/*
 * sts.googleapis.com/v1 (RFC 8693), and the question what such a token is (RFC 7662). Anybody may
 * ask: what counts is the token that they show. Errors are RFC 6749 section 5.2.
 */
#include "control/api/sts.h"

#include "control/identity/federation.h"
#include "control/identity/federation_keys.h"
#include "control/identity/issuer_believe.h"
#include "control/identity/issuer_mint.h"
#include "http/query.h"

#define GRANT      "urn:ietf:params:oauth:grant-type:"
#define TOKEN_TYPE "urn:ietf:params:oauth:token-type:"

static void refuse(struct api_call *call, const char *code, const char *description)
{
    api_reply_status(call, 400,
                     json_pack("{s:s, s:s}", "error", code, "error_description", description));
}

/* ---- what was asked: a form, or the JSON of Google's description ---- */

struct asked {
    const char *grant, *audience, *scope, *requested, *subject, *subject_type, *options, *actor;
};

/* "" where it is absent. A name that is said twice is refused (RFC 6749 section 3.2). */
static bool take(struct api_call *call, const json_t *json, const char *snake, const char *camel,
                 const char **out)
{
    struct slice value;
    *out = "";
    if (json != NULL) {
        const json_t *of_camel = json_object_get(json, camel);
        const json_t *one = of_camel != NULL ? of_camel : json_object_get(json, snake);
        *out =
            json_is_string(one) ? arena_string(&call->arena, slice_of(json_string_value(one))) : "";
        return one == NULL || json_is_string(one);
    }
    struct slice rest = call->raw_body;
    struct slice part;
    size_t count = 0;
    while (slice_cut(&rest, '&', &part)) {
        struct slice name = part;
        slice_cut(&part, '=', &name);
        count += slice_is(name, snake);
    }
    if (count == 1 && url_query_find(&call->arena, call->raw_body, snake, &value)) {
        *out = arena_string(&call->arena, value);
    }
    return count <= 1;
}

static bool read_asked(struct api_call *call, struct asked *out)
{
    const struct {
        const char *snake, *camel;
        const char **to;
    } parts[] = {
        {"grant_type", "grantType", &out->grant},
        {"audience", "audience", &out->audience},
        {"scope", "scope", &out->scope},
        {"requested_token_type", "requestedTokenType", &out->requested},
        {"subject_token", "subjectToken", &out->subject},
        {"subject_token_type", "subjectTokenType", &out->subject_type},
        {"options", "options", &out->options},
        {"actor_token", "actorToken", &out->actor},
    };
    bool is_json = slice_starts(slice_trim(call->raw_body), SLICE("{"));
    auto_json *json = is_json ? json_read(call->raw_body, NULL) : NULL;
    if (is_json ? json == NULL : !url_query_whole(&call->arena, call->raw_body)) {
        refuse(call, "invalid_request", "The form has a broken escape, or a NUL, or is no JSON.");
        return false;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!take(call, json, parts[i].snake, parts[i].camel, parts[i].to)) {
            refuse(call, "invalid_request",
                   arena_printf(&call->arena, "%s is said twice, or is no text.", parts[i].snake));
            return false;
        }
    }
    return true;
}

/* Options narrow what a token is good for: one that is not kept would make it good for more. Only
 * the project that is to be billed may be said, for nobody is. */
static bool options_are_empty(const char *options)
{
    if (options[0] == '\0') {
        return true;
    }
    auto_json *read = json_read(slice_of(options), NULL);
    const char *name;
    json_t *value;
    if (!json_is_object(read)) {
        return false;
    }
    json_object_foreach(read, name, value)
    {
        if (strcmp(name, "userProject") != 0) {
            return false;
        }
    }
    return true;
}

static bool check_asked(struct api_call *call, const struct asked *asked)
{
    const struct {
        bool wrong;
        const char *code, *text;
    } rules[] = {
        {asked->grant[0] == '\0', "invalid_request", "The form has no grant_type."},
        {strcmp(asked->grant, GRANT "token-exchange") != 0, "unsupported_grant_type",
         "This endpoint knows " GRANT "token-exchange."},
        {asked->requested[0] != '\0' && strcmp(asked->requested, TOKEN_TYPE "access_token") != 0,
         "invalid_request",
         "requested_token_type: only " TOKEN_TYPE "access_token can be had; access boundaries are "
         "not in Homerun."},
        {asked->subject[0] == '\0', "invalid_request", "The form has no subject_token."},
        {strcmp(asked->subject_type, TOKEN_TYPE "jwt") != 0 &&
             strcmp(asked->subject_type, TOKEN_TYPE "id_token") != 0,
         "invalid_request",
         "subject_token_type: Homerun takes " TOKEN_TYPE "jwt and " TOKEN_TYPE
         "id_token; AWS requests, SAML assertions, client certificates and access tokens are not "
         "exchanged."},
        {asked->actor[0] != '\0', "invalid_request", "actor_token: Homerun knows no delegation."},
        {!options_are_empty(asked->options), "invalid_request",
         "options: Homerun knows userProject alone; access boundaries are not there."},
        {asked->scope[0] == '\0', "invalid_scope", "The form has no scope."},
        {!text_is_plain(slice_of(asked->scope)), "invalid_scope", "The scope is no plain text."},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].wrong) {
            refuse(call, rules[i].code, rules[i].text);
            return false;
        }
    }
    return true;
}

/* ---- exchanging ---- */

/* Files end with a newline, and clients send them as they are. */
static struct slice without_newline(struct slice text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL) {
        text.len--;
    }
    return slice_trim(text);
}

static void exchange_again(void *ctx);

static void answer(struct api_call *call, const struct federation *federation,
                   const struct federated *who, const char *scope)
{
    struct error err;
    struct slice token;
    struct token_grant grant = {
        .sub = who->member,
        .user_key = federation_handle(&call->arena, federation),
        .scope = scope,
    };
    if (!issuer_federated_token(call->control, &call->arena, &grant, who->sets, &token, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:o, s:s, s:s, s:i}", "access_token", json_slice(token),
                              "issued_token_type", TOKEN_TYPE "access_token", "token_type",
                              "Bearer", "expires_in", TOKEN_SECONDS - 1));
}

/* MAY_WAIT: an unknown key may be asked for. */
static void exchange_token(struct api_call *call, bool may_wait)
{
    struct error err;
    struct asked asked;
    struct federated who;
    auto_federation federation = {0};
    if (!read_asked(call, &asked) || !check_asked(call, &asked)) {
        return;
    }
    struct slice audience = slice_of(asked.audience);
    if (!slice_starts(audience, SLICE("//")) ||
        !federation_find(call->control, &call->arena, slice_from(audience, 2), &federation)) {
        refuse(call, "invalid_target",
               "The target service indicated by the \"audience\" parameters is invalid. This might "
               "either be because the pool or provider is disabled or deleted or because it "
               "doesn't exist.");
        return;
    }
    struct slice subject = without_newline(slice_of(asked.subject));
    enum token_fault fault = federation_believe(&call->arena, &federation, subject, &who, &err);
    if (fault == TOKEN_UNKNOWN_KEY && may_wait &&
        federation_keys_fetch(call->control, &call->arena, &federation, exchange_again, call)) {
        return;
    }
    if (fault != TOKEN_OK) {
        refuse(call,
               err.status == STATUS_PERMISSION_DENIED ? "unauthorized_client" : "invalid_grant",
               err.text);
        return;
    }
    answer(call, &federation, &who, asked.scope);
    json_decref(who.sets);
}

static void exchange_again(void *ctx)
{
    exchange_token(ctx, false);
}

static void token_post(struct api_call *call)
{
    exchange_token(call, true);
}

/* ---- what a token is ---- */

/* gcloud asks, to know under which name to keep it. Who does not hold a token learns nothing. */
static void introspect_post(struct api_call *call)
{
    struct token token;
    struct caller caller;
    struct error err;
    struct slice text;
    if (!url_query_find(&call->arena, call->raw_body, "token", &text)) {
        refuse(call, "invalid_request", "The form has no token.");
        return;
    }
    if (!issuer_believe(call->control, &call->arena, text, "federated", &token, &err) ||
        !federation_caller(call->control, &call->arena, &token, &caller)) {
        api_reply(call, json_pack("{s:b}", "active", 0));
        return;
    }
    api_reply(call, json_pack("{s:b, s:o, s:o, s:o, s:I, s:I, s:s}", "active", 1, "username",
                              json_slice(caller.member), "sub", json_slice(caller.sub), "scope",
                              json_slice(token.scope), "exp", (json_int_t)token.exp, "iat",
                              (json_int_t)token.iat, "token_type", "Bearer"));
}

const struct api_route sts_routes[] = {
    {"POST", "/v1/token", NULL, NULL, API_ANONYMOUS | API_FORM, token_post, "sts.v1.Token"},
    {"POST", "/v1/introspect", NULL, NULL, API_ANONYMOUS | API_FORM, introspect_post,
     "sts.v1.Introspect"},
};
const size_t sts_route_count = sizeof(sts_routes) / sizeof(sts_routes[0]);
