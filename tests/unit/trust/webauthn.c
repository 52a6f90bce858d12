/* What browsers and authenticators say of passkeys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "trust/webauthn.h"

#define CHALLENGE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ORIGIN    "https://auth.example.com"
#define SAID(type, more)                                                                           \
    SLICE("{\"type\":\"webauthn." type "\",\"challenge\":\"" CHALLENGE "\",\"origin\":\"" ORIGIN   \
          "\"" more "}")

static const struct webauthn_expected registration = {
    .registration = true,
    .challenge = SLICE_INIT(CHALLENGE),
    .origin = SLICE_INIT(ORIGIN),
    .rp_id = SLICE_INIT("auth.example.com"),
};

static const struct webauthn_expected use = {
    .challenge = SLICE_INIT(CHALLENGE),
    .origin = SLICE_INIT(ORIGIN),
    .rp_id = SLICE_INIT("auth.example.com"),
};

/* Authenticator data of auth.example.com with FLAGS, the counter 258, and REST. */
static struct slice auth_data(unsigned flags, struct slice rest)
{
    static char out[8192];
    EVP_Digest("auth.example.com", 16, (unsigned char *)out, NULL, EVP_sha256(), NULL);
    out[32] = (char)flags;
    memcpy(out + 33, "\0\0\1\2", 4);
    memcpy(out + 37, rest.data, rest.len);
    return (struct slice){out, 37 + rest.len};
}

static struct slice credential(size_t id_len)
{
    static char out[4096];
    memset(out, 7, sizeof(out));
    out[16] = (char)(id_len >> 8);
    out[17] = (char)id_len;
    return (struct slice){out, 18 + id_len + 77};
}

static void what_was_said_is_taken_apart(void **state)
{
    (void)state;
    struct webauthn_seen seen;
    struct error err = {0};
    assert_true(webauthn_read(SAID("create", ",\"crossOrigin\":false,\"new\":1"),
                              auth_data(0x5d, credential(32)), &registration, &seen, &err));
    assert_int_equal(seen.counter, 258);
    assert_int_equal(seen.id.len, 32);
    assert_int_equal(seen.key.len, 77);
    assert_true(seen.backed_up);
    assert_true(webauthn_read(SAID("get", ""), auth_data(0x05, SLICE("")), &use, &seen, &err));
    assert_int_equal(seen.id.len, 0);
    assert_false(seen.backed_up);
    /* Extensions are not read, and not held against anybody. */
    assert_true(webauthn_read(SAID("get", ""), auth_data(0x85, SLICE("\xa0")), &use, &seen, &err));
    assert_true(webauthn_read(SAID("create", ""), auth_data(0xc5, credential(1023)), &registration,
                              &seen, &err));
}

static void what_is_not_whole_or_not_ours_is_refused(void **state)
{
    (void)state;
    static const struct slice texts[] = {
        SLICE_INIT(""),
        SLICE_INIT("null"),
        SLICE_INIT("{}"),
        SLICE_INIT("{\"type\":\"webauthn.get\"}"),
        SLICE_INIT("{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE "\",\"origin\":\"" ORIGIN
                   "\\u0000\"}"),
        SLICE_INIT("{\"type\":\"webauthn.get\",\"challenge\":\"" CHALLENGE
                   "A\",\"origin\":\"" ORIGIN "\"}"),
    };
    struct webauthn_seen seen;
    struct error err = {0};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(webauthn_read(texts[i], auth_data(0x05, SLICE("")), &use, &seen, &err));
        assert_non_null(strstr(err.text, "This passkey cannot be used"));
    }
    static const unsigned flags[] = {0x00, 0x01, 0x04, 0x15, 0x45, 0x40};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        assert_false(
            webauthn_read(SAID("get", ""), auth_data(flags[i], SLICE("")), &use, &seen, &err));
    }
    for (size_t len = 0; len < 37; len++) {
        assert_false(webauthn_read(SAID("get", ""), slice_upto(auth_data(0x05, SLICE("")), len),
                                   &use, &seen, &err));
    }
    assert_false(webauthn_read(SAID("get", ""), auth_data(0x05, SLICE("x")), &use, &seen, &err));
    for (size_t len = 0; len <= 18 + 32; len++) {
        struct slice cut = slice_upto(auth_data(0x45, credential(32)), 37 + len);
        assert_false(webauthn_read(SAID("create", ""), cut, &registration, &seen, &err));
    }
    static const size_t ids[] = {0, 1024, 0xffff};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct slice rest = credential(32);
        ((char *)(uintptr_t)rest.data)[16] = (char)(ids[i] >> 8);
        ((char *)(uintptr_t)rest.data)[17] = (char)ids[i];
        assert_false(
            webauthn_read(SAID("create", ""), auth_data(0x45, rest), &registration, &seen, &err));
    }
}

/* ---- keys ---- */

struct pair {
    EVP_PKEY *key;
    unsigned char spki[2048], raw[600]; /* raw: the parts that COSE has, one behind the other */
    int spki_len;
    size_t raw_len;
};

static struct pair made(const char *kind)
{
    struct pair out = {0};
    unsigned char *at = out.spki;
    out.key = strcmp(kind, "EC") == 0    ? EVP_EC_gen("P-256")
              : strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048)
                                         : EVP_PKEY_Q_keygen(NULL, NULL, kind);
    assert_non_null(out.key);
    out.spki_len = i2d_PUBKEY(out.key, &at);
    bool rsa = strcmp(kind, "RSA") == 0;
    out.raw_len = strcmp(kind, "EC") == 0 ? 64 : rsa ? 256 : 32;
    /* Of RSA, an exponent of five bytes stands behind the modulus. */
    memcpy(out.raw, out.spki + out.spki_len - out.raw_len - (rsa ? 5 : 0), out.raw_len);
    return out;
}

static struct slice spki_of(const struct pair *pair)
{
    return (struct slice){(const char *)pair->spki, (size_t)pair->spki_len};
}

static struct slice signed_by(const struct pair *pair, const EVP_MD *digest, struct slice auth,
                              struct slice client)
{
    static unsigned char out[512], text[8192];
    size_t len = sizeof(out);
    memcpy(text, auth.data, auth.len);
    EVP_Digest(client.data, client.len, text + auth.len, NULL, EVP_sha256(), NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, digest, NULL, pair->key), 1);
    assert_int_equal(EVP_DigestSign(ctx, out, &len, text, auth.len + 32), 1);
    EVP_MD_CTX_free(ctx);
    return (struct slice){(const char *)out, len};
}

static void each_kind_of_key_verifies_its_own_signatures_alone(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        int64_t cose;
        enum trust_alg alg;
    } rows[] = {{"EC", -7, TRUST_ES256}, {"RSA", -257, TRUST_RS256}, {"ED25519", -8, TRUST_EDDSA}};
    struct slice client = SAID("get", "");
    struct error err = {0};
    for (size_t i = 0; i < 3; i++) {
        struct pair pair = made(rows[i].kind), other = made(rows[i].kind);
        struct webauthn_seen seen = {.key = {(const char *)pair.raw, pair.raw_len}};
        struct webauthn_seen stranger = {.key = {(const char *)other.raw, other.raw_len}};
        assert_int_equal(webauthn_key(&seen, spki_of(&pair), rows[i].cose, &err), rows[i].alg);
        assert_int_equal(webauthn_key(&stranger, spki_of(&pair), rows[i].cose, &err),
                         TRUST_ALG_NONE);
        for (int64_t wrong = -300; wrong < 10; wrong++) {
            if (wrong != rows[i].cose) {
                assert_int_equal(webauthn_key(&seen, spki_of(&pair), wrong, &err), TRUST_ALG_NONE);
            }
        }
        struct slice auth = auth_data(0x05, SLICE(""));
        struct slice signature =
            signed_by(&pair, rows[i].alg == TRUST_EDDSA ? NULL : EVP_sha256(), auth, client);
        assert_true(webauthn_verify(spki_of(&pair), rows[i].alg, auth, client, signature));
        assert_false(webauthn_verify(spki_of(&other), rows[i].alg, auth, client, signature));
        assert_false(
            webauthn_verify(spki_of(&pair), rows[(i + 1) % 3].alg, auth, client, signature));
        assert_false(
            webauthn_verify(spki_of(&pair), rows[i].alg, auth, SAID("get", " "), signature));
        assert_false(webauthn_verify(spki_of(&pair), rows[i].alg, auth_data(0x07, SLICE("")),
                                     client, signature));
        for (size_t len = 0; len < signature.len; len++) {
            assert_false(webauthn_verify(spki_of(&pair), rows[i].alg, auth, client,
                                         slice_upto(signature, len)));
        }
        EVP_PKEY_free(pair.key);
        EVP_PKEY_free(other.key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_is_taken_apart),
        cmocka_unit_test(what_is_not_whole_or_not_ours_is_refused),
        cmocka_unit_test(each_kind_of_key_verifies_its_own_signatures_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
