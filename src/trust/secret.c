/* Private keys: made, read, written, used. Only the same kinds and strengths as public ones are
 * taken. */
#include "trust/secret.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "base/memory.h"
#include "trust/key.h"

enum { SECRET_PEM_MAX = 16384 };

struct trust_secret {
    EVP_PKEY *pkey;
    enum trust_alg alg;
};

static struct trust_secret *secret_wrap(EVP_PKEY *pkey, enum trust_alg alg)
{
    struct trust_secret *secret = mem_new(struct trust_secret);
    *secret = (struct trust_secret){.pkey = pkey, .alg = alg};
    return secret;
}

struct trust_secret *trust_secret_generate(enum trust_alg alg, struct error *err)
{
    EVP_PKEY *pkey = NULL;
    faults_begin();
    switch (alg) {
    case TRUST_RS256:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS_MIN);
        break;
    case TRUST_ES256:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        break;
    case TRUST_EDDSA:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    case TRUST_ALG_NONE:
        break;
    }
    if (pkey == NULL) {
        fault_report(err, "make a private key");
    }
    faults_end();
    return pkey == NULL ? NULL : secret_wrap(pkey, alg);
}

/* A key under a passphrase is not for us; without this, OpenSSL would ask on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

struct trust_secret *trust_secret_from_pem(struct slice pem, struct error *err)
{
    if (pem.len == 0 || pem.len > SECRET_PEM_MAX) {
        error_set(err, STATUS_INVALID_ARGUMENT, "not a private key in PEM form");
        return NULL;
    }
    faults_begin();
    auto_bio *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    enum trust_alg alg = TRUST_ALG_NONE;
    if (pkey == NULL) {
        error_set(err, STATUS_INVALID_ARGUMENT,
                  "not a private key in PEM form, or one under a passphrase");
    } else {
        alg = pkey_alg(pkey, err);
    }
    faults_end();
    if (alg == TRUST_ALG_NONE) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return secret_wrap(pkey, alg);
}

void trust_secret_free(struct trust_secret *secret)
{
    if (secret != NULL) {
        EVP_PKEY_free(secret->pkey);
        free(secret);
    }
}

bool trust_secret_pem(struct arena *arena, const struct trust_secret *secret, struct slice *pem,
                      struct error *err)
{
    faults_begin();
    auto_bio *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    bool good = bio != NULL &&
                PEM_write_bio_PKCS8PrivateKey(bio, secret->pkey, NULL, NULL, 0, NULL, NULL) == 1;
    long length = good ? BIO_get_mem_data(bio, &text) : 0;
    if (length > 0) {
        *pem = arena_slice(arena, (struct slice){text, (size_t)length});
    } else {
        good = fault_report(err, "write a private key");
    }
    faults_end();
    return good;
}

bool trust_secret_spki(struct arena *arena, const struct trust_secret *secret, struct slice *der,
                       struct error *err)
{
    faults_begin();
    bool good = pkey_spki(arena, secret->pkey, der, err);
    faults_end();
    return good;
}

enum trust_alg trust_secret_alg(const struct trust_secret *secret)
{
    return secret->alg;
}

/* OpenSSL's DER SEQUENCE as r||s (RFC 7518 section 3.4). */
static bool ecdsa_join(struct slice der, unsigned char out[ES256_BYTES])
{
    const unsigned char *at = (const unsigned char *)der.data;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
    bool good = pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, EC_BYTES) == EC_BYTES &&
                BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + EC_BYTES, EC_BYTES) == EC_BYTES;
    ECDSA_SIG_free(pair);
    return good;
}

static bool sign(struct arena *arena, const struct trust_secret *secret, struct slice bytes,
                 struct slice *signature)
{
    const char *digest = secret->alg == TRUST_EDDSA ? NULL : "SHA256";
    const unsigned char *text = (const unsigned char *)bytes.data;
    auto_mdctx *ctx = EVP_MD_CTX_new();
    size_t length = 0;
    if (ctx == NULL ||
        EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, secret->pkey, NULL) != 1 ||
        EVP_DigestSign(ctx, NULL, &length, text, bytes.len) != 1) {
        return false;
    }
    unsigned char *out = arena_alloc(arena, length);
    if (EVP_DigestSign(ctx, out, &length, text, bytes.len) != 1) {
        return false;
    }
    struct slice made = {(const char *)out, length};
    if (secret->alg == TRUST_ES256) {
        unsigned char *joined = arena_alloc(arena, ES256_BYTES);
        if (!ecdsa_join(made, joined)) {
            return false;
        }
        made = (struct slice){(const char *)joined, ES256_BYTES};
    }
    *signature = made;
    return true;
}

bool trust_sign(struct arena *arena, const struct trust_secret *secret, struct slice bytes,
                struct slice *signature, struct error *err)
{
    faults_begin();
    bool good = sign(arena, secret, bytes, signature) || fault_report(err, "sign");
    faults_end();
    return good;
}
