/* Tokens of agents at the gate (docs/access.md, C12 and S10): what counts, where, and for how long.
 */
#include "fixture.h"

#include "base/clock.h"
#include "base/encode.h"
#include "trust/trust.h"

#define AUTH  "https://auth.run.localhost"
#define OTHER "other-123.us-central1.run.localhost"
enum { DOOR_NODE = 71 };

static struct world world;
static struct index_session grant; /* as published */
static uint8_t grant_key[INDEX_SESSION_KEY], sign_on_key[INDEX_SESSION_KEY];

static struct index_txn *begin(void)
{
    struct error err;
    struct index_txn *txn = index_txn_begin(world.writer, &err);
    assert_non_null(txn);
    return txn;
}

static void commit(struct index_txn *txn)
{
    struct error err;
    assert_true(index_txn_commit(&txn, &err));
}

static void put_grant(void)
{
    struct error err;
    struct index_txn *txn = begin();
    assert_true(index_txn_put_session(txn, grant_key, &grant, &err));
    commit(txn);
}

static void put_sign_on(bool there)
{
    struct error err;
    struct index_txn *txn = begin();
    const struct index_session session = {
        .sub = SLICE("1001"), .expire_us = INT64_MAX, .expire_boot_us = INT64_MAX};
    assert_true(there ? index_txn_put_session(txn, sign_on_key, &session, &err)
                      : index_txn_delete_session(txn, sign_on_key, &err));
    commit(txn);
}

static void let_in(const char *member)
{
    struct error err;
    struct index_txn *txn = begin();
    const struct index_grant_row row = {slice_of(member),
                                        {.role = SLICE("roles/iap.httpsResourceAccessor")}};
    assert_true(index_txn_put_door_grants(txn, DOOR_NODE, &row, member == NULL ? 0 : 1, &err));
    commit(txn);
}

static int make(void **state)
{
    struct error err;
    (void)state;
    world_make(&world);
    world.service.door = (struct index_door){.on = true,
                                             .audience = SLICE("/projects/123/x"),
                                             .agent = SLICE(ROBOT),
                                             .nodes = {DOOR_NODE},
                                             .node_count = 1};
    world_publish(&world);
    world_grant(&world, SERVICE_NODE, ROBOT);
    memset(grant_key, 7, sizeof(grant_key));
    memset(sign_on_key, 9, sizeof(sign_on_key));
    struct index_txn *txn = begin();
    const struct index_issuer server = {.id = 1, .ours = true, .agents = true};
    const struct index_route route = {.service_id = SERVICE_NODE};
    assert_true(index_txn_put_issuer(txn, SLICE(AUTH), &server, &err));
    assert_true(index_txn_put_route(txn, SLICE(OTHER), &route, &err));
    commit(txn);
    grant = (struct index_session){.host = SLICE(HOST),
                                   .agent = SLICE("client-1"),
                                   .sub = SLICE("1001"),
                                   .signed_in_us = NOW_S * 1000000,
                                   .expire_us = (NOW_S + 100000) * 1000000,
                                   .expire_boot_us = INT64_MAX};
    memcpy(grant.parent, sign_on_key, sizeof(grant.parent));
    put_sign_on(true);
    put_grant();
    let_in(ALICE);
    return 0;
}

static int done(void **state)
{
    (void)state;
    world_done(&world);
    return 0;
}

static const char *sid_of(const uint8_t key[INDEX_SESSION_KEY])
{
    return arena_string(&world.arena,
                        base64url_encode(&world.arena, (struct slice){(const char *)key, 32}));
}

/* An agent's token, or one that differs from it in a thing or two. */
struct made {
    const char *typ, *iss, *sid, *client, *use;
};

static struct slice make_token(const struct made *made)
{
    struct error err;
    struct slice signature;
    const char *claims = arena_printf(
        &world.arena,
        "{\"iat\":%lld,\"exp\":%lld,\"iss\":\"%s\",\"sub\":\"1001\",\"aud\":[\"" URL
        "\"],\"scope\":\"openid\"%s%s%s}",
        (long long)world.token_iat_s, (long long)world.token_iat_s + 600,
        made->iss == NULL ? AUTH : made->iss,
        made->sid == NULL ? arena_printf(&world.arena, ",\"sid\":\"%s\"", sid_of(grant_key))
                          : made->sid,
        made->client == NULL ? ",\"client_id\":\"client-1\"" : made->client,
        made->use == NULL ? ",\"homerun_use\":\"agent\"" : made->use);
    struct slice input =
        token_signing_input_of(&world.arena, trust_secret_alg(world.ours), SLICE("k1"),
                               made->typ == NULL ? "at+jwt" : made->typ, slice_of(claims));
    assert_true(trust_sign(&world.arena, world.ours, input, &signature, &err));
    return token_assemble(&world.arena, input, signature);
}

static struct gate_answer ask_at(const char *host, struct slice token)
{
    return world_ask(&world, host, "/", bearer(&world, "authorization", token).data, NULL);
}

static struct gate_answer ask(struct slice token)
{
    return ask_at(HOST, token);
}

static const struct made good;

static void an_agent_has_what_its_person_has_and_the_container_none_of_its_token(void **state)
{
    (void)state;
    struct slice token = make_token(&good);
    for (int i = 0; i < 2; i++) { /* by signature, and by memory */
        struct gate_answer answer = ask(token);
        assert_true(answer.verdict.allowed);
        assert_true(slice_is(answer.principal, ALICE));
        assert_true(answer.door.drop_authorization);
        assert_true(slice_is(answer.door.sub, "1001"));
    }
    let_in(NULL);
    assert_int_equal(ask(token).verdict.status, 403);
    let_in(ALICE);
    assert_true(ask(token).verdict.allowed);
    /* A token of another kind in Authorization is not dropped. */
    assert_false(ask(world_alice(&world)).door.drop_authorization);
}

static void every_end_is_one_at_the_next_request(void **state)
{
    struct error err;
    (void)state;
    struct slice token = make_token(&good);
    assert_true(ask(token).verdict.allowed);
    put_sign_on(false);
    assert_int_equal(ask(token).verdict.status, 401);
    put_sign_on(true);
    assert_true(ask(token).verdict.allowed);
    struct index_txn *txn = begin();
    assert_true(index_txn_delete_session(txn, grant_key, &err));
    commit(txn);
    assert_int_equal(ask(token).verdict.status, 401);
    put_grant();
    world_account(&world, "1001", ALICE, INDEX_ACCOUNT_DISABLED);
    assert_int_equal(ask(token).verdict.status, 401);
    world_account(&world, "1001", ALICE, INDEX_ACCOUNT_ACTIVE);
    assert_true(ask(token).verdict.allowed);
    grant.expire_us = NOW_S * 1000000;
    put_grant();
    assert_int_equal(ask(token).verdict.status, 401);
    grant.expire_us = INT64_MAX;
    grant.expire_boot_us = 1; /* the wall clock was set back */
    put_grant();
    assert_int_equal(ask(token).verdict.status, 401);
    grant.expire_boot_us = INT64_MAX;
    put_grant();
    world.now_s = NOW_S + 611;
    assert_int_equal(ask(token).verdict.status, 401);
}

static void it_counts_at_one_host_and_where_there_is_a_door(void **state)
{
    (void)state;
    struct slice token = make_token(&good);
    struct gate_answer answer = ask_at(OTHER, token);
    assert_int_equal(answer.verdict.status, 401);
    assert_int_equal(answer.door.fault, FACTS_AUDIENCE);
    assert_true(ask(token).verdict.allowed);
    world.service.door.on = false;
    world_publish(&world);
    world_grant(&world, SERVICE_NODE, ALICE);
    answer = ask(token); /* also one that the memory knows */
    assert_int_equal(answer.verdict.status, 401);
    assert_int_equal(answer.fault, TOKEN_KIND);
}

static void a_door_that_wants_a_fresh_sign_in_gets_it(void **state)
{
    (void)state;
    struct slice token = make_token(&good);
    world.service.door.max_age_s = 300;
    world_publish(&world);
    assert_true(ask(token).verdict.allowed);
    grant.signed_in_us = (NOW_S - 300) * 1000000;
    put_grant();
    assert_int_equal(ask(token).verdict.status, 401);
    grant.signed_in_us = (NOW_S + 60) * 1000000; /* of before the clock was set back */
    put_grant();
    assert_int_equal(ask(token).verdict.status, 401);
}

static void nothing_passes_for_one_that_is_none(void **state)
{
    static const struct made rows[] = {
        {.typ = "JWT"},
        {.typ = "logout+jwt"},
        {.iss = OURS}, /* an access token of the API has that type in other servers */
        {.iss = OURS, .typ = "JWT"},
        {.iss = AUTH "/"},
        {.use = ""},
        {.use = ",\"homerun_use\":\"access\""},
        {.sid = ""},
        {.sid = ",\"sid\":\"\""},
        {.sid = ",\"sid\":\"x\""},
        {.client = ""},
        {.client = ",\"client_id\":\"client-2\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (ask(make_token(&rows[i])).verdict.allowed) {
            fail_msg("row %zu", i);
        }
    }
    /* The session of a browser is none of an agent. */
    grant.agent = SLICE("");
    put_grant();
    assert_int_equal(ask(make_token(&good)).verdict.status, 401);
    const struct made of_nobody = {.client = ",\"client_id\":\"\""};
    assert_int_equal(ask(make_token(&of_nobody)).verdict.status, 401);
}

static void others_name_no_session_of_ours(void **state)
{
    (void)state;
    const char *claims =
        arena_printf(&world.arena,
                     "\"iss\":\"%s\",\"sub\":\"77\",\"aud\":\"" URL
                     "\",\"sid\":\"%s\",\"client_id\":\"client-1\",\"homerun_use\":\"agent\"",
                     GOOGLE, sid_of(grant_key));
    assert_false(ask(world_token(&world, world.google, "g1", claims)).verdict.allowed);
    /* Without the use it is an ID token of theirs, whose sid is their own. */
    claims = arena_printf(&world.arena,
                          "\"iss\":\"%s\",\"sub\":\"77\",\"aud\":\"" URL
                          "\",\"sid\":\"%s\",\"client_id\":\"client-1\"",
                          GOOGLE, sid_of(grant_key));
    struct gate_answer answer = ask(world_token(&world, world.google, "g1", claims));
    assert_int_equal(answer.verdict.status, 403);
    assert_false(answer.door.drop_authorization);
}

/* What `gcloud auth login` has got: an ID token of ours that names the session. */
static void an_id_token_that_hangs_on_a_session_ends_with_it(void **state)
{
    struct error err;
    (void)state;
    const char *sids[] = {sid_of(grant_key), sid_of(sign_on_key), "x"};
    struct slice tokens[3];
    for (int i = 0; i < 3; i++) {
        tokens[i] = world_token(&world, world.ours, "k1",
                                arena_printf(&world.arena,
                                             "\"iss\":\"" OURS "\",\"sub\":\"1001\",\"aud\":\"" URL
                                             "\",\"sid\":\"%s\"",
                                             sids[i]));
    }
    for (int door = 1; door >= 0; door--) {
        world.service.door.on = door != 0;
        world_publish(&world);
        if (!door) {
            world_grant(&world, SERVICE_NODE, ALICE);
        }
        assert_true(ask(tokens[0]).verdict.allowed);
        assert_int_equal(ask(tokens[1]).verdict.status, 401); /* a browser's session */
        assert_int_equal(ask(tokens[2]).verdict.status, 401);
        struct index_txn *txn = begin();
        assert_true(index_txn_delete_session(txn, grant_key, &err));
        commit(txn);
        assert_int_equal(ask(tokens[0]).verdict.status, 401);
        grant.sub = SLICE("2001"); /* another person's */
        put_grant();
        assert_int_equal(ask(tokens[0]).verdict.status, 401);
        grant.sub = SLICE("1001");
        put_grant();
    }
    grant.expire_us = NOW_S * 1000000;
    put_grant();
    assert_int_equal(ask(tokens[0]).verdict.status, 401);
}

static void no_cookie_is_an_agents_session(void **state)
{
    struct error err;
    uint8_t key[INDEX_SESSION_KEY];
    (void)state;
    lookup_session_key(SLICE("cookie"), key);
    struct index_txn *txn = begin();
    assert_true(index_txn_put_session(txn, key, &grant, &err));
    commit(txn);
    static const char cookie[] = "cookie: __Host-homerun_session=cookie";
    assert_false(world_ask(&world, HOST, "/", cookie, NULL).verdict.allowed);
    grant.agent = SLICE("");
    txn = begin();
    assert_true(index_txn_put_session(txn, key, &grant, &err));
    commit(txn);
    assert_true(world_ask(&world, HOST, "/", cookie, NULL).verdict.allowed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_agent_has_what_its_person_has_and_the_container_none_of_its_token),
        TEST(every_end_is_one_at_the_next_request),
        TEST(it_counts_at_one_host_and_where_there_is_a_door),
        TEST(a_door_that_wants_a_fresh_sign_in_gets_it),
        TEST(nothing_passes_for_one_that_is_none),
        TEST(others_name_no_session_of_ours),
        TEST(an_id_token_that_hangs_on_a_session_ends_with_it),
        TEST(no_cookie_is_an_agents_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
