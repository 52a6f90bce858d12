/*
 * Gate, explanation and ladder agree on rung, status and binding: over worlds by chance, each asked
 * a few times. The gate keeps its memories through all of them; the explanation gathers as control
 * does, over the index without memories; the oracle has the tables alone. Then each look-up is
 * broken in turn, and the disagreement has to show.
 *
 * AGREEMENT_PAIRS: how many pairs of world and request (20,000; `make test-agreement`: 500,000).
 */
#include "agreement_world.h"

#include <arpa/inet.h>

#include "lookup/lookup.h"

enum { PAIRS = 30000, REQUESTS_OF_A_WORLD = 8, PAIRS_OF_A_MUTATION = 16000 };

static struct world stand;
static struct slice tokens[TOKENS];
static struct lookup lookup;

static int make(void **state)
{
    struct error err;
    (void)state;
    world_make(&stand);
    assert_true(cidr_list_read(SLICE("10.0.0.0/8"), &stand.networks.internal, &err));
    assert_true(cidr_list_read(SLICE("198.51.100.1"), &stand.networks.trusted_proxies, &err));
    chance_tokens(&stand, tokens);
    lookup.reader = stand.reader;
    return 0;
}

static int done(void **state)
{
    (void)state;
    world_done(&stand);
    return 0;
}

/* ---- one request, for both sides ---- */

static struct slice value_of(struct arena *arena, int token)
{
    return token == -2   ? SLICE("")
           : token == -3 ? SLICE("Basic YTpi")
                         : slice_of(arena_printf(arena, "Bearer %.*s", SLICE_ARG(tokens[token])));
}

static void add_lines(struct arena *arena, struct http_headers *headers, struct slice name,
                      int token, bool twice)
{
    if (token == -1) {
        return;
    }
    http_headers_add(headers, arena, name, value_of(arena, token));
    if (twice) {
        http_headers_add(headers, arena, name, value_of(arena, token));
    }
}

/* A browser's words about itself: as lines, and as what a door makes of them. */
struct browser_line {
    const char *name, *value;
    size_t field;
};

#define LINES_MAX 8

static size_t browser_lines(struct arena *arena, const struct chance_request *request,
                            struct browser_line out[LINES_MAX])
{
#define FIELD(member) offsetof(struct door_fields, member)
    const struct browser_row *row = &browser_rows[request->browser];
    const char *host = host_rows[request->host].sent;
    const char *origin = row->origin != NULL && strcmp(row->origin, "own") == 0
                             ? arena_printf(arena, "https://%s", host)
                             : row->origin;
    const struct browser_line all[] = {
        {"sec-fetch-site", row->site, FIELD(fetch_site)},
        {"sec-fetch-mode", row->mode, FIELD(fetch_mode)},
        {"sec-fetch-dest", row->dest, FIELD(fetch_dest)},
        {"origin", origin, FIELD(origin)},
        {"x-requested-with", row->requested_with, FIELD(requested_with)},
        {"accept", row->accept, FIELD(accept)},
        {"access-control-request-method", request->preflight ? "PUT" : NULL,
         FIELD(preflight_method)},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].value != NULL) {
            out[count++] = all[i];
        }
    }
    return count;
}

static const char *cookie_of(const struct chance_request *request)
{
    return request->session == -2 ? "nobody" : session_rows[request->session].cookie;
}

static void add_browser(struct arena *arena, struct http_headers *headers,
                        const struct chance_request *request)
{
    struct browser_line lines[LINES_MAX];
    size_t count = browser_lines(arena, request, lines);
    for (size_t i = 0; i < count; i++) {
        http_headers_add(headers, arena, slice_of(lines[i].name), slice_of(lines[i].value));
    }
    if (request->session != -1) {
        http_headers_add(
            headers, arena, SLICE("cookie"),
            slice_of(arena_printf(arena, "a=b; %s=%s%s", DOOR_COOKIE, cookie_of(request),
                                  request->two_cookies ? "; " DOOR_COOKIE "=x" : "")));
    }
}

struct told {
    struct arena *arena;
    const struct chance_request *request;
};

static void tell_door(const void *ctx, struct door_fields *out)
{
    const struct told *told = ctx;
    const struct chance_request *request = told->request;
    const struct browser_row *row = &browser_rows[request->browser];
    struct browser_line lines[LINES_MAX];
    size_t count = browser_lines(told->arena, request, lines);
    *out = (struct door_fields){
        .scheme = SLICE("https"),
        .upgrade = request->websocket,
        .accepts_page = row->accept != NULL && (strstr(row->accept, "text/html") != NULL ||
                                                strstr(row->accept, "*/*") != NULL),
    };
    for (size_t i = 0; i < count; i++) {
        struct door_field *field = (void *)((char *)out + lines[i].field);
        *field = (struct door_field){1, slice_of(lines[i].value)};
    }
    if (request->session != -1) {
        out->cookie =
            (struct door_field){request->two_cookies ? 2 : 1, slice_of(cookie_of(request))};
    }
    if (request->proxy != -1) {
        out->proxy_authorization = (struct door_field){1, value_of(told->arena, request->proxy)};
    }
}

/* What the gate is asked, as it comes from the wire. */
static struct gate_answer ask_gate(struct arena *arena, const struct chance_request *request)
{
    struct gate_answer answer;
    const struct peer_row *peer = &peer_rows[request->peer];
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&address;
    struct http_request head = {
        .method = slice_of(request->method),
        .scheme = SLICE("https"),
        .authority = slice_of(host_rows[request->host].sent),
        .path = slice_of(path_rows[request->path].sent),
        .upgrade = request->websocket ? SLICE("websocket") : SLICE(""),
    };
    v4->sin_family = AF_INET;
    assert_int_equal(inet_pton(AF_INET, peer->address, &v4->sin_addr), 1);
    if (peer->forwarded != NULL) {
        http_headers_add(&head.headers, arena, SLICE("x-forwarded-for"), slice_of(peer->forwarded));
    }
    add_lines(arena, &head.headers, SLICE("authorization"), request->authorization,
              request->authorization_twice);
    add_lines(arena, &head.headers, SLICE("x-serverless-authorization"), request->serverless,
              request->serverless_twice);
    add_lines(arena, &head.headers, SLICE("proxy-authorization"), request->proxy, false);
    add_browser(arena, &head.headers, request);
    gate_decide(stand.gate, arena, &head, &(struct source){.peer = &address},
                request->now_s * 1000000, &answer);
    return answer;
}

/* What the explanation is asked: the same, told. */
static void ask_explanation(const struct facts_lookups *lookups, struct arena *arena,
                            const struct chance_request *request, struct facts *facts)
{
    const struct told told = {arena, request};
    struct facts_request asked = {
        .door_fields = tell_door,
        .door_fields_ctx = &told,
        .method = slice_of(request->method),
        .websocket = request->websocket,
        .authority = slice_of(host_rows[request->host].sent),
        .target = slice_of(path_rows[request->path].sent),
        .network = peer_rows[request->peer].network,
        .now_us = request->now_s * 1000000,
    };
    if (request->authorization != -1) {
        asked.credential.authorization = value_of(arena, request->authorization);
        asked.credential.authorization_count = request->authorization_twice ? 2 : 1;
    }
    if (request->serverless != -1) {
        asked.credential.serverless = value_of(arena, request->serverless);
        asked.credential.serverless_count = request->serverless_twice ? 2 : 1;
    }
    index_reader_renew(stand.reader);
    lookup.arena = arena;
    facts_gather(lookups, &lookup, arena, &asked, facts);
}

static bool is_grant(const struct chance_world *world, const struct facts_binding *binding,
                     const struct expected *expected)
{
    char role[32];
    int number = expected->grant;
    if (binding == NULL || number < 0) {
        return binding == NULL && number < 0;
    }
    const struct grant_row *grant =
        expected->of_door ? &world->door_grants[number] : &world->grants[number];
    snprintf(role, sizeof(role), "roles/test.%d", number);
    return slice_is(binding->grant.role, role) &&
           binding->node ==
               (expected->of_door ? door_node_ids[grant->node] : node_ids[grant->node]) &&
           slice_is(binding->member, member_names[grant->member]);
}

static bool is_as_expected(const struct chance_world *world, const struct expected *expected,
                           const struct verdict *verdict, const struct facts_binding *binding)
{
    return verdict->rung == expected->verdict.rung && verdict->status == expected->verdict.status &&
           verdict->allowed == expected->verdict.allowed && is_grant(world, binding, expected);
}

/* ---- agreement ---- */

struct tally {
    unsigned long pairs, rungs[RUNG_COUNT];
};

static void compare(const char *who, uint64_t seed, const struct chance_world *world,
                    const struct expected *expected, const struct verdict *verdict,
                    const struct facts_binding *binding)
{
    if (!is_as_expected(world, expected, verdict, binding)) {
        fail_msg("world %llu: %s says %s (%d), expected %s (%d) by grant %d; got role %.*s",
                 (unsigned long long)seed, who, rung_name(verdict->rung), verdict->status,
                 rung_name(expected->verdict.rung), expected->verdict.status, expected->grant,
                 binding == NULL ? 0 : (int)binding->grant.role.len,
                 binding == NULL ? "" : binding->grant.role.data);
    }
}

static void ask_all(uint64_t seed, const struct chance_world *world,
                    const struct chance_request *request, struct tally *tally)
{
    auto_arena arena = {0};
    struct facts facts;
    struct expected expected = oracle_answer(world, request);
    for (int again = 0; again < 2; again++) { /* the second time out of the gate's memory */
        struct gate_answer answer = ask_gate(&arena, request);
        compare(again == 0 ? "the gate" : "the gate again", seed, world, &expected, &answer.verdict,
                answer.binding);
        if (answer.verdict.allowed && world->door) {
            assert_int_equal(answer.door.facts != NULL && answer.door.identified,
                             expected.identified);
        }
    }
    ask_explanation(&lookup_table, &arena, request, &facts);
    struct verdict verdict = policy_decide(&facts.ladder);
    compare("the explanation", seed, world, &expected, &verdict, facts_binding(&facts, &verdict));
    tally->pairs++;
    tally->rungs[verdict.rung]++;
}

static void gate_explanation_and_ladder_agree(void **state)
{
    (void)state;
    const char *asked = getenv("AGREEMENT_PAIRS");
    unsigned long wanted = asked == NULL ? PAIRS : strtoul(asked, NULL, 10);
    struct tally tally = {0};
    for (uint64_t seed = 1; tally.pairs < wanted; seed++) {
        struct arena before = stand.arena;
        struct chance_world world;
        uint64_t chance = seed;
        stand.arena = (struct arena){0};
        chance_world_make(&chance, &world);
        chance_publish(&stand, &world);
        for (int i = 0; i < REQUESTS_OF_A_WORLD; i++) {
            struct chance_request request;
            chance_request_make(&chance, &request);
            ask_all(seed, &world, &request, &tally);
        }
        arena_done(&stand.arena);
        stand.arena = before;
    }
    printf("%lu pairs agree:", tally.pairs);
    for (enum rung rung = RUNG_UNKNOWN_HOST; rung < (enum rung)RUNG_COUNT; rung++) {
        printf(" %s %lu", rung_name(rung), tally.rungs[rung]);
        bool elsewhere = rung == RUNG_RESERVED_PATH || rung == RUNG_PLAIN_HTTP ||
                         rung == RUNG_DOOR_PREFLIGHT || rung == RUNG_DOOR_ALL_USERS ||
                         rung == RUNG_DOOR_PASSED;
        assert_true(elsewhere || tally.rungs[rung] * 2500 > tally.pairs); /* each rung was met */
    }
    printf("\n");
}

/* ---- a broken gatherer ---- */

static const struct facts_grant *grants_without_conditions(void *ctx,
                                                           enum facts_permission permission,
                                                           uint64_t node, struct slice member,
                                                           size_t *count)
{
    lookup_grants(ctx, permission, node, member, count);
    for (size_t i = 0; i < *count; i++) {
        lookup.grants[i].program = SLICE("");
    }
    return lookup.grants;
}

static const struct facts_grant *grants_of_the_service_alone(void *ctx,
                                                             enum facts_permission permission,
                                                             uint64_t node, struct slice member,
                                                             size_t *count)
{
    const struct facts_grant *grants = lookup_grants(ctx, permission, node, member, count);
    *count = node == SERVICE_NODE ? *count : 0;
    return grants;
}

static bool accounts_that_always_stand(void *ctx, struct slice sub, struct facts_account *out)
{
    bool found = lookup_account(ctx, sub, out);
    out->state = FACTS_ACCOUNT_ACTIVE;
    return found;
}

static bool accounts_without_domain(void *ctx, struct slice sub, struct facts_account *out)
{
    bool found = lookup_account(ctx, sub, out);
    out->domain = SLICE("");
    return found;
}

static bool any_user_key(void *ctx, struct slice kid)
{
    (void)ctx, (void)kid;
    return true;
}

static const struct slice *no_groups(void *ctx, struct slice member, size_t *count)
{
    (void)ctx, (void)member;
    *count = 0;
    return lookup.groups;
}

static enum cel_tag no_tags(void *ctx, uint64_t node, bool by_id, struct slice key,
                            struct slice *value)
{
    (void)ctx, (void)node, (void)by_id, (void)key, (void)value;
    return CEL_TAG_ABSENT;
}

static bool issuers_with_every_authority(void *ctx, struct slice iss, struct facts_issuer *out)
{
    bool found = lookup_issuer(ctx, iss, out);
    out->domains = SLICE("corp.example,gmail.com,example.com");
    return found;
}

static bool issuers_all_like_google(void *ctx, struct slice iss, struct facts_issuer *out)
{
    bool found = lookup_issuer(ctx, iss, out);
    out->google_like = true;
    return found;
}

static const struct facts_route *routes_of_no_default_url(void *ctx, struct slice authority,
                                                          struct slice *host)
{
    const struct facts_route *found = lookup_table.route(ctx, authority, host);
    lookup.route.default_url = false;
    return found;
}

static const struct facts_service *services_open_to_all_networks(void *ctx,
                                                                 const struct facts_route *route)
{
    const struct facts_service *found = lookup_table.service(ctx, route);
    lookup.service.ingress = INGRESS_ALL;
    return found;
}

static const struct facts_service *services_without_the_switch(void *ctx,
                                                               const struct facts_route *route)
{
    const struct facts_service *found = lookup_table.service(ctx, route);
    lookup.service.invoker_check_off = false;
    return found;
}

static const struct facts_service *services_off_for_ever(void *ctx, const struct facts_route *route)
{
    const struct facts_service *found = lookup_table.service(ctx, route);
    lookup.service.check_off_until_us = 0;
    return found;
}

static const struct facts_service *
services_whose_audiences_are_all_urls(void *ctx, const struct facts_route *route)
{
    const struct facts_service *found = lookup_table.service(ctx, route);
    lookup.service.url_audience_count = lookup.service.audience_count;
    return found;
}

static void tokens_that_never_end(void *ctx, struct slice text, int64_t now_s, bool at_door,
                                  struct facts_token *out)
{
    (void)now_s;
    lookup_table.token(ctx, text, NOW_S, at_door, out);
    if (out->claims == NULL) {
        lookup_table.token(ctx, text, NOW_S - 3600, at_door, out);
    }
}

static void tokens_that_sign_themselves_nowhere(void *ctx, struct slice text, int64_t now_s,
                                                bool at_door, struct facts_token *out)
{
    (void)at_door;
    lookup_table.token(ctx, text, now_s, false, out);
}

static const struct facts_grant *grants_of_one_table(void *ctx, enum facts_permission permission,
                                                     uint64_t node, struct slice member,
                                                     size_t *count)
{
    (void)permission;
    return lookup_grants(ctx, FACTS_INVOKE, node, member, count);
}

static const struct facts_service *services_without_door(void *ctx, const struct facts_route *route)
{
    const struct facts_service *found = lookup_table.service(ctx, route);
    lookup.service.door.on = false;
    return found;
}

static const struct facts_service *services_of_all_domains(void *ctx,
                                                           const struct facts_route *route)
{
    const struct facts_service *found = lookup_table.service(ctx, route);
    lookup.service.door.domains_limited = false;
    return found;
}

static const struct facts_session *sessions_that_never_end(void *ctx, struct slice cookie,
                                                           void **handle)
{
    const struct facts_session *found = lookup_table.session(ctx, cookie, handle);
    lookup.session.expire_us = INT64_MAX;
    return found;
}

static const struct facts_session *sessions_of_every_host(void *ctx, struct slice cookie,
                                                          void **handle)
{
    const struct facts_session *found = lookup_table.session(ctx, cookie, handle);
    lookup.session.host = SLICE(HOST);
    return found;
}

static const struct facts_session *sessions_of_just_now(void *ctx, struct slice cookie,
                                                        void **handle)
{
    const struct facts_session *found = lookup_table.session(ctx, cookie, handle);
    lookup.session.signed_in_us = NOW_S * 1000000;
    return found;
}

static const struct facts_session *sessions_without_groups(void *ctx, struct slice cookie,
                                                           void **handle)
{
    const struct facts_session *found = lookup_table.session(ctx, cookie, handle);
    lookup.session.group_count = 0;
    return found;
}

enum { BROKEN_MAX = 24 };

static void a_broken_look_up_is_seen(void **state)
{
    (void)state;
    struct facts_lookups broken[BROKEN_MAX];
    size_t count = 0;
#define BREAK(what, function) (broken[count] = lookup_table, broken[count++].what = (function))
    BREAK(grants, grants_without_conditions);
    BREAK(grants, grants_of_the_service_alone);
    BREAK(account, accounts_that_always_stand);
    BREAK(account, accounts_without_domain);
    BREAK(user_key, any_user_key);
    BREAK(groups, no_groups);
    BREAK(tag, no_tags);
    BREAK(issuer, issuers_with_every_authority);
    BREAK(issuer, issuers_all_like_google);
    BREAK(route, routes_of_no_default_url);
    BREAK(service, services_open_to_all_networks);
    BREAK(service, services_without_the_switch);
    BREAK(service, services_off_for_ever);
    BREAK(service, services_whose_audiences_are_all_urls);
    BREAK(token, tokens_that_never_end);
    BREAK(token, tokens_that_sign_themselves_nowhere);
    BREAK(grants, grants_of_one_table);
    BREAK(service, services_without_door);
    BREAK(service, services_of_all_domains);
    BREAK(session, sessions_that_never_end);
    BREAK(session, sessions_of_every_host);
    BREAK(session, sessions_of_just_now);
    BREAK(session, sessions_without_groups);
    bool seen[BROKEN_MAX] = {false};
    for (uint64_t seed = 1; seed <= PAIRS_OF_A_MUTATION / REQUESTS_OF_A_WORLD; seed++) {
        struct arena before = stand.arena;
        struct chance_world world;
        uint64_t chance = seed;
        stand.arena = (struct arena){0};
        chance_world_make(&chance, &world);
        chance_publish(&stand, &world);
        for (int i = 0; i < REQUESTS_OF_A_WORLD; i++) {
            struct chance_request request;
            chance_request_make(&chance, &request);
            struct expected expected = oracle_answer(&world, &request);
            for (size_t k = 0; k < count; k++) {
                struct facts facts;
                if (seen[k]) {
                    continue;
                }
                ask_explanation(&broken[k], &stand.arena, &request, &facts);
                struct verdict verdict = policy_decide(&facts.ladder);
                seen[k] =
                    !is_as_expected(&world, &expected, &verdict, facts_binding(&facts, &verdict));
            }
        }
        arena_done(&stand.arena);
        stand.arena = before;
    }
    for (size_t k = 0; k < count; k++) {
        if (!seen[k]) {
            fail_msg("the broken look-up number %zu was not noticed", k);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_explanation_and_ladder_agree),
        cmocka_unit_test(a_broken_look_up_is_seen),
    };
    return cmocka_run_group_tests(tests, make, done);
}
