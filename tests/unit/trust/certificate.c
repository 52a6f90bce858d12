#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "trust/secret.h"

enum { DAY_S = 86400 };

static X509 *cert_of(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

/* As a client does: chain, purpose, and the time NOW. */
static int verify(X509 *ca, X509 *leaf, int64_t now_s)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_CTX_init(ctx, store, leaf, NULL);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)now_s);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    X509_verify_cert(ctx);
    int fault = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return fault;
}

static void a_leaf_is_good_for_its_names_and_its_time_only(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    int64_t now_s = time(NULL);
    struct slice ca_pem, ca_key, chain, key;
    assert_true(trust_ca_make(&arena, "Homerun local CA", now_s, &ca_pem, &ca_key, &err));
    const struct slice names[] = {SLICE("localhost"), SLICE("*.us-central1.run.localhost"),
                                  SLICE("127.0.0.1"), SLICE("::1")};
    assert_true(trust_leaf_make(&arena, ca_pem, ca_key, names, 4, now_s, 397, &chain, &key, &err));
    X509 *ca = cert_of(ca_pem);
    X509 *leaf = cert_of(chain);
    assert_int_equal(verify(ca, leaf, now_s), X509_V_OK);
    assert_int_equal(verify(ca, leaf, now_s + 398 * DAY_S), X509_V_ERR_CERT_HAS_EXPIRED);
    assert_int_equal(X509_check_host(leaf, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(leaf, "hello-1.us-central1.run.localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(leaf, "a.b.us-central1.run.localhost", 0, 0, NULL), 0);
    assert_int_equal(X509_check_host(leaf, "example.com", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(leaf, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(leaf, "127.0.0.2", 0), 0);
    assert_int_equal(X509_check_ca(leaf), 0);
    assert_int_equal(X509_check_ca(ca), 1);
    int64_t ends_s = trust_cert_not_after(chain);
    assert_true(ends_s > now_s + 396 * DAY_S && ends_s <= now_s + 397 * DAY_S);
    assert_true(trust_cert_not_after(ca_pem) > now_s + 3650 * (int64_t)DAY_S);
    struct trust_secret *secret = trust_secret_from_pem(key, &err);
    assert_int_equal(trust_secret_alg(secret), TRUST_ES256);
    trust_secret_free(secret);
    X509_free(leaf);
    X509_free(ca);
}

static void names_that_are_none_are_refused(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct slice ca_pem, ca_key, chain, key;
    assert_true(trust_ca_make(&arena, "CA", time(NULL), &ca_pem, &ca_key, &err));
    static const char *const bad[] = {
        "",
        "*",
        "*.",
        "a.*.b",
        "a*.b",
        "a b",
        "a,DNS:b",
        "a\nb",
        "-a",
        "a-",
        "a..b",
        ".a",
        "a.",
        "ex\xc3\xa4mple",
        "http://a",
        "a:443",
        "256.1.1.1:x",
        "0123456789012345678901234567890123456789012345678901234567890123.a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct slice name = slice_of(bad[i]);
        if (trust_leaf_make(&arena, ca_pem, ca_key, &name, 1, time(NULL), 90, &chain, &key, &err)) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
    struct slice nul = SLICE("good\0.evil");
    assert_false(
        trust_leaf_make(&arena, ca_pem, ca_key, &nul, 1, time(NULL), 90, &chain, &key, &err));
    assert_int_equal(ERR_peek_error(), 0);
}

static void a_leaf_needs_a_ca_that_fits_and_lives(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    int64_t now_s = time(NULL);
    struct slice ca_pem, ca_key, other_pem, other_key, chain, key;
    struct slice name = SLICE("localhost");
    assert_true(trust_ca_make(&arena, "CA", now_s, &ca_pem, &ca_key, &err));
    assert_true(trust_ca_make(&arena, "CA", now_s, &other_pem, &other_key, &err));
    assert_false(
        trust_leaf_make(&arena, ca_pem, other_key, &name, 1, now_s, 90, &chain, &key, &err));
    assert_false(
        trust_leaf_make(&arena, SLICE("x"), ca_key, &name, 1, now_s, 90, &chain, &key, &err));
    assert_false(trust_leaf_make(&arena, ca_pem, ca_key, &name, 1, now_s, 398, &chain, &key, &err));
    assert_false(trust_leaf_make(&arena, ca_pem, ca_key, &name, 0, now_s, 90, &chain, &key, &err));
    /* Near the CA's end a leaf ends with it, and after it there is none. */
    int64_t ca_ends_s = trust_cert_not_after(ca_pem);
    assert_true(trust_leaf_make(&arena, ca_pem, ca_key, &name, 1, ca_ends_s - DAY_S, 90, &chain,
                                &key, &err));
    assert_int_equal(trust_cert_not_after(chain), ca_ends_s);
    assert_false(
        trust_leaf_make(&arena, ca_pem, ca_key, &name, 1, ca_ends_s, 90, &chain, &key, &err));
    /* A leaf cannot sign another. */
    assert_true(trust_leaf_make(&arena, ca_pem, ca_key, &name, 1, now_s, 90, &chain, &key, &err));
    assert_false(trust_leaf_make(&arena, chain, key, &name, 1, now_s, 90, &chain, &key, &err));
    assert_int_equal(trust_cert_not_after(SLICE("no certificate")), 0);
}

static void a_certificate_is_good_from_its_begin_to_its_end(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct slice pem, key;
    int64_t now_s = time(NULL);
    assert_true(trust_ca_make(&arena, "CA", now_s, &pem, &key, &err));
    int64_t ends_s = trust_cert_not_after(pem);
    assert_true(trust_cert_is_good(pem, now_s, 0));
    assert_true(trust_cert_is_good(pem, now_s - 3600, 0)); /* it begins an hour early */
    assert_false(trust_cert_is_good(pem, now_s - 3601, 0));
    assert_true(trust_cert_is_good(pem, ends_s - 1, 0));
    assert_false(trust_cert_is_good(pem, ends_s, 0));
    assert_true(trust_cert_is_good(pem, ends_s - DAY_S - 1, DAY_S));
    assert_false(trust_cert_is_good(pem, ends_s - DAY_S, DAY_S));
    assert_false(trust_cert_is_good(SLICE("no certificate"), now_s, 0));
    assert_false(trust_cert_is_good(SLICE_NONE, now_s, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_is_good_for_its_names_and_its_time_only),
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(a_leaf_needs_a_ca_that_fits_and_lives),
        cmocka_unit_test(a_certificate_is_good_from_its_begin_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
