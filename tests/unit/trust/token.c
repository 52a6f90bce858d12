#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/encode.h"
#include "trust/secret.h"

#define HEAD "{\"alg\":\"RS256\"}"

/* A token of these two texts with some signature. */
static struct slice made_of(struct arena *arena, const char *header, const char *claims)
{
    struct slice h = base64url_encode(arena, slice_of(header));
    struct slice c = base64url_encode(arena, slice_of(claims));
    return slice_of(arena_printf(arena, "%.*s.%.*s.c2ln", SLICE_ARG(h), SLICE_ARG(c)));
}

static enum token_fault parse(const char *header, const char *claims)
{
    auto_arena arena = {0};
    struct token token;
    return token_parse(&arena, made_of(&arena, header, claims), &token);
}

static void a_token_comes_apart_into_its_claims(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct token token;
    struct slice text = made_of(&arena, "{\"alg\":\"ES256\",\"kid\":\"k\",\"typ\":\"jwt\"}",
                                "{\"iss\":\"i\",\"sub\":\"s\",\"email\":\"e@x\",\"hd\":\"h\","
                                "\"azp\":\"z\",\"scope\":\"a b\",\"target_audience\":\"t\","
                                "\"nonce\":\"n\",\"homerun_key\":\"hk\",\"homerun_use\":\"access\","
                                "\"aud\":[\"a1\",\"a2\"],\"exp\":2e3,\"iat\":1000.9,\"nbf\":900,"
                                "\"email_verified\":\"true\",\"other\":{\"x\":[1]}}");
    assert_int_equal(token_parse(&arena, text, &token), TOKEN_OK);
    assert_int_equal(token.alg, TRUST_ES256);
    assert_true(slice_is(token.kid, "k") && slice_is(token.typ, "jwt"));
    assert_true(slice_is(token.iss, "i") && slice_is(token.sub, "s") &&
                slice_is(token.email, "e@x") && slice_is(token.hd, "h") &&
                slice_is(token.azp, "z") && slice_is(token.scope, "a b") &&
                slice_is(token.target_audience, "t") && slice_is(token.nonce, "n") &&
                slice_is(token.user_key, "hk") && slice_is(token.token_use, "access"));
    assert_int_equal(token.audience_count, 2);
    assert_true(slice_is(token.audiences[1], "a2"));
    assert_true(token.exp == 2000 && token.iat == 1000 && token.nbf == 900);
    assert_true(token.email_verified);
    assert_true(slice_is(token.signature, "sig"));
    assert_true(slice_equal(token.signed_part, slice_upto(text, text.len - 5)));
}

static void what_is_absent_is_empty(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct token token;
    assert_int_equal(token_parse(&arena, made_of(&arena, HEAD, "{}"), &token), TOKEN_OK);
    assert_true(token.kid.len == 0 && token.iss.len == 0 && token.token_use.len == 0);
    assert_true(token.kid.data != NULL && token.iss.data != NULL);
    assert_int_equal(token.audience_count, 0);
    assert_true(token.exp == INT64_MIN && token.iat == INT64_MIN && token.nbf == INT64_MIN);
    assert_false(token.email_verified);
}

static void a_header_that_asks_for_something_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum token_fault fault;
    } cases[] = {
        {HEAD, TOKEN_OK},
        {"{\"alg\":\"EdDSA\",\"typ\":\"at+JWT\",\"x5t\":1}", TOKEN_OK},
        {"{\"alg\":\"none\"}", TOKEN_ALG},
        {"{\"alg\":\"HS256\"}", TOKEN_ALG},
        {"{\"alg\":\"rs256\"}", TOKEN_ALG},
        {"{\"alg\":\"RS256 \"}", TOKEN_ALG},
        {"{\"alg\":\"PS256\"}", TOKEN_ALG},
        {"{}", TOKEN_ALG},
        {"{\"alg\":1}", TOKEN_MALFORMED},
        {"{\"alg\":[\"RS256\"]}", TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"alg\":\"ES256\"}", TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"crit\":[]}", TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}", TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"b64\":true}", TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":7}", TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":null}", TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":7}", TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", TOKEN_KIND},
        {"[\"RS256\"]", TOKEN_MALFORMED},
        {"\"RS256\"", TOKEN_MALFORMED},
        {HEAD "x", TOKEN_MALFORMED},
        {"{\"alg\":\"RS256\\u0000\"}", TOKEN_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum token_fault fault = parse(cases[i].header, "{}");
        if (fault != cases[i].fault) {
            fail_msg("%s: %s", cases[i].header, token_fault_name(fault));
        }
    }
}

static void a_claim_of_a_wrong_kind_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        bool good;
    } cases[] = {
        {"{\"aud\":\"a\"}", true},
        {"{\"aud\":[]}", true},
        {"{\"aud\":[\"a\",7]}", false},
        {"{\"aud\":{}}", false},
        {"{\"aud\":null}", false},
        {"{\"aud\":[[\"a\"]]}", false},
        {"{\"sub\":7}", false},
        {"{\"sub\":null}", false},
        {"{\"iss\":[\"i\"]}", false},
        {"{\"sub\":\"a\",\"sub\":\"b\"}", false},
        {"{\"s\\u0075b\":\"a\",\"sub\":\"b\"}", false},
        {"{\"sub\":\"a\\u0000b\"}", false},
        {"{\"sub\":\"\xff\"}", false},
        {"{\"exp\":\"1\"}", false},
        {"{\"exp\":-1}", false},
        {"{\"exp\":true}", false},
        {"{\"exp\":253402300799}", true},
        {"{\"exp\":253402300800}", false},
        {"{\"exp\":1e300}", false},
        {"{\"exp\":9999999999999999999}", false},
        {"{\"iat\":-0.5}", false},
        {"{\"nbf\":[1]}", false},
        {"{\"email_verified\":\"TRUE\"}", false},
        {"{\"email_verified\":1}", false},
        {"{\"email_verified\":\"false\"}", true},
        {"[]", false},
        {"", false},
        {"{}{}", false},
        {"{\"a\":1,}", false},
        {"{'a':1}", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum token_fault fault = parse(HEAD, cases[i].claims);
        if (fault != (cases[i].good ? TOKEN_OK : TOKEN_MALFORMED)) {
            fail_msg("%s: %s", cases[i].claims, token_fault_name(fault));
        }
    }
}

static void a_token_has_64_audiences_at_most(void **state)
{
    (void)state;
    for (int count = 64; count <= 65; count++) {
        char claims[1024] = "{\"aud\":[\"a\"";
        for (int i = 1; i < count; i++) {
            strcat(claims, ",\"a\"");
        }
        strcat(claims, "]}");
        assert_int_equal(parse(HEAD, claims), count == 64 ? TOKEN_OK : TOKEN_MALFORMED);
    }
}

static void a_token_has_one_spelling(void **state)
{
    (void)state;
    /* {"alg":"RS256"} . {} . "a" */
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "...",
        "eyJhbGciOiJSUzI1NiJ9",
        "eyJhbGciOiJSUzI1NiJ9.e30",
        "eyJhbGciOiJSUzI1NiJ9.e30.",
        "eyJhbGciOiJSUzI1NiJ9..YQ",
        ".e30.YQ",
        "eyJhbGciOiJSUzI1NiJ9.e30.YQ.",
        "eyJhbGciOiJSUzI1NiJ9.e30.YQ.YQ",
        "eyJhbGciOiJSUzI1NiJ9.e30.YQ==",
        "eyJhbGciOiJSUzI1NiJ9.e30.YR",
        "eyJhbGciOiJSUzI1NiJ9.e31.YQ",
        "eyJhbGciOiJSUzI1NiJ9.e30.Y",
        "eyJhbGciOiJSUzI1NiJ9.e30.YQ ",
        " eyJhbGciOiJSUzI1NiJ9.e30.YQ",
        "eyJhbGciOiJSUzI1NiJ9.e3 0.YQ",
        "eyJhbGciOiJSUzI1NiJ9.e30.Y+",
        "eyJhbGciOiJSUzI1NiJ9.e30.Y\n",
    };
    auto_arena arena = {0};
    struct token token;
    assert_int_equal(token_parse(&arena, SLICE("eyJhbGciOiJSUzI1NiJ9.e30.YQ"), &token), TOKEN_OK);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        enum token_fault fault = token_parse(&arena, slice_of(texts[i]), &token);
        if (fault != TOKEN_MALFORMED) {
            fail_msg("%s: %s", texts[i], token_fault_name(fault));
        }
    }
    struct slice large = {arena_alloc(&arena, TOKEN_BYTES_MAX + 1), TOKEN_BYTES_MAX + 1};
    assert_int_equal(token_parse(&arena, large, &token), TOKEN_TOO_LONG);
}

/* docs/access.md, C4. */
static void time_is_judged_with_its_leeways(void **state)
{
    (void)state;
    enum { NOW = 1000000, ABSENT = -1 };
    static const struct {
        int64_t exp, iat, nbf;
        enum token_fault fault;
    } cases[] = {
        {NOW + 3600, NOW, ABSENT, TOKEN_OK},
        {NOW - 9, NOW - 3600, ABSENT, TOKEN_OK},
        {NOW - 10, NOW - 3600, ABSENT, TOKEN_EXPIRED},
        {NOW + 3600, NOW + 60, ABSENT, TOKEN_OK},
        {NOW + 3600, NOW + 61, ABSENT, TOKEN_NOT_YET},
        {NOW + 3600, NOW, NOW + 60, TOKEN_OK},
        {NOW + 3600, NOW, NOW + 61, TOKEN_NOT_YET},
        {ABSENT, NOW, ABSENT, TOKEN_LIFETIME},
        {NOW + 86400, NOW, ABSENT, TOKEN_OK},
        {NOW + 86401, NOW, ABSENT, TOKEN_LIFETIME},
        {NOW + 1, NOW - 86400, ABSENT, TOKEN_LIFETIME},
        {NOW + 86400, ABSENT, ABSENT, TOKEN_OK},
        {NOW + 86401, ABSENT, ABSENT, TOKEN_LIFETIME},
        {INT64_C(253402300799), ABSENT, ABSENT, TOKEN_LIFETIME},
        {0, 0, 0, TOKEN_EXPIRED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct token token = {
            .exp = cases[i].exp == ABSENT ? INT64_MIN : cases[i].exp,
            .iat = cases[i].iat == ABSENT ? INT64_MIN : cases[i].iat,
            .nbf = cases[i].nbf == ABSENT ? INT64_MIN : cases[i].nbf,
        };
        enum token_fault fault = token_verify_time(&token, NOW);
        if (fault != cases[i].fault) {
            fail_msg("row %zu: %s", i, token_fault_name(fault));
        }
    }
}

static void a_minted_token_verifies_under_its_key_and_no_other(void **state)
{
    (void)state;
    struct error err;
    auto_arena arena = {0};
    struct trust_secret *secret = trust_secret_generate(TRUST_ES256, &err);
    struct trust_secret *other = trust_secret_generate(TRUST_ES256, &err);
    struct trust_secret *foreign = trust_secret_generate(TRUST_EDDSA, &err);
    struct trust_secret *all[] = {secret, other, foreign};
    static const enum token_fault faults[] = {TOKEN_OK, TOKEN_SIGNATURE, TOKEN_ALG};
    struct slice input =
        token_signing_input(&arena, TRUST_ES256, SLICE("k\"1"), SLICE("{\"sub\":\"s\",\"exp\":5}"));
    struct slice signature;
    assert_true(trust_sign(&arena, secret, input, &signature, &err));
    struct token token;
    struct slice text = token_assemble(&arena, input, signature);
    assert_true(token_looks_like_jwt(text));
    assert_int_equal(token_parse(&arena, text, &token), TOKEN_OK);
    assert_true(slice_is(token.kid, "k\"1") && slice_is(token.typ, "JWT"));
    assert_true(slice_is(token.sub, "s") && token.exp == 5);
    for (size_t i = 0; i < 3; i++) {
        struct slice der;
        assert_true(trust_secret_spki(&arena, all[i], &der, &err));
        struct trust_key *key = trust_key_from_spki(der, trust_secret_alg(all[i]), &err);
        assert_int_equal(token_verify_signature(&token, key), faults[i]);
        trust_key_free(key);
        trust_secret_free(all[i]);
    }
}

/* docs/access.md, C8: only what has three base64url parts loses its last one. */
static void a_stripped_token_keeps_its_first_two_parts(void **state)
{
    (void)state;
    auto_arena arena = {0};
    assert_true(
        slice_is(token_strip(&arena, SLICE("aa.bb.cc")), "aa.bb.SIGNATURE_REMOVED_BY_GOOGLE"));
    static const char *const others[] = {
        "aa.bb", "aa.bb.", ".bb.cc", "aa..cc", "aa.bb.c=", "aa.bb.cc.dd", "ya29.a b.c", "", ".."};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(token_looks_like_jwt(slice_of(others[i])));
        assert_true(slice_is(token_strip(&arena, slice_of(others[i])), others[i]));
    }
}

static void every_fault_has_a_name(void **state)
{
    (void)state;
    for (enum token_fault fault = TOKEN_OK; fault <= TOKEN_KIND; fault++) {
        assert_non_null(token_fault_name(fault));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_comes_apart_into_its_claims),
        cmocka_unit_test(what_is_absent_is_empty),
        cmocka_unit_test(a_header_that_asks_for_something_else_is_refused),
        cmocka_unit_test(a_claim_of_a_wrong_kind_is_refused),
        cmocka_unit_test(a_token_has_64_audiences_at_most),
        cmocka_unit_test(a_token_has_one_spelling),
        cmocka_unit_test(time_is_judged_with_its_leeways),
        cmocka_unit_test(a_minted_token_verifies_under_its_key_and_no_other),
        cmocka_unit_test(a_stripped_token_keeps_its_first_two_parts),
        cmocka_unit_test(every_fault_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
