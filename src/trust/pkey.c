/* Which keys are good enough, and the small things that every user of OpenSSL's keys needs. */
#include "trust/key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>

const unsigned char ec_spki_head[EC_SPKI_HEAD] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
    0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
};
const unsigned char ed_spki_head[ED_SPKI_HEAD] = {
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
};

void pkey_auto_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

void bn_auto_free(BIGNUM **number)
{
    BN_free(*number);
}

void bio_auto_free(BIO **bio)
{
    BIO_free_all(*bio);
}

void mdctx_auto_free(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

void faults_begin(void)
{
    ERR_set_mark();
}

void faults_end(void)
{
    ERR_pop_to_mark();
}

bool fault_report(struct error *err, const char *what)
{
    char text[256] = "no reason given";
    unsigned long code = ERR_peek_last_error();
    if (code != 0) {
        ERR_error_string_n(code, text, sizeof(text));
    }
    return error_set(err, STATUS_INTERNAL, "%s: %s", what, text);
}

/*
 * The fingerprint: such a modulus is, for each of these primes, a power of 65537 modulo the prime.
 * A random one is so for all of them with a chance of about one in 2^28.
 */
static bool rsa_is_roca(const BIGNUM *modulus)
{
    static const unsigned char primes[] = {11, 13, 17,  19,  37,  53,  61,  71, 73,
                                           79, 97, 103, 107, 109, 127, 151, 157};
    for (size_t i = 0; i < sizeof(primes); i++) {
        unsigned prime = primes[i];
        unsigned wanted = (unsigned)BN_mod_word(modulus, prime);
        unsigned power = 1;
        do {
            power = power * (65537 % prime) % prime;
        } while (power != 1 && power != wanted);
        if (power != wanted) {
            return false;
        }
    }
    return true;
}

static enum trust_alg rsa_alg(const EVP_PKEY *key, struct error *err)
{
    int bits = EVP_PKEY_get_bits(key);
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
        error_set(err, STATUS_INVALID_ARGUMENT, "an RSA key of %d bits; %d to %d are taken", bits,
                  RSA_BITS_MIN, RSA_BITS_MAX);
        return TRUST_ALG_NONE;
    }
    BIGNUM *n = NULL;
    BIGNUM *e = NULL;
    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n);
    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e);
    auto_bn *modulus = n;
    auto_bn *exponent = e;
    /* 64 bits at most: a larger exponent is as good as none in use, and slow to verify with. */
    bool good = modulus != NULL && exponent != NULL && BN_is_odd(modulus) && BN_is_odd(exponent) &&
                BN_num_bits(exponent) >= 2 && BN_num_bits(exponent) <= 64;
    if (!good || rsa_is_roca(modulus)) {
        error_set(err, STATUS_INVALID_ARGUMENT, "a weak RSA key");
        return TRUST_ALG_NONE;
    }
    return TRUST_RS256;
}

static enum trust_alg ec_alg(const EVP_PKEY *key, struct error *err)
{
    char group[64] = "";
    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
    if (strcmp(group, "prime256v1") != 0) {
        error_set(err, STATUS_INVALID_ARGUMENT, "a key on the curve %s; only P-256 is taken",
                  group[0] == '\0' ? "unknown" : group);
        return TRUST_ALG_NONE;
    }
    return TRUST_ES256;
}

enum trust_alg pkey_alg(const EVP_PKEY *key, struct error *err)
{
    if (EVP_PKEY_is_a(key, "RSA")) {
        return rsa_alg(key, err);
    }
    if (EVP_PKEY_is_a(key, "EC")) {
        return ec_alg(key, err);
    }
    if (EVP_PKEY_is_a(key, "ED25519")) {
        return TRUST_EDDSA;
    }
    error_set(err, STATUS_INVALID_ARGUMENT, "a key that is neither RSA, P-256 nor Ed25519");
    return TRUST_ALG_NONE;
}

bool pkey_spki(struct arena *arena, const EVP_PKEY *key, struct slice *der, struct error *err)
{
    unsigned char *bytes = NULL;
    int length = i2d_PUBKEY(key, &bytes);
    if (length <= 0) {
        return fault_report(err, "encode a public key");
    }
    *der = arena_slice(arena, (struct slice){(const char *)bytes, (size_t)length});
    OPENSSL_free(bytes);
    return true;
}

EVP_PKEY *pkey_from_spki(struct slice der)
{
    const unsigned char *at = (const unsigned char *)der.data;
    if (der.len == 0 || der.len > 4096) {
        return NULL;
    }
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.len);
    if (key != NULL && at != (const unsigned char *)der.data + der.len) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}
