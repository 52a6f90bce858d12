/* One record of the index for each look-up, as the gatherer wants to see it. */
#include "lookup/lookup.h"

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

const struct facts_grant *lookup_grants(void *ctx, uint64_t node, struct slice member,
                                        size_t *count)
{
    struct lookup *lookup = ctx;
    struct index_grant found[LOOKUP_GRANTS_MAX];
    *count = index_reader_grants(lookup->reader, node, member, found, LOOKUP_GRANTS_MAX);
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
    if (iss.len == 0 || !index_reader_issuer(lookup->reader, iss, &found)) {
        return false;
    }
    *out = (struct facts_issuer){.ours = found.ours,
                                 .google_like = found.google_like,
                                 .pool = found.pool,
                                 .domains = found.domains};
    return true;
}

/* ---- tokens ---- */

void lookup_claims_view(const struct token *from, struct facts_claims *out)
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
    };
}

/* Identity tokens alone open services: no access token, no assertion that asks for a token. */
static bool is_id_token(const struct token *token)
{
    return token->token_use.len == 0 && token->target_audience.len == 0 && token->scope.len == 0 &&
           (token->typ.len == 0 || slice_equal_nocase(token->typ, SLICE("JWT")));
}

enum token_fault lookup_believe(const struct index_reader *reader, const struct lookup_keys *keys,
                                const struct token *token, int64_t now_s, uint64_t *serial,
                                struct unknown_key *unknown)
{
    struct index_issuer issuer;
    struct index_key record;
    enum token_fault fault = token_verify_time(token, now_s);
    if (fault != TOKEN_OK) {
        return fault;
    }
    if (token->iss.len == 0 || !index_reader_issuer(reader, token->iss, &issuer)) {
        return TOKEN_ISSUER;
    }
    if (!index_reader_key(reader, issuer.id, token->kid, &record)) {
        if (!issuer.ours) { /* our own keys are published before they sign */
            *unknown = (struct unknown_key){token->iss, token->kid};
        }
        return TOKEN_UNKNOWN_KEY;
    }
    const struct trust_key *key = keys->find(keys->ctx, issuer.id, token->kid, &record, serial);
    if (key == NULL) {
        return TOKEN_UNKNOWN_KEY;
    }
    fault = token_verify_signature(token, key);
    if (fault != TOKEN_OK) {
        return fault;
    }
    return is_id_token(token) ? TOKEN_OK : TOKEN_KIND;
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

static const struct facts_claims *lookup_token(void *ctx, struct slice text, int64_t now_s,
                                               void **handle, int *fault)
{
    struct lookup *lookup = ctx;
    struct trust_key *made = NULL;
    const struct lookup_keys keys = {&made, make_key};
    struct token token;
    uint64_t serial;
    enum token_fault found = token_parse(lookup->arena, text, &token);
    *handle = NULL;
    lookup->unknown_key = (struct unknown_key){0};
    if (found == TOKEN_OK) {
        found = lookup_believe(lookup->reader, &keys, &token, now_s, &serial, &lookup->unknown_key);
    }
    trust_key_free(made);
    *fault = (int)found;
    if (found != TOKEN_OK) {
        return NULL;
    }
    lookup_claims_view(&token, &lookup->claims);
    return &lookup->claims;
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
};
