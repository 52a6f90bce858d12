/*
 * Private keys: for the signer, and for clients that hold a key file (the command line). No other
 * process includes this.
 */
#pragma once

#include "trust/trust.h"

struct trust_secret; /* a private key */

struct trust_secret *trust_secret_generate(enum trust_alg alg, struct error *err);
struct trust_secret *trust_secret_from_pem(struct slice pem, struct error *err);
void trust_secret_free(struct trust_secret *secret);
bool trust_secret_pem(struct arena *arena, const struct trust_secret *secret, struct slice *pem,
                      struct error *err); /* PKCS#8 */
bool trust_secret_spki(struct arena *arena, const struct trust_secret *secret, struct slice *der,
                       struct error *err);
enum trust_alg trust_secret_alg(const struct trust_secret *secret);
/* JOSE signature of BYTES. */
bool trust_sign(struct arena *arena, const struct trust_secret *secret, struct slice bytes,
                struct slice *signature, struct error *err);

/* ---- certificates of the local CA ---- */

/* A self-signed CA (ECDSA P-256, ten years), PEM. */
bool trust_ca_make(struct arena *arena, const char *common_name, int64_t now_s,
                   struct slice *cert_pem, struct slice *key_pem, struct error *err);
/* A new certificate of the same CA (same name and key), for ten years from NOW_S. Clients that
 * trust the old certificate accept signatures of the CA until the old one ends, and have that long
 * to install the new one. */
bool trust_ca_renew(struct arena *arena, struct slice old_pem, struct slice key_pem, int64_t now_s,
                    struct slice *cert_pem, struct error *err);
/* A self-signed certificate for a public key, where an API asks for a certificate: named
 * COMMON_NAME, without an end. */
bool trust_self_signed(struct arena *arena, struct slice key_pem, const char *common_name,
                       int64_t now_s, struct slice *cert_pem, struct error *err);
/* A leaf for NAMES (DNS names, or IP addresses), signed by the CA, with a fresh P-256 key; chain
 * leaf first. */
bool trust_leaf_make(struct arena *arena, struct slice ca_cert_pem, struct slice ca_key_pem,
                     const struct slice *names, size_t name_count, int64_t now_s, int days,
                     struct slice *chain_pem, struct slice *key_pem, struct error *err);
