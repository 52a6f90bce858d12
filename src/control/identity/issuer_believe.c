#include "control/identity/issuer_believe.h"

#include "base/clock.h"
#include "control/identity/account_keys.h"
#include "control/identity/accounts.h"
#include "control/identity/federation.h"
#include "control/identity/issuer.h"
#include "control/identity/issuer_mint.h"
#include "control/identity/sessions.h"
#include "control/publish/nodes.h"
#include "http/url.h"

static const struct trust_key *find_key(const struct issuer *issuer, struct slice kid)
{
    for (size_t i = 0; i < issuer->count; i++) {
        if (slice_equal(issuer->keys[i].kid, kid)) {
            return issuer->public_keys[i];
        }
    }
    return NULL;
}

static bool refuse(struct error *err, const char *why)
{
    return error_set(err, STATUS_UNAUTHENTICATED,
                     "Request had invalid authentication credentials: %s. Expected an OAuth 2 "
                     "access token of this Homerun; `homerun token access` prints one.",
                     why);
}

static enum token_fault verify_time(const struct token *token, const char *use)
{
    int64_t now = clock_wall_us() / 1000000;
    if (strcmp(use, "refresh") != 0) {
        return token_verify_time(token, now);
    }
    return token->exp > now ? TOKEN_OK : TOKEN_EXPIRED; /* these live for years, by our own word */
}

bool issuer_believe(struct control *control, struct arena *arena, struct slice text,
                    const char *use, struct token *out, struct error *err)
{
    if (token_parse(arena, text, out) != TOKEN_OK) {
        return refuse(err, "the token is malformed");
    }
    const struct trust_key *key = find_key(control->issuer, out->kid);
    if (key == NULL || token_verify_signature(out, key) != TOKEN_OK) {
        return refuse(err, "the token was not signed by this Homerun");
    }
    if (!slice_is(out->token_use, use)) {
        return refuse(err, out->token_use.len == 0 ? "it is an identity token, for calling services"
                                                   : "it is a token of another use");
    }
    if (verify_time(out, use) != TOKEN_OK) {
        return refuse(err, "the token has expired, or is not valid yet");
    }
    return true;
}

bool issuer_session_stands(struct control *control, struct arena *arena, const struct token *token)
{
    struct session_key key;
    auto_session session = {0};
    if (token->sid.len == 0) {
        return true;
    }
    return session_key_of_sid(token->sid, &key) &&
           session_find_by_key(control, arena, &key, NULL, &session, NULL) &&
           session.agent.len > 0 && slice_equal(session.person.sub, token->sub);
}

/* Fills the caller from the account of SUB, if that and its key are alive. */
static bool fill_caller(struct control *control, struct arena *arena, const struct token *token,
                        struct caller *out, struct error *err)
{
    struct account account;
    if (!account_by_sub(control, arena, token->sub, &account)) {
        return refuse(err, "its account has been deleted");
    }
    if (account.disabled) {
        return refuse(err, "its account is disabled");
    }
    if (token->user_key.len > 0 &&
        !account_key_enabled(control, arena, &account, token->user_key)) {
        return refuse(err, "the service account key that it came from is disabled or deleted");
    }
    if (!issuer_session_stands(control, arena, token)) {
        return refuse(err, "its person has signed out, or has ended what it hangs on");
    }
    account_caller(control, arena, &account, out);
    out->user_key = token->user_key;
    out->scope = token->scope;
    return true;
}

/* The host and port of "http(s)://HOST[:PORT]/…". */
static bool url_place(struct arena *arena, struct slice url, struct slice *host, uint16_t *port)
{
    if (slice_starts(url, SLICE("https://"))) {
        url = slice_from(url, 8);
    } else if (slice_starts(url, SLICE("http://"))) {
        url = slice_from(url, 7);
    } else {
        return false;
    }
    ptrdiff_t end = slice_find(url, '/');
    return url_authority(arena, end < 0 ? url : slice_upto(url, (size_t)end), host, port);
}

static bool is_loopback(struct slice host)
{
    return slice_is(host, "localhost") || slice_is(host, "127.0.0.1") || slice_is(host, "::1") ||
           slice_ends(host, SLICE(".localhost")) || slice_ends(host, SLICE("-localhost"));
}

struct place {
    struct arena *arena;
    struct slice host;
    uint16_t port;
};

static bool is_place(void *ctx, const char *url)
{
    const struct place *place = ctx;
    struct slice host;
    uint16_t port;
    return url_place(place->arena, slice_of(url), &host, &port) && port == place->port &&
           slice_equal(host, place->host);
}

/*
 * A token signed for someone else's server must not be good here, or that server could use it.
 * Google's clients name the API that they believe to call, or, with a scope, nothing.
 */
static bool meant_for_us(struct control *control, struct arena *arena, const struct token *token)
{
    struct slice ours = SLICE_NONE;
    uint16_t our_port = 0;
    size_t named = 0;
    url_place(arena, slice_of(control->settings.api_url), &ours, &our_port);
    for (size_t i = 0; i < token->audience_count; i++) {
        struct slice host;
        uint16_t port;
        named += token->audiences[i].len > 0; /* Go's library says "aud": "" beside a scope */
        if (!url_place(arena, token->audiences[i], &host, &port)) {
            continue;
        }
        struct place place = {arena, host, port};
        if (slice_ends(host, SLICE(".googleapis.com")) || is_place(&place, control->url) ||
            (port == our_port && (slice_equal(host, ours) || is_loopback(host))) ||
            nodes_any_url(control, is_place, &place)) {
            return true; /* of a cluster, any node's */
        }
    }
    return named == 0 && token->scope.len > 0;
}

bool issuer_assertion_lives(const struct token *token)
{
    int64_t now_s = clock_wall_us() / 1000000;
    int64_t from_s = token->iat == INT64_MIN ? now_s : token->iat;
    return token_verify_time(token, now_s) == TOKEN_OK &&
           token->exp - from_s <= TOKEN_SECONDS + ASSERTION_LEEWAY_S;
}

/* A JWT that an account signed with its own key, as the bearer token itself: clients with a key
 * file send one where the endpoint is not Google's. */
static bool believe_self_signed(struct control *control, struct arena *arena, struct slice text,
                                struct token *out, struct error *err)
{
    struct account account;
    if (token_parse(arena, text, out) != TOKEN_OK || out->iss.len == 0 ||
        !slice_equal(out->iss, out->sub) || slice_find(out->iss, '@') < 0) {
        return refuse(err, "the token is malformed");
    }
    if (!account_by_email(control, arena, out->iss, &account) ||
        !account_verify(control, arena, &account, out)) {
        return refuse(err, "no account here has signed it");
    }
    if (!issuer_assertion_lives(out)) {
        return refuse(err, "the token has expired, is not valid yet, or is for more than an hour");
    }
    if (out->target_audience.len > 0) {
        return refuse(err, "it is a request for an identity token, not an access token");
    }
    if (!meant_for_us(control, arena, out)) {
        return refuse(err, "its audience is another server");
    }
    out->sub = slice_of(account.sub);
    out->user_key = out->kid;
    out->sid = SLICE_NONE; /* no session of ours is named by others */
    return true;
}

bool issuer_caller(struct control *control, struct arena *arena, struct slice text,
                   struct caller *out, struct error *err)
{
    struct token token;
    if (text.len > TOKEN_BYTES_MAX) {
        return refuse(err, "the token is too long");
    }
    if (token_parse(arena, text, &token) != TOKEN_OK) {
        return refuse(err, "the token is malformed");
    }
    if (slice_is(token.token_use, "federated")) {
        return issuer_believe(control, arena, text, "federated", &token, err) &&
               (federation_caller(control, arena, &token, out) ||
                refuse(err, "its pool or provider is disabled or deleted"));
    }
    bool self_signed = token.token_use.len == 0 && slice_equal(token.iss, token.sub);
    bool good = self_signed ? believe_self_signed(control, arena, text, &token, err)
                            : issuer_believe(control, arena, text, "access", &token, err);
    return good && fill_caller(control, arena, &token, out, err);
}

bool issuer_bearer(const struct http_request *request, struct slice *token, struct error *err)
{
    const struct http_header *header = http_headers_find(&request->headers, SLICE("authorization"));
    *token = SLICE_NONE;
    if (http_headers_count(&request->headers, SLICE("authorization")) > 1) {
        return error_set(err, STATUS_UNAUTHENTICATED,
                         "The request has more than one Authorization header.");
    }
    if (header != NULL && header->value.len >= 8 &&
        slice_equal_nocase(slice_upto(header->value, 6), SLICE("bearer")) &&
        (header->value.data[6] == ' ' || header->value.data[6] == '\t')) {
        *token = slice_trim(slice_from(header->value, 7));
    }
    return true;
}

bool issuer_caller_lives(struct api_call *call, struct error *err)
{
    auto_arena arena = {0};
    struct caller now = {0};
    struct slice token;
    if (call->exchange == NULL) {
        return true;
    }
    return issuer_bearer(exchange_request(call->exchange), &token, err) &&
           issuer_caller(call->control, &arena, token, &now, err) &&
           (slice_equal(now.sub, call->caller.sub) ||
            error_set(err, STATUS_UNAUTHENTICATED, "The token is another caller's by now."));
}
