/*
 * Project Wycheproof's vectors for JOSE (Apache-2.0, in vectors/). Each is decided by what we
 * decide by: the group's key as a JWK set, the token's envelope, the signature. What it calls valid
 * under an algorithm of ours must be taken; all else must be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "trust/jws.h"

enum { KEYS_MAX = 8 };

struct tally {
    unsigned taken, refused,
        foreign; /* foreign: valid, but under an algorithm that we do not have */
};

/* The group's key or keys as the text of a JWK set. */
static struct slice set_of(struct arena *arena, const json_t *group)
{
    json_t *key = json_object_get(group, "public");
    if (key == NULL) {
        key = json_object_get(group, "private"); /* a secret of HMAC: never ours */
    }
    if (json_object_get(key, "keys") != NULL) {
        return json_write(arena, key);
    }
    auto_json *set = json_pack("{s:[O]}", "keys", key);
    return json_write(arena, set);
}

static bool accepts(struct arena *arena, const json_t *group, struct slice text)
{
    struct trust_jwk keys[KEYS_MAX];
    size_t count = 0;
    struct token token;
    struct error err;
    if (!trust_jwks_read(arena, set_of(arena, group), keys, KEYS_MAX, &count, &err) ||
        jws_parse(arena, text, false, &token) != TOKEN_OK) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (keys[i].kid.len > 0 && token.kid.len > 0 && !slice_equal(keys[i].kid, token.kid)) {
            continue;
        }
        struct trust_key *key = trust_key_from_spki(keys[i].spki, keys[i].alg, &err);
        assert_non_null(key);
        enum token_fault fault = token_verify_signature(&token, key);
        trust_key_free(key);
        if (fault == TOKEN_OK) {
            return true;
        }
    }
    return false;
}

/* Whether the group's first key names an algorithm of ours. */
static bool is_ours(const json_t *group)
{
    const json_t *key = json_object_get(group, "public");
    if (key == NULL) {
        key = json_object_get(group, "private");
    }
    if (json_object_get(key, "keys") != NULL) {
        key = json_array_get(json_object_get(key, "keys"), 0);
    }
    return trust_alg_of(slice_of(json_text_or(key, "alg", ""))) != TRUST_ALG_NONE;
}

static void test_one(const json_t *group, const json_t *test, struct tally *tally)
{
    auto_arena arena = {0};
    const char *jws = json_text(test, "jws");
    if (jws == NULL) {
        return; /* encryption, or a serialization that is no string */
    }
    bool valid = strcmp(json_text(test, "result"), "valid") == 0;
    bool taken = accepts(&arena, group, slice_of(jws));
    bool foreign = valid && !is_ours(group);
    if (taken != (valid && !foreign)) {
        fail_msg("case %lld, %s (%s): valid=%d taken=%d", (long long)json_number(test, "tcId", 0),
                 json_text(test, "comment"), json_text(group, "comment"), valid, taken);
    }
    tally->foreign += foreign;
    tally->taken += taken;
    tally->refused += !taken && !foreign;
}

static struct tally test_file(const char *path)
{
    auto_arena arena = {0};
    struct slice text;
    struct error err;
    assert_true(file_read(&arena, path, 4 * 1024 * 1024, &text, &err));
    auto_json *file = json_read(text, &err);
    assert_non_null(file);
    struct tally tally = {0};
    size_t i, k;
    json_t *group, *test;
    json_array_foreach(json_object_get(file, "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), k, test)
        {
            test_one(group, test, &tally);
        }
    }
    print_message("%s: %u taken, %u refused, %u valid under algorithms that are not ours\n", path,
                  tally.taken, tally.refused, tally.foreign);
    return tally;
}

static void every_signature_vector_is_decided_as_it_should_be(void **state)
{
    (void)state;
    struct tally tally = test_file(VECTORS "/json_web_signature_test.json");
    assert_int_equal(tally.taken, 10);
    assert_int_equal(tally.refused, 355);
    assert_int_equal(tally.foreign, 36);
}

static void every_key_vector_is_decided_as_it_should_be(void **state)
{
    (void)state;
    struct tally tally = test_file(VECTORS "/json_web_key_test.json");
    assert_int_equal(tally.taken, 1);
    assert_int_equal(tally.refused, 21);
    assert_int_equal(tally.foreign, 4);
}

static void every_mixed_vector_is_decided_as_it_should_be(void **state)
{
    (void)state;
    struct tally tally = test_file(VECTORS "/json_web_crypto_test.json");
    assert_int_equal(tally.taken, 2);
    assert_int_equal(tally.refused, 44);
    assert_int_equal(tally.foreign, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_signature_vector_is_decided_as_it_should_be),
        cmocka_unit_test(every_key_vector_is_decided_as_it_should_be),
        cmocka_unit_test(every_mixed_vector_is_decided_as_it_should_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
