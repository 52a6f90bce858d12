#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/encode.h"
#include "codec/codec.h"
#include "trust/secret.h"

static struct trust_key *public_half(struct arena *arena, const struct trust_secret *secret)
{
    struct slice der;
    struct error err;
    assert_true(trust_secret_spki(arena, secret, &der, &err));
    struct trust_key *key = trust_key_from_spki(der, trust_secret_alg(secret), &err);
    assert_non_null(key);
    return key;
}

static void what_a_key_signed_its_public_half_verifies_and_nothing_else(void **state)
{
    (void)state;
    struct error err;
    for (enum trust_alg alg = TRUST_RS256; alg <= TRUST_EDDSA; alg++) {
        auto_arena arena = {0};
        struct trust_secret *secret = trust_secret_generate(alg, &err);
        assert_non_null(secret);
        struct trust_key *key = public_half(&arena, secret);
        struct slice signature;
        assert_true(trust_sign(&arena, secret, SLICE("a.b"), &signature, &err));
        assert_true(trust_verify(key, SLICE("a.b"), signature));
        assert_true(trust_verify(key, SLICE("a.b"), signature)); /* a check leaves nothing behind */
        assert_false(trust_verify(key, SLICE("a.c"), signature));
        assert_false(trust_verify(key, SLICE("a.b"), slice_upto(signature, signature.len - 1)));
        assert_false(trust_verify(key, SLICE("a.b"), SLICE_NONE));
        char *changed = arena_string(&arena, signature);
        for (size_t i = 0; i < signature.len; i += 7) {
            changed[i] ^= 1;
            assert_false(trust_verify(key, SLICE("a.b"), (struct slice){changed, signature.len}));
            changed[i] ^= 1;
        }
        assert_int_equal(ERR_peek_error(), 0);
        trust_key_free(key);
        trust_secret_free(secret);
    }
}

static void es256_signatures_have_64_bytes_each_time(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct trust_secret *secret = trust_secret_generate(TRUST_ES256, &err);
    struct trust_key *key = public_half(&arena, secret);
    for (int i = 0; i < 300; i++) { /* about two of them have an r or s that starts with a zero */
        struct slice signature;
        assert_true(trust_sign(&arena, secret, SLICE("x"), &signature, &err));
        assert_int_equal(signature.len, 64);
        assert_true(trust_verify(key, SLICE("x"), signature));
    }
    char zeroes[64] = {0};
    assert_false(trust_verify(key, SLICE("x"), (struct slice){zeroes, sizeof(zeroes)}));
    trust_key_free(key);
    trust_secret_free(secret);
}

static void a_key_serves_its_own_algorithm_only(void **state)
{
    (void)state;
    struct error err;
    for (enum trust_alg alg = TRUST_RS256; alg <= TRUST_EDDSA; alg++) {
        auto_arena arena = {0};
        struct trust_secret *secret = trust_secret_generate(alg, &err);
        struct slice der;
        assert_true(trust_secret_spki(&arena, secret, &der, &err));
        for (enum trust_alg other = TRUST_ALG_NONE; other <= TRUST_EDDSA; other++) {
            struct trust_key *key = trust_key_from_spki(der, other, &err);
            assert_true((key != NULL) == (other == alg));
            trust_key_free(key);
        }
        assert_null(trust_key_from_spki(slice_upto(der, der.len - 1), alg, &err));
        char *bytes = arena_alloc(&arena, der.len + 1);
        memcpy(bytes, der.data, der.len);
        struct slice longer = {bytes, der.len + 1};
        assert_null(trust_key_from_spki(longer, alg, &err));
        trust_secret_free(secret);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

static void a_point_in_compressed_form_is_another_spelling_and_refused(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct trust_secret *secret = trust_secret_generate(TRUST_ES256, &err);
    struct slice der;
    assert_true(trust_secret_spki(&arena, secret, &der, &err));
    trust_secret_free(secret);
    unsigned char small[59];
    memcpy(small, der.data, 59); /* up to the end of x */
    small[1] = 57;
    small[24] = 34;
    small[26] = (unsigned char)(2 + (der.data[90] & 1));
    struct slice compressed = {(const char *)small, sizeof(small)};
    assert_null(trust_key_from_spki(compressed, TRUST_ES256, &err));
}

static void an_rsa_key_that_would_cost_us_or_protect_nothing_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t modulus_bytes;
        const char *exponent;
        size_t keys;
    } cases[] = {
        {256, "AQAB", 1},  {256, "Aw", 1},           {1024, "AQAB", 1}, {255, "AQAB", 0},
        {1025, "AQAB", 0}, {2048, "AQAB", 0},        {256, "AQ", 0},    {256, "AA", 0},
        {256, "BA", 0},    {256, "AQAAAAAAAAAB", 0}, /* 65 bits */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct error err;
        size_t bytes = cases[i].modulus_bytes, count = 99;
        char *modulus = arena_alloc(&arena, bytes);
        memset(modulus, 0xc5, bytes);
        struct slice n = base64url_encode(&arena, (struct slice){modulus, bytes});
        struct trust_jwk out;
        char *set =
            arena_printf(&arena, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%s\"}]}",
                         SLICE_ARG(n), cases[i].exponent);
        assert_true(trust_jwks_read(&arena, slice_of(set), &out, 1, &count, &err));
        if (count != cases[i].keys) {
            fail_msg("%zu bytes, exponent %s: %zu keys", bytes, cases[i].exponent, count);
        }
    }
}

static void a_private_key_survives_its_pem_form(void **state)
{
    (void)state;
    struct error err;
    for (enum trust_alg alg = TRUST_RS256; alg <= TRUST_EDDSA; alg++) {
        auto_arena arena = {0};
        struct trust_secret *secret = trust_secret_generate(alg, &err);
        struct slice pem, signature;
        assert_true(trust_secret_pem(&arena, secret, &pem, &err));
        assert_true(slice_starts(pem, SLICE("-----BEGIN PRIVATE KEY-----\n")));
        struct trust_secret *again = trust_secret_from_pem(pem, &err);
        assert_non_null(again);
        assert_int_equal(trust_secret_alg(again), alg);
        struct trust_key *key = public_half(&arena, secret);
        assert_true(trust_sign(&arena, again, SLICE("x"), &signature, &err));
        assert_true(trust_verify(key, SLICE("x"), signature));
        trust_key_free(key);
        trust_secret_free(again);
        trust_secret_free(secret);
    }
    EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    PEM_write_bio_PKCS8PrivateKey(bio, other, NULL, NULL, 0, NULL, NULL);
    size_t length = (size_t)BIO_get_mem_data(bio, &text);
    assert_null(trust_secret_from_pem((struct slice){text, length}, &err));
    BIO_free(bio);
    EVP_PKEY_free(other);
    assert_null(trust_secret_from_pem(SLICE("no key"), &err));
    assert_null(trust_secret_from_pem(SLICE_NONE, &err));
}

static void a_jwk_that_we_write_is_read_back_as_the_same_key(void **state)
{
    (void)state;
    struct error err;
    for (enum trust_alg alg = TRUST_RS256; alg <= TRUST_EDDSA; alg++) {
        auto_arena arena = {0};
        struct trust_secret *secret = trust_secret_generate(alg, &err);
        struct trust_jwk in = {.kid = SLICE("k\"1"), .alg = alg}, out[2];
        assert_true(trust_secret_spki(&arena, secret, &in.spki, &err));
        struct slice json;
        size_t count;
        assert_true(trust_jwk_write(&arena, &in, &json, &err));
        char *set = arena_printf(&arena, "{\"keys\":[%.*s]}", SLICE_ARG(json));
        assert_true(trust_jwks_read(&arena, slice_of(set), out, 2, &count, &err));
        assert_int_equal(count, 1);
        assert_int_equal(out[0].alg, alg);
        assert_true(slice_equal(out[0].kid, in.kid));
        assert_true(slice_equal(out[0].spki, in.spki));
        trust_secret_free(secret);
    }
}

/* RFC 8037, appendix A.2. */
#define ED                                                                                         \
    "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""

static size_t keys_of(const char *json)
{
    auto_arena arena = {0};
    struct error err;
    struct trust_jwk out[3];
    size_t count = 99;
    assert_true(trust_jwks_read(&arena, slice_of(json), out, 3, &count, &err));
    return count;
}

static void a_set_gives_its_usable_keys_and_passes_over_the_rest(void **state)
{
    (void)state;
    assert_int_equal(keys_of("{\"keys\":[]}"), 0);
    assert_int_equal(keys_of("{\"keys\":[{" ED "}]}"), 1);
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"alg\":\"EdDSA\",\"use\":\"sig\"}]}"), 1);
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"key_ops\":[\"verify\"]}]}"), 1);
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"alg\":\"RS256\"}]}"), 0);
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"alg\":7}]}"), 0);
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"use\":\"enc\"}]}"), 0);
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"key_ops\":[\"sign\"]}]}"), 0);
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"key_ops\":\"verify\"}]}"), 0);
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"d\":\"AA\"}]}"), 0);
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"kid\":1}]}"), 0);
    assert_int_equal(keys_of("{\"keys\":[7,null,{},{\"kty\":\"oct\",\"k\":\"AA\"},{" ED "}]}"), 1);
    /* A kid twice: the first stays. Keys without one are not twice. At most MAX. */
    assert_int_equal(keys_of("{\"keys\":[{" ED ",\"kid\":\"a\"},{" ED ",\"kid\":\"a\"},{" ED "}]}"),
                     2);
    assert_int_equal(keys_of("{\"keys\":[{" ED "},{" ED "},{" ED "},{" ED "}]}"), 3);
    /* No point of the curve; coordinates that are too short. */
    assert_int_equal(keys_of("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                             "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
                             "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}]}"),
                     0);
    assert_int_equal(
        keys_of("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}]}"), 0);
}

static void what_is_no_set_is_refused(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct trust_jwk out[1];
    size_t count;
    static const char *const texts[] = {
        "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}", "\xff"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(trust_jwks_read(&arena, slice_of(texts[i]), out, 1, &count, &err));
    }
    struct slice large = {arena_alloc(&arena, 65537), 65537};
    assert_false(trust_jwks_read(&arena, large, out, 1, &count, &err));
}

static void a_public_key_is_read_from_its_certificate_and_bare(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct slice spki, secret_pem, certificate, bare;
    struct trust_public out;
    struct trust_secret *secret = trust_secret_generate(TRUST_RS256, &err);
    assert_true(trust_secret_spki(&arena, secret, &spki, &err));
    assert_true(trust_secret_pem(&arena, secret, &secret_pem, &err));
    assert_true(trust_self_signed(&arena, secret_pem, "a key", 1000000, &certificate, &err));
    assert_true(trust_public_pem(&arena, spki, &bare, &err));

    assert_true(trust_public_read(&arena, certificate, &out, &err));
    assert_true(slice_equal(out.spki, spki));
    assert_true(slice_equal(out.certificate, certificate));
    assert_true(out.not_before < 1000000 && out.not_after == 253402300799);
    assert_true(trust_public_read(&arena, bare, &out, &err));
    assert_true(slice_equal(out.spki, spki));
    assert_int_equal(out.certificate.len, 0);
    assert_true(out.not_after == INT64_MAX);

    assert_false(trust_public_read(&arena, secret_pem, &out, &err));
    assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
    trust_secret_free(secret);
    assert_int_equal(ERR_peek_error(), 0);
}

/* Every third byte of a certificate spoilt, one after another: no crash, and never another key by
 * luck. */
static void a_spoilt_certificate_is_refused_or_holds_a_key_of_ours(void **state)
{
    (void)state;
    struct error err;
    auto_arena arena = {0};
    struct slice pem, certificate;
    struct trust_secret *secret = trust_secret_generate(TRUST_RS256, &err);
    assert_true(trust_secret_pem(&arena, secret, &pem, &err));
    assert_true(trust_self_signed(&arena, pem, "a key", 1000000, &certificate, &err));
    trust_secret_free(secret);
    for (size_t i = 0; i < certificate.len; i += 3) {
        auto_arena turn = {0};
        struct trust_public out;
        char *text = arena_string(&turn, certificate);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        if (trust_public_read(&turn, (struct slice){text, certificate.len}, &out, &err)) {
            assert_int_equal(out.alg, TRUST_RS256);
            struct trust_key *key = trust_key_from_spki(out.spki, out.alg, &err);
            assert_non_null(key);
            trust_key_free(key);
        }
        trust_public_read(&turn, slice_upto(certificate, i), &out, &err);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_key_signed_its_public_half_verifies_and_nothing_else),
        cmocka_unit_test(es256_signatures_have_64_bytes_each_time),
        cmocka_unit_test(a_key_serves_its_own_algorithm_only),
        cmocka_unit_test(a_point_in_compressed_form_is_another_spelling_and_refused),
        cmocka_unit_test(an_rsa_key_that_would_cost_us_or_protect_nothing_is_refused),
        cmocka_unit_test(a_private_key_survives_its_pem_form),
        cmocka_unit_test(a_jwk_that_we_write_is_read_back_as_the_same_key),
        cmocka_unit_test(a_set_gives_its_usable_keys_and_passes_over_the_rest),
        cmocka_unit_test(what_is_no_set_is_refused),
        cmocka_unit_test(a_public_key_is_read_from_its_certificate_and_bare),
        cmocka_unit_test(a_spoilt_certificate_is_refused_or_holds_a_key_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
