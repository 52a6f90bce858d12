/* Sessions at the gate: remembered, and gone at the next decision when they are gone. */
#include "fixture.h"

#include "base/clock.h"
#include "ingress/session_cache.h"
#include "lookup/lookup.h"

#define COOKIE "0123456789012345678901234567890123456789012"

static struct world world;
static uint64_t txn;

static int make(void **state)
{
    (void)state;
    world_make(&world);
    return 0;
}

static int done(void **state)
{
    (void)state;
    world_done(&world);
    return 0;
}

static void put(const char *cookie, const struct index_session *session)
{
    struct error err;
    uint8_t key[INDEX_SESSION_KEY];
    struct index_txn *change = index_txn_begin(world.writer, &err);
    lookup_session_key(slice_of(cookie), key);
    assert_true(session == NULL ? index_txn_delete_session(change, key, &err)
                                : index_txn_put_session(change, key, session, &err));
    assert_true(index_txn_commit(&change, &err));
    txn = index_reader_renew(world.reader);
}

static struct index_session a_session(void)
{
    return (struct index_session){
        .host = SLICE(HOST),
        .sub = SLICE("1001"),
        .groups = {SLICE("eng")},
        .group_count = 1,
        .signed_in_us = NOW_S * 1000000,
        .expire_us = (NOW_S + 3600) * 1000000,
        .expire_boot_us = INT64_MAX,
    };
}

static struct known_session *find(struct session_cache *cache, const char *cookie)
{
    return session_cache_find(cache, world.reader, txn, slice_of(cookie));
}

static void a_session_is_remembered_and_read_again_for_each_transaction(void **state)
{
    (void)state;
    struct session_cache *cache = session_cache_new();
    struct index_session session = a_session();
    assert_null(find(cache, COOKIE));
    put(COOKIE, &session);
    struct known_session *found = find(cache, COOKIE);
    assert_non_null(found);
    assert_ptr_equal(find(cache, COOKIE), found);
    assert_true(slice_is(found->view.sub, "1001") && slice_is(found->view.groups[0], "eng"));
    session.sub = SLICE("2002");
    session.group_count = 0;
    put(COOKIE, &session);
    found = find(cache, COOKIE);
    assert_true(slice_is(found->view.sub, "2002") && found->view.group_count == 0);
    put(COOKIE, NULL);
    assert_null(find(cache, COOKIE));
    session_cache_free(cache);
}

static void a_session_is_over_by_the_clock_that_nobody_sets(void **state)
{
    (void)state;
    struct session_cache *cache = session_cache_new();
    struct index_session session = a_session();
    session.expire_boot_us = clock_boot_us() - 1;
    put(COOKIE, &session);
    assert_null(find(cache, COOKIE));
    assert_null(find(cache, COOKIE));
    session_cache_free(cache);
}

static void other_cookies_are_of_nobody(void **state)
{
    (void)state;
    struct session_cache *cache = session_cache_new();
    const struct index_session session = a_session();
    put(COOKIE, &session);
    assert_null(find(cache, ""));
    assert_null(find(cache, COOKIE "x"));
    assert_null(find(cache, COOKIE COOKIE));
    assert_null(find(cache, "1" COOKIE));
    session_cache_free(cache);
}

/* docs/access.md, S9 and P1: with the whole gate. */
static void what_ends_a_session_ends_it_at_the_next_decision(void **state)
{
    (void)state;
    struct error err;
    struct index_session session = a_session();
    const struct index_grant_row guest = {SLICE(ALICE), {.role = SLICE("roles/guest")}};
    const char *cookie = "cookie: a=b; " DOOR_COOKIE "=" COOKIE;
    world.service.door = (struct index_door){
        .on = true, .agent = SLICE(ROBOT), .nodes = {SERVICE_NODE}, .node_count = 1};
    world_publish(&world);
    world_grant(&world, SERVICE_NODE, ROBOT);
    put(COOKIE, &session);
    struct index_txn *change = index_txn_begin(world.writer, &err);
    assert_true(index_txn_put_door_grants(change, SERVICE_NODE, &guest, 1, &err));
    assert_true(index_txn_commit(&change, &err));
#define STATUS() world_ask(&world, HOST, "/", cookie, NULL).verdict.status
    for (int again = 0; again < 3; again++) {
        struct gate_answer answer = world_ask(&world, HOST, "/", cookie, NULL);
        assert_int_equal(answer.verdict.status, 200);
        assert_true(answer.door.identified && slice_is(answer.door.email, "alice@example.com"));
        assert_true(slice_is(answer.principal, ALICE));
    }
    world_account(&world, "1001", ALICE, INDEX_ACCOUNT_DISABLED);
    assert_int_equal(STATUS(), 302);
    world_account(&world, "1001", ALICE, INDEX_ACCOUNT_DELETED);
    world_account(&world, "1002", ALICE, INDEX_ACCOUNT_ACTIVE); /* another, of the same name */
    assert_int_equal(STATUS(), 302);
    world_account(&world, "1001", ALICE, INDEX_ACCOUNT_ACTIVE);
    assert_int_equal(STATUS(), 200);
    world_revoke(&world, SERVICE_NODE); /* the agent */
    assert_int_equal(STATUS(), 403);
    world_grant(&world, SERVICE_NODE, ROBOT);
    assert_int_equal(STATUS(), 200);
    world.now_s = NOW_S + 3600;
    assert_int_equal(STATUS(), 302);
    world.now_s = NOW_S;
    world.service.door.max_age_s = 300;
    world_publish(&world);
    assert_int_equal(STATUS(), 200);
    world.now_s = NOW_S + 300;
    struct gate_answer answer = world_ask(&world, HOST, "/", cookie, NULL);
    assert_int_equal(answer.verdict.rung, RUNG_DOOR_SIGN_IN_DUE);
    world.now_s = NOW_S;
    put(COOKIE, NULL);
    assert_int_equal(STATUS(), 302);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(a_session_is_remembered_and_read_again_for_each_transaction),
        FRESH(a_session_is_over_by_the_clock_that_nobody_sets),
        FRESH(other_cookies_are_of_nobody),
        FRESH(what_ends_a_session_ends_it_at_the_next_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
