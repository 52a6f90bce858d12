#include "control/identity/issuer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "control/identity/accounts.h"
#include "control/identity/cluster_keys.h"
#include "control/identity/federation.h"
#include "control/identity/sessions.h"
#include "control/publish/publish.h"
#include "control/record/cluster.h"
#include "http/url.h"
#include "ipc/signer_client.h"

static void forget_keys(struct issuer *issuer)
{
    for (size_t i = 0; i < issuer->count; i++) {
        trust_key_free(issuer->public_keys[i]);
    }
    issuer->count = 0;
    arena_done(&issuer->arena);
}

static bool load_keys(struct control *control, struct issuer *issuer, struct error *err)
{
    auto_arena scratch = {0};
    struct slice jwks;
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_PUBLIC_KEYS, SLICE_NONE,
                     &scratch, &jwks, NULL, err)) {
        return error_wrap(err, "the issuer's keys");
    }
    forget_keys(issuer);
    issuer->signers = issuer->jwks = arena_slice(&issuer->arena, jwks);
    size_t count;
    if (!trust_jwks_read(&issuer->arena, issuer->signers, issuer->keys, ISSUER_KEYS_MAX, &count,
                         err)) {
        return false;
    }
    if (count == 0) {
        return error_set(err, STATUS_INTERNAL, "the signer has no key");
    }
    issuer->signing = issuer->keys[0];
    struct cluster cluster;
    switch (cluster_load(control, &issuer->arena, &cluster, err)) {
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        issuer->jwks = slice_of(cluster.jwks);
        break;
    case STORE_ABSENT:
        break;
    }
    if (!trust_jwks_read(&issuer->arena, issuer->jwks, issuer->keys, ISSUER_KEYS_MAX, &count,
                         err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        issuer->public_keys[i] =
            trust_key_from_spki(issuer->keys[i].spki, issuer->keys[i].alg, err);
        if (issuer->public_keys[i] == NULL) {
            return false;
        }
        issuer->count++;
    }
    return true;
}

struct issuer *issuer_new(struct control *control, struct error *err)
{
    struct issuer *issuer = mem_new(struct issuer);
    if (!load_keys(control, issuer, err)) {
        issuer_free(issuer);
        return NULL;
    }
    return issuer;
}

void issuer_free(struct issuer *issuer)
{
    if (issuer != NULL) {
        forget_keys(issuer);
        free(issuer);
    }
}

bool issuer_reload(struct control *control, struct error *err)
{
    return load_keys(control, control->issuer, err);
}

const char *issuer_url(const struct control *control)
{
    return control->url;
}

struct slice issuer_signers_keys(const struct control *control)
{
    return control->issuer->signers;
}

struct own_issuer issuer_own(const struct control *control)
{
    return (struct own_issuer){
        .url = control->issuer_url,
        .jwks = control->issuer->jwks,
    };
}

/* Asks the signer for KIND, reads the keys anew, and publishes them. */
static bool change_keys(struct api_call *call, enum sign_kind kind, struct slice bytes,
                        const char *deed, struct error *err)
{
    struct control *control = call->control;
    struct slice answer;
    if (!signer_call(control->signer_fd, &control->signer_next_id, kind, bytes, &call->arena,
                     &answer, NULL, err) ||
        !issuer_reload(control, err)) {
        return false;
    }
    auto_change *change = api_change(call, err);
    return change != NULL && cluster_keys_note(control, issuer_signers_keys(control), err) &&
           issuer_reload(control, err) && publish_own_issuer(change, issuer_own(control), err) &&
           change_audit(change, "issuer", deed, NULL, NULL, err) && change_commit(&change, err);
}

bool issuer_rotate(struct api_call *call, struct error *err)
{
    return change_keys(call, SIGN_ROTATE, SLICE_NONE, "rotate-key", err);
}

bool issuer_forget(struct api_call *call, const char *kid, struct error *err)
{
    return change_keys(call, SIGN_FORGET, slice_of(kid), "forget-key", err);
}

/* ---- minting ---- */

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

bool issuer_mint(struct control *control, struct arena *arena, json_t *claims, struct slice *token,
                 struct error *err)
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

/* ---- believing ---- */

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
        if (slice_ends(host, SLICE(".googleapis.com")) ||
            (port == our_port && (slice_equal(host, ours) || is_loopback(host)))) {
            return true;
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
