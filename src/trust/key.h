/* What the files of this room share about OpenSSL's keys. */
#pragma once

#include <openssl/evp.h>

#include "trust/trust.h"

enum {
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192, /* a longer key would only be a way to make us slow */
    EC_BYTES = 32,
    ES256_BYTES = 64,
    EC_SPKI_HEAD = 27, /* up to the 0x04 of the uncompressed point */
    EC_SPKI_BYTES = EC_SPKI_HEAD + 2 * EC_BYTES,
    ED_SPKI_HEAD = 12,
    ED_SPKI_BYTES = ED_SPKI_HEAD + 32,
};

/* The DER bytes before the point of a public key: RFC 5480 with the named curve P-256, and RFC
 * 8410. */
extern const unsigned char ec_spki_head[EC_SPKI_HEAD];
extern const unsigned char ed_spki_head[ED_SPKI_HEAD];

/* The only algorithm for which KEY may be used here; TRUST_ALG_NONE and *err if it is too weak or
 * of another kind. */
enum trust_alg pkey_alg(const EVP_PKEY *key, struct error *err);

/* SubjectPublicKeyInfo, DER. */
bool pkey_spki(struct arena *arena, const EVP_PKEY *key, struct slice *der, struct error *err);

/* Reads it: nothing may follow. The caller frees. */
EVP_PKEY *pkey_from_spki(struct slice der);

/* OpenSSL keeps faults in a queue that TLS reads too; each public function leaves the queue as it
 * found it. */
void faults_begin(void);
void faults_end(void);

/* INTERNAL, with what OpenSSL says. False. */
bool fault_report(struct error *err, const char *what);

#define auto_pkey  __attribute__((cleanup(pkey_auto_free))) EVP_PKEY
#define auto_bn    __attribute__((cleanup(bn_auto_free))) BIGNUM
#define auto_bio   __attribute__((cleanup(bio_auto_free))) BIO
#define auto_mdctx __attribute__((cleanup(mdctx_auto_free))) EVP_MD_CTX
void pkey_auto_free(EVP_PKEY **key);
void bn_auto_free(BIGNUM **number);
void bio_auto_free(BIO **bio);
void mdctx_auto_free(EVP_MD_CTX **ctx);
