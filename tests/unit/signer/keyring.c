#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "base/file.h"
#include "folder.h"
#include "signer/keyring.h"

static void open_in(struct keyring *keyring, const char *data)
{
    struct error err;
    if (!keyring_open(keyring, data, time(NULL), &err)) {
        fail_msg("%s", err.text);
    }
}

static unsigned mode_of(const char *data, const char *name)
{
    char path[256];
    struct stat info;
    snprintf(path, sizeof(path), "%s/%s", data, name);
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 0777;
}

static void a_first_start_makes_what_a_second_one_finds(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    char data[64];
    struct keyring keyring;
    assert_non_null(folder_new(data));
    open_in(&keyring, data);
    assert_int_equal(keyring.issuer_count, 1);
    char *kid = arena_printf(&arena, "%s", keyring.issuers[0].kid);
    struct slice cert = arena_slice(&arena, keyring.ca_cert);
    keyring_close(&keyring);
    open_in(&keyring, data);
    assert_int_equal(keyring.issuer_count, 1);
    assert_string_equal(keyring.issuers[0].kid, kid);
    assert_true(slice_equal(keyring.ca_cert, cert));
    struct slice shown;
    char *path = arena_printf(&arena, "%s/ca.pem", data);
    assert_true(file_read(&arena, path, 65536, &shown, &err));
    assert_true(slice_equal(shown, cert));
    keyring_close(&keyring);
    assert_int_equal(mode_of(data, "signer"), 0700);
    assert_int_equal(mode_of(data, "signer/ca.key"), 0600);
    assert_int_equal(mode_of(data, "signer/secrets.key"), 0600);
    assert_int_equal(mode_of(data, arena_printf(&arena, "signer/issuer-%s.pem", kid)), 0600);
    assert_int_equal(mode_of(data, "ca.pem"), 0644);
    folder_free(data);
}

static void a_rotated_key_stays_until_it_is_forgotten_and_then_never_comes_back(void **state)
{
    (void)state;
    struct error err;
    char data[64], first[64], second[64];
    struct keyring keyring;
    assert_non_null(folder_new(data));
    open_in(&keyring, data);
    snprintf(first, sizeof(first), "%s", keyring.issuers[0].kid);
    assert_false(keyring_forget(&keyring, slice_of(first), &err)); /* the newest */
    assert_true(keyring_rotate(&keyring, &err));
    snprintf(second, sizeof(second), "%s", keyring.issuers[0].kid);
    assert_string_not_equal(first, second);
    keyring_close(&keyring);
    open_in(&keyring, data);
    assert_int_equal(keyring.issuer_count, 2);
    assert_string_equal(keyring.issuers[0].kid, second);
    assert_string_equal(keyring.issuers[1].kid, first);
    assert_false(keyring_forget(&keyring, SLICE("0123"), &err));
    assert_true(keyring_forget(&keyring, slice_of(first), &err));
    assert_null(keyring_find(&keyring, slice_of(first)));
    keyring_close(&keyring);
    open_in(&keyring, data);
    assert_int_equal(keyring.issuer_count, 1);
    assert_string_equal(keyring.issuers[0].kid, second);
    keyring_close(&keyring);
    folder_free(data);
}

static void a_crash_between_two_writes_loses_no_key_and_revives_none(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    char data[64];
    struct keyring keyring;
    assert_non_null(folder_new(data));
    open_in(&keyring, data);
    char *old = arena_printf(&arena, "%s", keyring.issuers[0].kid);
    char *list = arena_printf(&arena, "%s/signer/issuers", data);
    char *old_file = arena_printf(&arena, "%s/signer/issuer-%s.pem", data, old);
    struct slice list_before;
    assert_true(file_read(&arena, list, 4096, &list_before, &err));
    assert_true(keyring_rotate(&keyring, &err));
    char *new = arena_printf(&arena, "%s", keyring.issuers[0].kid);
    keyring_close(&keyring);
    /* Died before the list named the new key. */
    assert_true(file_write(list, list_before, 0600, &err));
    open_in(&keyring, data);
    assert_int_equal(keyring.issuer_count, 2);
    assert_string_equal(keyring.issuers[0].kid, old);
    assert_string_equal(keyring.issuers[1].kid, new);
    keyring_close(&keyring);
    /* Died after the old key's file was removed, before the list lost it. */
    assert_int_equal(unlink(old_file), 0);
    open_in(&keyring, data);
    assert_int_equal(keyring.issuer_count, 1);
    assert_string_equal(keyring.issuers[0].kid, new);
    keyring_close(&keyring);
    folder_free(data);
}

static void a_file_with_another_key_than_its_name_says_stops_the_start(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    char data[64];
    struct keyring keyring;
    assert_non_null(folder_new(data));
    open_in(&keyring, data);
    char *file = arena_printf(&arena, "%s/signer/issuer-%s.pem", data, keyring.issuers[0].kid);
    struct trust_secret *other = trust_secret_generate(TRUST_RS256, &err);
    struct slice pem;
    assert_true(trust_secret_pem(&arena, other, &pem, &err));
    trust_secret_free(other);
    keyring_close(&keyring);
    assert_true(file_write(file, pem, 0600, &err));
    assert_false(keyring_open(&keyring, data, time(NULL), &err));
    assert_true(file_write(file, SLICE("junk"), 0600, &err));
    assert_false(keyring_open(&keyring, data, time(NULL), &err));
    folder_free(data);
}

static void an_account_keeps_its_key_and_has_a_name_of_digits(void **state)
{
    (void)state;
    struct error err;
    char data[64], first[KID_BYTES + 1], second[KID_BYTES + 1];
    struct keyring keyring;
    assert_non_null(folder_new(data));
    open_in(&keyring, data);
    struct trust_secret *secret = keyring_account(&keyring, SLICE("112233"), &err);
    assert_true(keyring_kid(secret, first, &err));
    trust_secret_free(secret);
    secret = keyring_account(&keyring, SLICE("112233"), &err);
    assert_true(keyring_kid(secret, second, &err));
    trust_secret_free(secret);
    assert_string_equal(first, second);
    static const char *const bad[] = {
        "", "../x", "1/2", "a", "-1", "1 ", "111111111111111111111111111111111"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(keyring_account(&keyring, slice_of(bad[i]), &err));
    }
    keyring_close(&keyring);
    folder_free(data);
}

static void a_ca_near_its_end_is_renewed_with_the_same_key(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    char data[64];
    struct keyring keyring;
    assert_non_null(folder_new(data));
    open_in(&keyring, data);
    struct slice cert = arena_slice(&arena, keyring.ca_cert);
    struct slice key = arena_slice(&arena, keyring.ca_key);
    keyring_close(&keyring);
    int kept = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr)); /* it warns, as it should */
    int64_t late_s = trust_cert_not_after(cert) - 400 * 86400;
    bool good = keyring_open(&keyring, data, late_s, &err);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_true(good);
    assert_false(slice_equal(keyring.ca_cert, cert));
    assert_true(slice_equal(keyring.ca_key, key));
    assert_true(trust_cert_not_after(keyring.ca_cert) > trust_cert_not_after(cert));
    /* A client that has the old certificate alone believes a leaf of the new. */
    struct slice chain, leaf_key;
    assert_true(trust_leaf_make(&arena, keyring.ca_cert, keyring.ca_key,
                                &(struct slice){"a.test", 6}, 1, late_s, 397, &chain, &leaf_key,
                                &err));
    BIO *bio = BIO_new_mem_buf(chain.data, (int)chain.len);
    BIO *old_bio = BIO_new_mem_buf(cert.data, (int)cert.len);
    X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    X509 *old = PEM_read_bio_X509(old_bio, NULL, NULL, NULL);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, old), 1);
    assert_int_equal(X509_STORE_CTX_init(check, store, leaf, NULL), 1);
    X509_STORE_CTX_set_time(check, 0, (time_t)late_s);
    assert_int_equal(X509_verify_cert(check), 1);
    X509_STORE_CTX_free(check);
    X509_STORE_free(store);
    X509_free(leaf);
    X509_free(old);
    BIO_free(bio);
    BIO_free(old_bio);
    keyring_close(&keyring);
    folder_free(data);
}

static void a_running_signer_keeps_its_ca_good(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    char data[64];
    struct keyring keyring;
    struct slice shown, leaf, leaf_key;
    struct slice name = SLICE("a.test");
    assert_non_null(folder_new(data));
    open_in(&keyring, data);
    char *public = arena_printf(&arena, "%s/ca.pem", data);
    int64_t now_s = time(NULL), ends_s = trust_cert_not_after(keyring.ca_cert);
    const struct {
        int64_t at_s;
        bool renewed;
    } moments[] = {
        {now_s, false},
        {ends_s - 431 * 86400, false},
        {ends_s - 429 * 86400, true},       /* near its end */
        {ends_s - 429 * 86400, false},      /* and once is enough */
        {now_s, true},                      /* the clock is set back: it was one of the future */
        {now_s - 3000, false},              /* less than an hour does nothing */
        {now_s + 20 * 365 * 86400LL, true}, /* long after its end */
        {now_s - 20 * 365 * 86400LL, true},
    };
    int kept = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr)); /* it warns, as it should */
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        int64_t at_s = moments[i].at_s;
        struct slice before = arena_slice(&arena, keyring.ca_cert);
        struct slice key = arena_slice(&arena, keyring.ca_key);
        assert_true(keyring_keep_ca(&keyring, at_s, &err));
        assert_int_equal(slice_equal(keyring.ca_cert, before), !moments[i].renewed);
        assert_true(slice_equal(keyring.ca_key, key));
        assert_true(trust_cert_is_good(keyring.ca_cert, at_s, 430 * 86400));
        assert_true(file_read(&arena, public, 65536, &shown, &err));
        assert_true(slice_equal(shown, keyring.ca_cert));
        assert_true(trust_leaf_make(&arena, keyring.ca_cert, keyring.ca_key, &name, 1, at_s, 397,
                                    &leaf, &leaf_key, &err));
        assert_true(trust_cert_is_good(leaf, at_s, 390 * 86400));
        assert_true(slice_ends(leaf, shown));
    }
    /* One that could not be shown is shown later. */
    assert_int_equal(unlink(public), 0);
    assert_int_equal(mkdir(public, 0700), 0);
    int64_t later_s = now_s + 40 * 365 * 86400LL;
    assert_false(keyring_keep_ca(&keyring, later_s, &err));
    assert_int_equal(rmdir(public), 0);
    assert_true(keyring_keep_ca(&keyring, later_s, &err));
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_true(file_read(&arena, public, 65536, &shown, &err));
    assert_true(slice_equal(shown, keyring.ca_cert));
    keyring_close(&keyring);
    folder_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_start_makes_what_a_second_one_finds),
        cmocka_unit_test(a_rotated_key_stays_until_it_is_forgotten_and_then_never_comes_back),
        cmocka_unit_test(a_crash_between_two_writes_loses_no_key_and_revives_none),
        cmocka_unit_test(a_file_with_another_key_than_its_name_says_stops_the_start),
        cmocka_unit_test(an_account_keeps_its_key_and_has_a_name_of_digits),
        cmocka_unit_test(a_ca_near_its_end_is_renewed_with_the_same_key),
        cmocka_unit_test(a_running_signer_keeps_its_ca_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
