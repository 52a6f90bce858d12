/* One record of the index for each look-up, as the gatherer wants to see it. */
#include "lookup/lookup.h"

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/encode.h"
#include "http/url.h"

static enum ingress_setting ingress_of(enum index_ingress ingress)
{
    switch (ingress) {
    case INDEX_INGRESS_ALL:
        return INGRESS_ALL;
    case INDEX_INGRESS_INTERNAL_AND_LB:
        return INGRESS_INTERNAL_AND_LB;
    case INDEX_INGRESS_INTERNAL:
        return INGRESS_INTERNAL;
    case INDEX_INGRESS_NONE:
        return INGRESS_NONE;
    }
    return INGRESS_NONE;
}

void lookup_service_view(const struct index_service *from, struct facts_service *out)
{
    *out = (struct facts_service){
        .id = from->id,
        .invoker_check_off = from->invoker_check_off,
        .check_off_until_us = from->check_off_until_us,
        .default_url_disabled = from->default_url_disabled,
        .ingress = ingress_of(from->ingress),
        .resource_name = from->resource_name,
        .audiences = from->audiences,
        .audience_count = from->audience_count,
        .url_audience_count = from->url_audience_count,
        .nodes = from->nodes,
        .node_count = from->node_count,
    };
    if (from->door.on) {
        out->door = (struct facts_door){
            .on = true,
            .allow_http_options = from->door.allow_http_options,
            .max_age_s = from->door.max_age_s,
            .agent = from->door.agent,
            .nodes = from->door.nodes,
            .node_count = from->door.node_count,
            .clients = from->door.clients,
            .client_count = from->door.client_count,
            .domains_limited = from->door.domains_limited,
            .domains = from->door.domains,
            .domain_count = from->door.domain_count,
        };
    }
}

static const struct facts_route *lookup_route(void *ctx, struct slice authority, struct slice *host)
{
    struct lookup *lookup = ctx;
    struct index_route found;
    uint16_t port;
    if (!url_authority(lookup->arena, authority, host, &port)) {
        *host = SLICE("");
        return NULL;
    }
    if (!index_reader_route(lookup->reader, *host, &found)) {
        return NULL;
    }
    lookup->route = (struct facts_route){
        .service_id = found.service_id,
        .host = *host,
        .tag = found.tag,
        .default_url = found.default_url,
    };
    return &lookup->route;
}

static const struct facts_service *lookup_service(void *ctx, const struct facts_route *route)
{
    struct lookup *lookup = ctx;
    if (!index_reader_service(lookup->reader, route->service_id, &lookup->record)) {
        return NULL;
    }
    lookup_service_view(&lookup->record, &lookup->service);
    return &lookup->service;
}

const struct facts_grant *lookup_grants(void *ctx, enum facts_permission permission, uint64_t node,
                                        struct slice member, size_t *count)
{
    struct lookup *lookup = ctx;
    struct index_grant found[LOOKUP_GRANTS_MAX];
    switch (permission) {
    case FACTS_INVOKE:
        *count = index_reader_grants(lookup->reader, node, member, found, LOOKUP_GRANTS_MAX);
        break;
    case FACTS_PASS_DOOR:
        *count = index_reader_door_grants(lookup->reader, node, member, found, LOOKUP_GRANTS_MAX);
        break;
    }
    for (size_t i = 0; i < *count; i++) {
        lookup->grants[i] = (struct facts_grant){
            .role = found[i].role, .program = found[i].program, .title = found[i].title};
    }
    return lookup->grants;
}

bool lookup_account(void *ctx, struct slice sub, struct facts_account *out)
{
    const struct lookup *lookup = ctx;
    struct index_account found;
    if (!index_reader_account(lookup->reader, sub, &found)) {
        return false;
    }
    *out = (struct facts_account){
        .state = FACTS_ACCOUNT_DELETED, .member = found.member, .domain = found.domain};
    switch (found.state) {
    case INDEX_ACCOUNT_ACTIVE:
        out->state = FACTS_ACCOUNT_ACTIVE;
        break;
    case INDEX_ACCOUNT_DISABLED:
        out->state = FACTS_ACCOUNT_DISABLED;
        break;
    case INDEX_ACCOUNT_DELETED:
        break;
    }
    return true;
}

bool lookup_user_key(void *ctx, struct slice kid)
{
    const struct lookup *lookup = ctx;
    return index_reader_user_key(lookup->reader, kid);
}

const struct slice *lookup_groups(void *ctx, struct slice member, size_t *count)
{
    struct lookup *lookup = ctx;
    *count = index_reader_groups(lookup->reader, member, lookup->groups, LOOKUP_GROUPS_MAX);
    return lookup->groups;
}

enum cel_tag lookup_tag(void *ctx, uint64_t node, bool by_id, struct slice key, struct slice *value)
{
    const struct lookup *lookup = ctx;
    switch (index_reader_tag(lookup->reader, node, by_id, key, value)) {
    case INDEX_ABSENT:
        return CEL_TAG_ABSENT;
    case INDEX_FOUND:
        return CEL_TAG_HELD;
    case INDEX_UNREADABLE:
        return CEL_TAG_UNREADABLE;
    }
    return CEL_TAG_UNREADABLE;
}

bool lookup_issuer(void *ctx, struct slice iss, struct facts_issuer *out)
{
    const struct lookup *lookup = ctx;
    struct index_issuer found;
    /* The authorization server of agents vouches for sessions, and for nobody by name. */
    if (iss.len == 0 || !index_reader_issuer(lookup->reader, iss, &found) || found.agents) {
        return false;
    }
    *out = (struct facts_issuer){.ours = found.ours,
                                 .google_like = found.google_like,
                                 .pool = found.pool,
                                 .domains = found.domains};
    return true;
}

/* ---- sessions ---- */

void lookup_session_key(struct slice cookie, uint8_t out[INDEX_SESSION_KEY])
{
    memset(out, 0, INDEX_SESSION_KEY); /* the key of no session, should there be no SHA-256 */
    EVP_Digest(cookie.data, cookie.len, out, NULL, EVP_sha256(), NULL);
}

void lookup_session_view(const struct index_session *from, struct facts_session *out)
{
    *out = (struct facts_session){
        .host = from->host,
        .agent = from->agent,
        .sub = from->sub,
        .issuer = from->issuer,
        .subject = from->subject,
        .email = from->email,
        .groups = from->groups,
        .group_count = from->group_count,
        .signed_in_us = from->signed_in_us,
        .expire_us = from->expire_us,
        .expire_boot_us = from->expire_boot_us,
    };
}

bool lookup_session_is_over(const struct facts_session *session)
{
    return clock_boot_us() >= session->expire_boot_us;
}

static const struct facts_session *session_of_key(struct lookup *lookup,
                                                  const uint8_t key[INDEX_SESSION_KEY])
{
    if (!index_reader_session(lookup->reader, key, &lookup->session_record)) {
        return NULL;
    }
    lookup_session_view(&lookup->session_record, &lookup->session);
    return lookup_session_is_over(&lookup->session) ? NULL : &lookup->session;
}

static const struct facts_session *lookup_session(void *ctx, struct slice cookie, void **handle)
{
    uint8_t key[INDEX_SESSION_KEY];
    *handle = NULL;
    lookup_session_key(cookie, key);
    return session_of_key(ctx, key);
}

const struct facts_session *lookup_agent(void *ctx, struct slice sid)
{
    auto_arena arena = {0};
    struct slice key;
    return base64url_decode(&arena, sid, &key) && key.len == INDEX_SESSION_KEY
               ? session_of_key(ctx, (const uint8_t *)key.data)
               : NULL;
}

/* ---- tokens ---- */

enum { SELF_SIGNED_SECONDS = 3600 };

void lookup_claims_view(const struct token *from, bool self_signed, struct facts_claims *out)
{
    *out = (struct facts_claims){
        .iss = from->iss,
        .sub = from->sub,
        .email = from->email,
        .hd = from->hd,
        .user_key = from->user_key,
        .audiences = from->audiences,
        .audience_count = from->audience_count,
        .email_verified = from->email_verified,
        .self_signed = self_signed,
        .sid = from->client_id.len > 0 ? from->sid : SLICE_NONE,
        .client = from->client_id,
        .hangs_on = from->client_id.len > 0 ? SLICE_NONE : from->sid,
    };
}

bool lookup_is_for_agent(const struct token *token)
{
    return slice_is(token->token_use, "agent") && token->sid.len > 0 && token->client_id.len > 0 &&
           slice_equal_nocase(token->typ, SLICE("at+jwt"));
}

/* Identity tokens alone open services: no access token, no assertion that asks for a token. */
static bool is_id_token(const struct token *token)
{
    return token->token_use.len == 0 && token->target_audience.len == 0 && token->scope.len == 0 &&
           (token->typ.len == 0 || slice_equal_nocase(token->typ, SLICE("JWT")));
}

/* Whether the key of TOKEN, as its source made it usable, has signed it. */
static enum token_fault verify(const struct lookup_keys *keys, const struct token *token,
                               uint32_t issuer, const struct index_key *record, uint64_t *serial)
{
    const struct trust_key *key = keys->find(keys->ctx, issuer, token->kid, record, serial);
    return key == NULL ? TOKEN_UNKNOWN_KEY : token_verify_signature(token, key);
}

/* Service accounts are issuers of a number that no issuer has: their keys are found by name alone.
 */
enum { ISSUER_SELF = 0 };

static bool user_key_record(const struct index_user_key *key, struct index_key *out)
{
    *out = (struct index_key){.alg = SLICE("RS256"), .spki = key->spki};
    return key->spki.len > 0;
}

/* A JWT that a service account has signed with a key of its own: it gives itself as its issuer. */
static bool may_be_self_signed(const struct token *token)
{
    return token->iss.len > 0 && slice_equal(token->iss, token->sub) &&
           slice_find(token->iss, '@') > 0;
}

static enum token_fault believe_self_signed(const struct index_reader *reader,
                                            const struct lookup_keys *keys, struct token *token,
                                            int64_t now_s, uint64_t *serial)
{
    struct index_user_key own;
    struct index_key record;
    if (token->iat == INT64_MIN || token->exp - token->iat > SELF_SIGNED_SECONDS) {
        return TOKEN_LIFETIME;
    }
    if (token->kid.len == 0 || !index_reader_find_user_key(reader, token->kid, &own) ||
        !user_key_record(&own, &record) || now_s < own.from_s || now_s >= own.until_s) {
        return TOKEN_UNKNOWN_KEY;
    }
    enum token_fault fault = verify(keys, token, ISSUER_SELF, &record, serial);
    if (fault == TOKEN_OK && !is_id_token(token)) {
        return TOKEN_KIND;
    }
    if (fault == TOKEN_OK) {
        token->email = token->iss;
        token->sub = own.sub;
        token->user_key = token->kid;
        token->exp = token->exp < own.until_s ? token->exp : own.until_s;
    }
    return fault;
}

enum token_fault lookup_believe(const struct index_reader *reader, const struct lookup_keys *keys,
                                struct token *token, int64_t now_s, bool at_door,
                                struct lookup_belief *out)
{
    struct index_issuer issuer;
    struct index_key record;
    bool known = token->iss.len > 0 && index_reader_issuer(reader, token->iss, &issuer);
    *out = (struct lookup_belief){
        .self_signed = !known && at_door && may_be_self_signed(token),
        .names_somebody = known || may_be_self_signed(token),
    };
    if (!known || !issuer.ours) {
        token->sid = SLICE_NONE; /* other signers cannot name a session of ours */
    }
    if (!known || !issuer.agents) {
        token->client_id = SLICE_NONE;
    }
    enum token_fault fault = token_verify_time(token, now_s);
    if (fault != TOKEN_OK) {
        return fault;
    }
    if (out->self_signed) {
        return believe_self_signed(reader, keys, token, now_s, &out->serial);
    }
    if (!known) {
        return TOKEN_ISSUER;
    }
    if (!index_reader_key(reader, issuer.id, token->kid, &record)) {
        if (!issuer.ours) { /* our own keys are published before they sign */
            out->unknown = (struct unknown_key){token->iss, token->kid};
        }
        return TOKEN_UNKNOWN_KEY;
    }
    fault = verify(keys, token, issuer.id, &record, &out->serial);
    /* What the authorization server has signed is for an agent, which comes by a door; nothing else
     * is. */
    bool right_kind = issuer.agents ? at_door && lookup_is_for_agent(token) : is_id_token(token);
    return fault == TOKEN_OK && !right_kind ? TOKEN_KIND : fault;
}

bool lookup_key_stands(const struct index_reader *reader, const struct lookup_keys *keys,
                       const struct token *token, bool self_signed, uint64_t serial)
{
    struct index_issuer issuer = {.id = ISSUER_SELF};
    struct index_user_key own;
    struct index_key record;
    uint64_t found;
    bool there = self_signed ? index_reader_find_user_key(reader, token->kid, &own) &&
                                   user_key_record(&own, &record)
                             : index_reader_issuer(reader, token->iss, &issuer) &&
                                   index_reader_key(reader, issuer.id, token->kid, &record);
    return there && keys->find(keys->ctx, issuer.id, token->kid, &record, &found) != NULL &&
           found == serial;
}

/* A key that is made for one token. CTX: where to leave it, to be freed. */
static const struct trust_key *make_key(void *ctx, uint32_t issuer, struct slice kid,
                                        const struct index_key *record, uint64_t *serial)
{
    struct trust_key **made = ctx;
    (void)issuer, (void)kid;
    *serial = 0;
    *made = trust_key_from_spki(record->spki, trust_alg_of(record->alg), NULL);
    return *made;
}

static void lookup_token(void *ctx, struct slice text, int64_t now_s, bool at_door,
                         struct facts_token *out)
{
    struct lookup *lookup = ctx;
    struct trust_key *made = NULL;
    const struct lookup_keys keys = {&made, make_key};
    struct lookup_belief belief = {.serial = 0};
    struct token token;
    enum token_fault found = token_parse(lookup->arena, text, &token);
    if (found == TOKEN_OK) {
        found = lookup_believe(lookup->reader, &keys, &token, now_s, at_door, &belief);
    }
    trust_key_free(made);
    lookup->unknown_key = belief.unknown;
    *out = (struct facts_token){.fault = (int)found, .names_somebody = belief.names_somebody};
    if (found == TOKEN_OK) {
        lookup_claims_view(&token, belief.self_signed, &lookup->claims);
        out->claims = &lookup->claims;
    }
}

const struct facts_lookups lookup_table = {
    .route = lookup_route,
    .service = lookup_service,
    .grants = lookup_grants,
    .account = lookup_account,
    .user_key = lookup_user_key,
    .groups = lookup_groups,
    .tag = lookup_tag,
    .issuer = lookup_issuer,
    .token = lookup_token,
    .session = lookup_session,
    .agent = lookup_agent,
};
