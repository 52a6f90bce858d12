/*
 * Public keys and the check of a signature. The algorithm belongs to the key: nothing in a token
 * can choose another. Elliptic keys are taken in one spelling only (named curve, uncompressed), so
 * that no unusual form of the encoding reaches OpenSSL's less used paths.
 */
#include "trust/key.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/memory.h"

/* Two numbers of 33 bytes at most, and what DER puts around them. */
enum { ES256_DER_MAX = 72 };

struct trust_key {
    EVP_PKEY *pkey;
    EVP_MD_CTX *
        ready; /* set up for this key once: looking algorithms up costs as much as a third of RSA */
    enum trust_alg alg;
};

static const struct {
    const char *name;
    const char *digest;
} algs[] = {
    [TRUST_RS256] = {"RS256", "SHA256"},
    [TRUST_ES256] = {"ES256", "SHA256"},
    [TRUST_EDDSA] = {"EdDSA", NULL}, /* has its own inside */
};

enum trust_alg trust_alg_of(struct slice name)
{
    for (enum trust_alg alg = TRUST_RS256; alg <= TRUST_EDDSA; alg++) {
        if (slice_is(name, algs[alg].name)) {
            return alg;
        }
    }
    return TRUST_ALG_NONE;
}

const char *trust_alg_name(enum trust_alg alg)
{
    return alg == TRUST_ALG_NONE ? "none" : algs[alg].name;
}

static bool has_plain_form(struct slice der, enum trust_alg alg)
{
    switch (alg) {
    case TRUST_ES256:
        return der.len == EC_SPKI_BYTES && memcmp(der.data, ec_spki_head, EC_SPKI_HEAD) == 0;
    case TRUST_EDDSA:
        return der.len == ED_SPKI_BYTES && memcmp(der.data, ed_spki_head, ED_SPKI_HEAD) == 0;
    case TRUST_RS256:
        return true;
    case TRUST_ALG_NONE:
        return false;
    }
    return false;
}

static struct trust_key *key_make(struct slice der, enum trust_alg alg, struct error *err)
{
    EVP_PKEY *pkey = has_plain_form(der, alg) ? pkey_from_spki(der) : NULL;
    if (pkey == NULL) {
        error_set(err, STATUS_INVALID_ARGUMENT, "not a public key for %s", trust_alg_name(alg));
        return NULL;
    }
    enum trust_alg own = pkey_alg(pkey, err);
    EVP_MD_CTX *ready = own == alg ? EVP_MD_CTX_new() : NULL;
    if (ready == NULL ||
        EVP_DigestVerifyInit_ex(ready, NULL, algs[alg].digest, NULL, NULL, pkey, NULL) != 1) {
        if (own != TRUST_ALG_NONE) {
            error_set(err, STATUS_INVALID_ARGUMENT, "a key for %s cannot be used for %s",
                      trust_alg_name(own), trust_alg_name(alg));
        }
        EVP_MD_CTX_free(ready);
        EVP_PKEY_free(pkey);
        return NULL;
    }
    struct trust_key *key = mem_new(struct trust_key);
    *key = (struct trust_key){.pkey = pkey, .ready = ready, .alg = alg};
    return key;
}

struct trust_key *trust_key_from_spki(struct slice der, enum trust_alg alg, struct error *err)
{
    faults_begin();
    struct trust_key *key = key_make(der, alg, err);
    faults_end();
    return key;
}

void trust_key_free(struct trust_key *key)
{
    if (key != NULL) {
        EVP_MD_CTX_free(key->ready);
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}

enum trust_alg trust_key_alg(const struct trust_key *key)
{
    return key->alg;
}

/* r||s (RFC 7518 section 3.4) as the DER that OpenSSL wants, in OUT; its length, 0 on failure. */
static size_t ecdsa_der(struct slice signature, unsigned char out[ES256_DER_MAX])
{
    const unsigned char *bytes = (const unsigned char *)signature.data;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, EC_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(bytes + EC_BYTES, EC_BYTES, NULL);
    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return 0;
    }
    int length = i2d_ECDSA_SIG(pair, NULL);
    length = length > 0 && length <= ES256_DER_MAX ? i2d_ECDSA_SIG(pair, &out) : 0;
    ECDSA_SIG_free(pair); /* r and s with it */
    return length < 0 ? 0 : (size_t)length;
}

static bool signature_fits(const struct trust_key *key, struct slice bytes, struct slice signature)
{
    unsigned char der[ES256_DER_MAX];
    const unsigned char *proof = (const unsigned char *)signature.data;
    size_t proof_bytes = signature.len;
    switch (key->alg) {
    case TRUST_RS256:
    case TRUST_EDDSA:
        break; /* OpenSSL wants exactly as many bytes as the modulus has, or 64 */
    case TRUST_ES256:
        if (signature.len != ES256_BYTES) {
            return false;
        }
        proof = der;
        proof_bytes = ecdsa_der(signature, der);
        break;
    case TRUST_ALG_NONE:
        return false;
    }
    auto_mdctx *ctx = EVP_MD_CTX_new();
    return ctx != NULL && EVP_MD_CTX_copy_ex(ctx, key->ready) == 1 &&
           EVP_DigestVerify(ctx, proof, proof_bytes, (const unsigned char *)bytes.data,
                            bytes.len) == 1;
}

bool trust_verify(const struct trust_key *key, struct slice bytes, struct slice signature)
{
    faults_begin();
    bool good = signature.len > 0 && signature_fits(key, bytes, signature);
    faults_end();
    return good;
}
