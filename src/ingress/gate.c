/*
 * The gate asks the gatherer (policy/facts.h), with two memories in front of the index's look-ups:
 * the route cache (host → service, and what everybody may there) and the token cache (signatures,
 * and what a token's owner may at a service). What they say of the world is of one transaction
 * each: they are empty again the moment that the index has a new one, so a hit is exactly as fresh
 * as a look-up.
 */
#include "ingress/gate.h"

#include <stdlib.h>

#include "ingress/route.h"

struct gate {
    struct lookup lookup; /* stands first: its look-ups are called with the gate itself */
    struct index_reader *reader;
    const struct networks *networks;
    struct route_cache *routes;
    struct token_cache *tokens;
    bool strict_paths;
    uint64_t txn;
    struct facts facts; /* of the last decision */
};

struct gate *gate_new(struct index_reader *reader, const struct networks *networks,
                      bool strict_paths)
{
    struct gate *gate = calloc(1, sizeof(*gate));
    if (gate == NULL) {
        abort();
    }
    gate->lookup.reader = gate->reader = reader;
    gate->networks = networks;
    gate->strict_paths = strict_paths;
    gate->routes = route_cache_new();
    gate->tokens = token_cache_new(TOKEN_CACHE_MAX);
    return gate;
}

void gate_free(struct gate *gate)
{
    if (gate != NULL) {
        route_cache_free(gate->routes);
        token_cache_free(gate->tokens);
        free(gate);
    }
}

uint64_t gate_transaction(const struct gate *gate)
{
    return gate->txn;
}

bool gate_has_news(struct gate *gate)
{
    return index_reader_renew(gate->reader) != gate->txn;
}

/* ---- look-ups with a memory ---- */

static struct route *whole_route(const struct facts_route *route)
{
    return (struct route *)(uintptr_t)route; /* the first member of one of ours */
}

static const struct facts_route *find_route(void *ctx, struct slice authority, struct slice *host)
{
    struct gate *gate = ctx;
    struct route *route =
        route_find(gate->routes, gate->reader, gate->txn, gate->lookup.arena, authority, host);
    return route == NULL ? NULL : &route->facts;
}

static const struct facts_service *find_service(void *ctx, const struct facts_route *route)
{
    (void)ctx;
    return &whole_route(route)->view;
}

static const struct facts_claims *find_token(void *ctx, struct slice text, int64_t now_s,
                                             void **handle, int *fault)
{
    struct gate *gate = ctx;
    struct verified_token *token;
    *fault = (int)token_cache_verify(gate->tokens, gate->reader, gate->txn, gate->lookup.arena,
                                     text, now_s, &token, &gate->lookup.unknown_key);
    if (*fault != TOKEN_OK) {
        return NULL;
    }
    *handle = token;
    return &token->view;
}

static const struct facts_answer *recall(void *ctx, const struct facts_route *route, void *handle)
{
    const struct gate *gate = ctx;
    if (handle != NULL) {
        return token_cache_recall(handle, route->service_id, gate->txn);
    }
    const struct route *whole = whole_route(route);
    return whole->everyone_settled ? &whole->everyone : NULL;
}

static void remember(void *ctx, const struct facts_route *route, void *handle,
                     const struct facts_answer *answer)
{
    struct gate *gate = ctx;
    if (handle != NULL) {
        token_cache_remember(gate->tokens, handle, route->service_id, gate->txn, answer);
        return;
    }
    struct route *whole = whole_route(route);
    whole->everyone = *answer; /* "allUsers", and what lies in the index */
    whole->everyone_settled = true;
}

static const struct facts_lookups lookups = {
    .route = find_route,
    .service = find_service,
    .grants = lookup_grants,
    .account = lookup_account,
    .user_key = lookup_user_key,
    .groups = lookup_groups,
    .tag = lookup_tag,
    .issuer = lookup_issuer,
    .token = find_token,
    .recall = recall,
    .remember = remember,
};

/* ---- the decision ---- */

/* What the log calls it. */
static enum token_fault fault_of(const struct facts *facts)
{
    switch (facts->caller.fault) {
    case FACTS_NO_FAULT:
        return TOKEN_OK;
    case FACTS_CREDENTIAL:
        return TOKEN_MALFORMED;
    case FACTS_TOKEN:
        return (enum token_fault)facts->token_fault;
    case FACTS_ISSUER:
        return TOKEN_ISSUER;
    case FACTS_SUBJECT:
    case FACTS_ACCOUNT_UNKNOWN:
    case FACTS_ACCOUNT_IS_DISABLED:
    case FACTS_ACCOUNT_IS_DELETED:
    case FACTS_KEY_REVOKED:
        return TOKEN_SUBJECT;
    case FACTS_AUDIENCE:
        return TOKEN_AUDIENCE;
    }
    return TOKEN_MALFORMED;
}

static void decide(struct gate *gate, struct arena *arena, const struct http_request *request,
                   const struct sockaddr_storage *peer, int64_t now_us, bool plain,
                   struct gate_answer *out)
{
    struct facts *facts = &gate->facts;
    gate->txn = index_reader_renew(gate->reader);
    gate->lookup.arena = arena;
    gate->lookup.unknown_key = (struct unknown_key){0};
    const struct facts_request asked = {
        .method = request->method,
        .websocket = request->upgrade.len > 0,
        .authority = request->authority,
        .target = request->path,
        .plain = plain,
        .strict_paths = gate->strict_paths,
        .network = network_of(gate->networks, peer, &request->headers, &out->client),
        .now_us = now_us,
        .credential = credential_lines_of(&request->headers),
    };
    facts_gather(&lookups, gate, arena, &asked, facts);
    out->verdict = policy_decide(&facts->ladder);
    out->service = facts->route == NULL ? NULL : whole_route(facts->route)->service;
    out->host = facts->host;
    out->tag = facts->route == NULL ? SLICE_NONE : facts->route->tag;
    out->network = facts->ladder.network;
    out->principal = facts->caller.principal;
    out->fault = fault_of(facts);
    out->strip_authorization = facts->caller.fault == FACTS_NO_FAULT &&
                               facts->caller.fits_everywhere &&
                               facts->source == CREDENTIAL_AUTHORIZATION;
    out->binding = facts_binding(facts, &out->verdict);
    out->unknown_key = gate->lookup.unknown_key;
}

void gate_decide(struct gate *gate, struct arena *arena, const struct http_request *request,
                 const struct sockaddr_storage *peer, int64_t now_us, struct gate_answer *out)
{
    decide(gate, arena, request, peer, now_us, false, out);
}

void gate_decide_plain(struct gate *gate, struct arena *arena, const struct http_request *request,
                       const struct sockaddr_storage *peer, int64_t now_us, struct gate_answer *out)
{
    decide(gate, arena, request, peer, now_us, true, out);
}
