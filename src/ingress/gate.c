/*
 * Facts are gathered in the order of the ladder, and a fact that cannot matter any more is not
 * gathered: a public service's caller is never asked who they are.
 *
 * The fast way is two memories of one transaction each: the route cache (host → service, and what
 * allUsers may there) and the memos of a verified token (service → audience, account, grant). Both
 * are empty again the moment that the index has a new transaction, so a hit is exactly as fresh as
 * a lookup. Whatever depends on the request itself (time, network, path, conditions) is judged
 * anew each time. Tags are not even looked up unless a condition that asks for one is judged.
 */
#include "ingress/gate.h"

#include <stdlib.h>

#include "http/url.h"
#include "ingress/principal.h"
#include "ingress/route.h"
#include "policy/path.h"

struct gate {
    struct index_reader *reader;
    const struct networks *networks;
    struct route_cache *routes;
    struct token_cache *tokens;
    bool strict_paths;
    uint64_t txn;
    struct grant_scratch scratch;
};

struct gate *gate_new(struct index_reader *reader, const struct networks *networks,
                      bool strict_paths)
{
    struct gate *gate = calloc(1, sizeof(*gate));
    if (gate == NULL) {
        abort();
    }
    gate->reader = reader;
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

/* Paths that Cloud Run's edge keeps to itself (docs/access.md A3). */
static bool path_is_reserved(struct arena *arena, struct slice target)
{
    struct slice path = url_path(target);
    struct slice normal;
    if (path_normal(arena, path, &normal) == PATH_FINE) {
        path = normal;
    }
    return slice_is(path, "/eventlog") || slice_is(path, "/healthz") || slice_is(path, "/_ah") ||
           slice_starts(path, SLICE("/_ah/"));
}

/* CONNECT without a protocol asks for a tunnel to elsewhere; with one it is a WebSocket. */
static bool method_is_forbidden(const struct http_request *request)
{
    return slice_is(request->method, "TRACE") ||
           (slice_is(request->method, "CONNECT") && request->upgrade.len == 0);
}

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

/* Whose tags conditions ask for. */
struct tag_scope {
    const struct index_reader *reader;
    const struct index_service *service;
};

/* has_tag of struct cel_env: the nearest node with a value of KEY decides, the service itself
 * first. VALUE "": any. */
static enum cel_tag has_tag(void *ctx, bool by_id, struct slice key, struct slice value)
{
    const struct tag_scope *scope = ctx;
    struct slice held;
    for (size_t i = 0; i < scope->service->node_count; i++) {
        switch (index_reader_tag(scope->reader, scope->service->nodes[i], by_id, key, &held)) {
        case INDEX_ABSENT:
            break;
        case INDEX_FOUND:
            return value.len == 0 || slice_equal(held, value) ? CEL_TAG_HELD : CEL_TAG_ABSENT;
        case INDEX_UNREADABLE:
            return CEL_TAG_UNREADABLE;
        }
    }
    return CEL_TAG_ABSENT;
}

static struct circumstances circumstances_of(struct arena *arena,
                                             const struct http_request *request,
                                             const struct route *route, struct tag_scope *tags,
                                             int64_t now_us)
{
    return (struct circumstances){
        .arena = arena,
        .target = request->path,
        .env =
            {
                .time_us = now_us,
                .host = route->host,
                .resource_name = route->service->resource_name,
                .resource_type = SLICE("run.googleapis.com/Service"),
                .resource_service = SLICE("run.googleapis.com"),
                .has_tag = has_tag,
                .tag_ctx = tags,
                .modified_role_count = -1,
            },
    };
}

static enum grant all_users_judge(struct gate *gate, struct route *route,
                                  struct circumstances *circumstances)
{
    if (route->all_users_settled) {
        return route->all_users;
    }
    const struct index_service *service = route->service;
    enum grant grant = grants_judge(gate->reader, service->nodes, service->node_count,
                                    SLICE("allUsers"), circumstances, &gate->scratch);
    if (!circumstances->asked) {
        route->all_users_settled = true;
        route->all_users = grant;
    }
    return grant;
}

/* Who calls, and may they. Fills the facts of the credential, and what the log wants to know. */
static void credential_judge(struct gate *gate, const struct index_service *service,
                             const struct credential_found *found,
                             struct circumstances *circumstances, struct decide_facts *facts,
                             struct gate_answer *out)
{
    struct verified_token *token;
    struct token_memo fresh;
    facts->credential = CREDENTIAL_BAD;
    out->fault = token_cache_verify(gate->tokens, gate->reader, gate->txn, circumstances->arena,
                                    found->token, circumstances->env.time_us / 1000000, &token,
                                    &out->unknown_key);
    if (out->fault != TOKEN_OK) {
        return;
    }
    const struct token_memo *memo = token_memo_find(token, service->id, gate->txn);
    if (memo == NULL) {
        circumstances->asked = false;
        principal_judge(gate->reader, service, token, circumstances, &gate->scratch, &fresh);
        if (!circumstances->asked) {
            fresh.service_id = service->id;
            fresh.txn = gate->txn;
            token_memo_put(token, &fresh);
        }
        memo = &fresh;
    }
    out->principal = (struct slice){token->principal, token->principal_len};
    out->fault = memo->fault;
    if (memo->fault == TOKEN_OK) {
        facts->credential = CREDENTIAL_VALID;
        facts->principal = memo->grant;
        out->strip_authorization = memo->strip && found->source == CREDENTIAL_AUTHORIZATION;
    }
}

void gate_decide(struct gate *gate, struct arena *arena, const struct http_request *request,
                 const struct sockaddr_storage *peer, int64_t now_us, struct gate_answer *out)
{
    gate->txn = index_reader_renew(gate->reader);
    *out = (struct gate_answer){.fault = TOKEN_OK};
    struct decide_facts facts = {
        .method_forbidden = method_is_forbidden(request),
        .reserved_path = gate->strict_paths && path_is_reserved(arena, request->path),
        .network = network_of(gate->networks, peer, &request->headers, &out->client),
    };
    struct route *route =
        route_find(gate->routes, gate->reader, gate->txn, arena, request->authority, &out->host);
    if (route == NULL) {
        out->verdict = policy_decide(&facts);
        return;
    }
    const struct index_service *service = route->service;
    out->service = service;
    out->tag = route->tag;
    facts.host_known = true;
    facts.default_url = route->default_url;
    facts.default_url_disabled = service->default_url_disabled;
    facts.ingress = ingress_of(service->ingress);
    facts.invoker_check_off = service->invoker_check_off;
    struct tag_scope tags = {gate->reader, service};
    struct circumstances circumstances = circumstances_of(arena, request, route, &tags, now_us);
    if (policy_needs_credential(&facts)) {
        facts.all_users = all_users_judge(gate, route, &circumstances);
    }
    if (policy_needs_credential(&facts)) {
        struct credential_found found = credential_find(&request->headers);
        facts.credential = found.state;
        if (found.state == CREDENTIAL_VALID) {
            credential_judge(gate, service, &found, &circumstances, &facts, out);
        } else if (found.state == CREDENTIAL_BAD) {
            out->fault = TOKEN_MALFORMED;
        }
    }
    out->verdict = policy_decide(&facts);
}
