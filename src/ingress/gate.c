/*
 * The gate asks the gatherer (policy/facts.h), with two memories in front of the index's look-ups:
 * the route cache (host → service, and what everybody may there) and the token cache (signatures,
 * and what a token's owner may at a service). What they say of the world is of one transaction
 * each: they are empty again the moment that the index has a new one, so a hit is exactly as fresh
 * as a look-up.
 */
#include "ingress/gate.h"

#include <stdlib.h>

#include "base/memory.h"
#include "ingress/credential.h"
#include "ingress/route.h"
#include "ingress/session_cache.h"
#include "ingress/token_cache.h"
#include "lookup/door_fields.h"
#include "policy/credential.h"

struct gate {
    struct lookup lookup; /* stands first: its look-ups are called with the gate itself */
    struct index_reader *reader;
    const struct networks *networks;
    struct route_cache *routes;
    struct token_cache *tokens;
    struct session_cache *sessions;
    struct verified_token *token; /* whose answers are asked for; NULL: a session's */
    uint64_t txn;
    struct facts_request asked; /* what never changes in it is set once */
    /* of the decision that is under way */
    const struct http_request *request;
    const struct source *source;
    struct facts facts; /* of the last decision */
};

static void read_door_fields(const void *ctx, struct door_fields *out)
{
    const struct gate *gate = ctx;
    const struct http_request *request = gate->request;
    door_fields_read(
        &request->headers, request->upgrade.len > 0,
        network_scheme(gate->networks, gate->source, request->scheme, &request->headers), out);
}

struct gate *gate_new(struct index_reader *reader, const struct networks *networks,
                      bool strict_paths)
{
    struct gate *gate = mem_new(struct gate);
    gate->lookup.reader = gate->reader = reader;
    gate->networks = networks;
    gate->asked.strict_paths = strict_paths;
    gate->asked.door_fields = read_door_fields;
    gate->asked.door_fields_ctx = gate;
    gate->routes = route_cache_new();
    gate->tokens = token_cache_new(TOKEN_CACHE_MAX);
    gate->sessions = session_cache_new();
    return gate;
}

void gate_free(struct gate *gate)
{
    if (gate != NULL) {
        route_cache_free(gate->routes);
        token_cache_free(gate->tokens);
        session_cache_free(gate->sessions);
        free(gate);
    }
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

static void tell_token(struct gate *gate, struct verified_token *token, enum token_fault fault,
                       bool names_somebody, struct facts_token *out)
{
    *out = (struct facts_token){.fault = (int)fault, .names_somebody = names_somebody};
    if (fault == TOKEN_OK) {
        out->claims = &token->view;
        out->handle = &token->memos;
        gate->token = token;
    }
}

/* Apart, so that a token that is known does not pay for the room that this one needs. */
__attribute__((noinline)) static void verify_token(struct gate *gate, struct slice text,
                                                   int64_t now_s, bool at_door,
                                                   struct facts_token *out)
{
    struct verified_token *token = NULL;
    struct lookup_belief belief;
    enum token_fault fault =
        token_cache_verify(gate->tokens, gate->reader, gate->txn, gate->lookup.arena, text, now_s,
                           at_door, &token, &belief);
    gate->lookup.unknown_key = belief.unknown;
    tell_token(gate, token, fault, belief.names_somebody, out);
}

static void find_token(void *ctx, struct slice text, int64_t now_s, bool at_door,
                       struct facts_token *out)
{
    struct gate *gate = ctx;
    struct verified_token *token = token_cache_hit(gate->tokens, gate->txn, text);
    if (token == NULL) {
        verify_token(gate, text, now_s, at_door, out);
        return;
    }
    gate->lookup.unknown_key = (struct unknown_key){0};
    tell_token(gate, token, token_verify_time(&token->claims, now_s), true, out);
}

static const struct facts_session *find_session(void *ctx, struct slice cookie, void **handle)
{
    struct gate *gate = ctx;
    struct known_session *session =
        session_cache_find(gate->sessions, gate->reader, gate->txn, cookie);
    gate->token = NULL;
    if (session == NULL) {
        return NULL;
    }
    *handle = &session->memos;
    return &session->view;
}

static const struct facts_answer *recall(void *ctx, const struct facts_route *route,
                                         enum facts_whose whose, void *handle)
{
    const struct gate *gate = ctx;
    const struct route *whole = whole_route(route);
    if (whose == FACTS_CALLER) {
        return memos_recall(handle, route->service_id, gate->txn);
    }
    return whole->of[whose].settled ? &whole->of[whose].answer : NULL;
}

static void remember(void *ctx, const struct facts_route *route, enum facts_whose whose,
                     void *handle, const struct facts_answer *answer)
{
    struct gate *gate = ctx;
    struct route *whole = whole_route(route);
    if (whose != FACTS_CALLER) {
        whole->of[whose].answer = *answer; /* its texts lie in the index, or in the code */
        whole->of[whose].settled = true;
    } else if (gate->token != NULL) {
        token_cache_remember(gate->tokens, gate->token, route->service_id, gate->txn, answer);
    } else {
        memos_remember(handle, route->service_id, gate->txn, answer);
    }
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
    .session = find_session,
    .agent = lookup_agent,
    .recall = recall,
    .remember = remember,
};

/* ---- the decision ---- */

/* What the log calls it. */
static enum token_fault fault_of(enum facts_fault fault, int token_fault)
{
    switch (fault) {
    case FACTS_NO_FAULT:
        return TOKEN_OK;
    case FACTS_CREDENTIAL:
        return TOKEN_MALFORMED;
    case FACTS_TOKEN:
        return (enum token_fault)token_fault;
    case FACTS_ISSUER:
        return TOKEN_ISSUER;
    case FACTS_SUBJECT:
    case FACTS_ACCOUNT_UNKNOWN:
    case FACTS_ACCOUNT_IS_DISABLED:
    case FACTS_ACCOUNT_IS_DELETED:
    case FACTS_KEY_REVOKED:
    case FACTS_EMAIL:
    case FACTS_AGENT_ENDED:
    case FACTS_AGENT_IS_STALE:
        return TOKEN_SUBJECT;
    case FACTS_AUDIENCE:
    case FACTS_URL:
        return TOKEN_AUDIENCE;
    }
    return TOKEN_MALFORMED;
}

/* Behind a door the caller of the check is the door's agent: who came stands with the door. */
__attribute__((noinline)) static void tell_door(const struct facts *facts, struct gate_answer *out)
{
    const struct facts_at_door *door = facts->door;
    const struct door_facts *ladder = &facts->ladder.door;
    out->door = (struct gate_door){
        .facts = door,
        .errand = ladder->errand,
        .fault = ladder->token == CREDENTIAL_BAD ? door->caller.fault : FACTS_NO_FAULT,
        .may_be_person = ladder->may_be_person,
        .identified = door->identified,
    };
    if (door->identified) {
        out->door.email = door->caller.email;
        out->door.ours = door->caller.ours;
        out->door.sub = door->sub;
        out->door.issuer = door->issuer;
    }
    out->principal = door->identified ? door->caller.principal : SLICE_NONE;
    out->fault = fault_of(out->door.fault, facts->token_fault);
    out->strip_authorization = ladder->token == CREDENTIAL_VALID && !door->by_proxy_header;
    out->door.drop_authorization = out->strip_authorization && door->agent.len > 0;
}

static void decide(struct gate *gate, struct arena *arena, const struct http_request *request,
                   const struct source *source, int64_t now_us, bool plain, struct gate_answer *out)
{
    struct facts *facts = &gate->facts;
    gate->txn = index_reader_renew(gate->reader);
    gate->lookup.arena = arena;
    gate->lookup.unknown_key = (struct unknown_key){0};
    gate->request = request;
    gate->source = source;
    struct facts_request *asked = &gate->asked;
    asked->method = request->method;
    asked->websocket = request->upgrade.len > 0;
    asked->authority = request->authority;
    asked->target = request->path;
    asked->plain = plain;
    asked->network = network_of(gate->networks, source, &request->headers, &out->client);
    asked->project = source->project;
    asked->now_us = now_us;
    asked->credential = credential_lines_of(&request->headers);
    facts_gather(&lookups, gate, arena, asked, facts);
    out->verdict = policy_decide(&facts->ladder);
    out->service = facts->route == NULL ? NULL : whole_route(facts->route)->service;
    out->host = facts->host;
    out->tag = facts->route == NULL ? SLICE_NONE : facts->route->tag;
    out->network = facts->ladder.network;
    out->binding = facts_binding(facts, &out->verdict);
    out->unknown_key = gate->lookup.unknown_key;
    if (__builtin_expect(facts->ladder.door.on, false)) {
        tell_door(facts, out);
        return;
    }
    out->door.facts = NULL;
    out->principal = facts->caller.principal;
    out->fault = fault_of(facts->caller.fault, facts->token_fault);
    out->strip_authorization = facts->caller.fault == FACTS_NO_FAULT &&
                               facts->caller.fits_everywhere &&
                               facts->source == CREDENTIAL_AUTHORIZATION;
}

void gate_decide(struct gate *gate, struct arena *arena, const struct http_request *request,
                 const struct source *source, int64_t now_us, struct gate_answer *out)
{
    decide(gate, arena, request, source, now_us, false, out);
}

void gate_decide_plain(struct gate *gate, struct arena *arena, const struct http_request *request,
                       const struct source *source, int64_t now_us, struct gate_answer *out)
{
    decide(gate, arena, request, source, now_us, true, out);
}
