#include "fixture.h"

#include "ingress/token_cache.h"

static struct world world;
static uint64_t txn;

static int make(void **state)
{
    (void)state;
    world_make(&world);
    txn = index_reader_renew(world.reader);
    return 0;
}

static int done(void **state)
{
    (void)state;
    world_done(&world);
    return 0;
}

static struct slice numbered(int number)
{
    return world_token(&world, world.ours, "k1",
                       arena_printf(&world.arena,
                                    "\"iss\":\"" OURS "\",\"sub\":\"%d\",\"aud\":[\"a\",\"b\"]",
                                    number));
}

static enum token_fault verify(struct token_cache *cache, struct slice text, int64_t now_s,
                               struct verified_token **out)
{
    struct lookup_belief belief;
    return token_cache_verify(cache, world.reader, txn, &world.arena, text, now_s, false, out,
                              &belief);
}

static void a_cached_token_keeps_its_claims_and_not_its_signature(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(16);
    struct verified_token *token;
    struct slice text = numbered(1);
    assert_int_equal(verify(cache, text, NOW_S, &token), TOKEN_OK);
    assert_true(slice_is(token->claims.iss, OURS));
    assert_true(slice_is(token->claims.sub, "1"));
    assert_int_equal(token->claims.audience_count, 2);
    assert_true(slice_is(token->claims.audiences[1], "b"));
    assert_int_equal(token->claims.signature.len, 0);
    assert_int_equal(token->claims.payload.len, 0);
    struct verified_token *again;
    assert_int_equal(verify(cache, text, NOW_S, &again), TOKEN_OK);
    assert_ptr_equal(token, again);
    assert_int_equal(token_cache_count(cache), 1);
    token_cache_free(cache);
}

static void a_cached_token_expires_like_any_other(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(16);
    struct verified_token *token;
    struct slice text = numbered(1);
    assert_int_equal(verify(cache, text, NOW_S, &token), TOKEN_OK);
    assert_int_equal(verify(cache, text, NOW_S + 3609, &token), TOKEN_OK);
    assert_int_equal(verify(cache, text, NOW_S + 3610, &token), TOKEN_EXPIRED);
    assert_int_equal(verify(cache, text, NOW_S - 61, &token), TOKEN_NOT_YET);
    token_cache_free(cache);
}

static void a_token_that_differs_in_one_byte_is_another_token(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(16);
    struct verified_token *token;
    struct slice text = numbered(1);
    assert_int_equal(verify(cache, text, NOW_S, &token), TOKEN_OK);
    for (size_t i = 0; i < text.len; i += 7) {
        struct slice other = arena_slice(&world.arena, text);
        char *byte = (char *)(uintptr_t)&other.data[i];
        *byte = *byte == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify(cache, other, NOW_S, &token), TOKEN_OK);
    }
    assert_int_equal(token_cache_count(cache), 1);
    token_cache_free(cache);
}

static void the_cache_is_bounded_and_keeps_what_is_used(void **state)
{
    (void)state;
    enum { MAX = 8 };
    struct token_cache *cache = token_cache_new(MAX);
    struct verified_token *token;
    struct slice hot = numbered(0);
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(verify(cache, hot, NOW_S, &token), TOKEN_OK);
        assert_int_equal(verify(cache, numbered(i), NOW_S, &token), TOKEN_OK);
        assert_true(token_cache_count(cache) <= MAX);
    }
    token_cache_remember(cache, token, 1, txn, &(struct facts_answer){.grant = GRANT_NO});
    assert_int_equal(token_cache_count(cache), MAX);
    token_cache_free(cache);
}

static void large_tokens_do_not_fill_the_memory(void **state)
{
    (void)state;
    enum { AUDIENCE = 8000 };
    struct token_cache *cache = token_cache_new(TOKEN_CACHE_MAX);
    struct verified_token *token;
    char *audience = arena_alloc(&world.arena, AUDIENCE + 1);
    memset(audience, 'a', AUDIENCE);
    for (int i = 0; i < 3000; i++) {
        struct arena scratch = {0};
        struct lookup_belief belief;
        struct world once = world;
        once.arena = scratch;
        struct slice text = world_token(
            &once, world.ours, "k1",
            arena_printf(&once.arena, "\"iss\":\"" OURS "\",\"sub\":\"%d\",\"aud\":\"%s\"", i,
                         audience));
        assert_int_equal(token_cache_verify(cache, world.reader, txn, &once.arena, text, NOW_S,
                                            false, &token, &belief),
                         TOKEN_OK);
        arena_done(&once.arena);
    }
    assert_true(token_cache_count(cache) * AUDIENCE * 2 < TOKEN_CACHE_BYTES + (1 << 20));
    assert_true(token_cache_count(cache) > 1000);
    token_cache_free(cache);
}

static void strangers_do_not_get_in(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(16);
    struct verified_token *token;
    struct slice text = world_token(&world, world.foreign, "k1",
                                    "\"iss\":\"" OURS "\",\"sub\":\"1\",\"aud\":\"a\"");
    assert_int_equal(verify(cache, text, NOW_S, &token), TOKEN_SIGNATURE);
    assert_int_equal(verify(cache, SLICE("a.b.c"), NOW_S, &token), TOKEN_MALFORMED);
    assert_int_equal(verify(cache, SLICE(""), NOW_S, &token), TOKEN_MALFORMED);
    assert_int_equal(token_cache_count(cache), 0);
    token_cache_free(cache);
}

static void a_token_leaves_when_its_key_does(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(16);
    struct verified_token *token;
    struct slice text = numbered(1);
    assert_int_equal(verify(cache, text, NOW_S, &token), TOKEN_OK);
    world_key(&world, 1, "k2", world.foreign);
    txn = index_reader_renew(world.reader);
    assert_int_equal(verify(cache, text, NOW_S, &token), TOKEN_OK);
    world_drop_keys(&world, 1);
    txn = index_reader_renew(world.reader);
    assert_int_equal(verify(cache, text, NOW_S, &token), TOKEN_UNKNOWN_KEY);
    assert_int_equal(token_cache_count(cache), 0);
    token_cache_free(cache);
}

static void a_memo_is_of_one_service_and_one_transaction(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(16);
    struct verified_token *token;
    assert_int_equal(verify(cache, numbered(1), NOW_S, &token), TOKEN_OK);
    char name[] = "user:ada@example.com";
    struct facts_answer answer = {.grant = GRANT_YES, .principal = slice_of(name)};
    answer.binding.member = slice_of(name);
    answer.email = slice_from(slice_of(name), 5);
    token_cache_remember(cache, token, 1, 5, &answer);
    memset(name, 'x', sizeof(name) - 1); /* the memory of a request ends with it */
    const struct facts_answer *known = memos_recall(&token->memos, 1, 5);
    assert_non_null(known);
    assert_true(slice_is(known->principal, "user:ada@example.com"));
    assert_true(slice_is(known->binding.member, "user:ada@example.com"));
    assert_true(slice_is(known->email, "ada@example.com"));
    assert_null(memos_recall(&token->memos, 1, 6));
    assert_null(memos_recall(&token->memos, 2, 5));
    for (uint64_t id = 2; id < 2 + MEMOS; id++) {
        token_cache_remember(cache, token, id, 5, &answer);
    }
    assert_null(memos_recall(&token->memos, 1, 5));
    token_cache_free(cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cached_token_keeps_its_claims_and_not_its_signature),
        TEST(a_cached_token_expires_like_any_other),
        TEST(a_token_that_differs_in_one_byte_is_another_token),
        TEST(the_cache_is_bounded_and_keeps_what_is_used),
        TEST(large_tokens_do_not_fill_the_memory),
        TEST(strangers_do_not_get_in),
        TEST(a_token_leaves_when_its_key_does),
        TEST(a_memo_is_of_one_service_and_one_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
