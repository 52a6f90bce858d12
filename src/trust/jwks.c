/*
 * JWK sets (RFC 7517). A set comes from an issuer that the operator trusts, but over a network and
 * from a program of someone else: one odd key must not cost the others, so each that we cannot use
 * is passed over.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "base/encode.h"
#include "trust/jws.h"
#include "trust/key.h"

enum {
    JWKS_BYTES_MAX = 65536,
};

static struct slice member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value)
               ? (struct slice){json_string_value(value), json_string_length(value)}
               : SLICE_NONE;
}

/* ---- reading ---- */

static bool rsa_spki(struct arena *arena, struct slice n, struct slice e, struct slice *der)
{
    if (n.len == 0 || n.len > RSA_BITS_MAX / 8 + 1 || e.len == 0 || e.len > 8) {
        return false;
    }
    auto_bn *modulus = BN_bin2bn((const unsigned char *)n.data, (int)n.len, NULL);
    auto_bn *exponent = BN_bin2bn((const unsigned char *)e.data, (int)e.len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    if (modulus != NULL && exponent != NULL && build != NULL &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
        params = OSSL_PARAM_BLD_to_param(build);
    }
    EVP_PKEY *made = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1) {
        EVP_PKEY_fromdata(ctx, &made, EVP_PKEY_PUBLIC_KEY, params);
    }
    auto_pkey *key = made;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    return key != NULL && pkey_spki(arena, key, der, NULL);
}

/* HEAD, and after it the parts one by one: how P-256 and Ed25519 keys look in DER. */
static struct slice spki_join(struct arena *arena, const unsigned char *head, size_t head_bytes,
                              struct slice first, struct slice second)
{
    char *der = arena_alloc(arena, head_bytes + first.len + second.len);
    memcpy(der, head, head_bytes);
    memcpy(der + head_bytes, first.data, first.len);
    if (second.len > 0) {
        memcpy(der + head_bytes + first.len, second.data, second.len);
    }
    return (struct slice){der, head_bytes + first.len + second.len};
}

static bool jwk_rsa(struct arena *arena, const json_t *jwk, struct slice *der)
{
    struct slice n, e;
    return base64url_decode(arena, member(jwk, "n"), &n) &&
           base64url_decode(arena, member(jwk, "e"), &e) && rsa_spki(arena, n, e, der);
}

static bool jwk_ec(struct arena *arena, const json_t *jwk, struct slice *der)
{
    struct slice x, y;
    if (!slice_is(member(jwk, "crv"), "P-256") || !base64url_decode(arena, member(jwk, "x"), &x) ||
        !base64url_decode(arena, member(jwk, "y"), &y) || x.len != EC_BYTES || y.len != EC_BYTES) {
        return false;
    }
    *der = spki_join(arena, ec_spki_head, EC_SPKI_HEAD, x, y);
    return true;
}

static bool jwk_okp(struct arena *arena, const json_t *jwk, struct slice *der)
{
    struct slice x;
    if (!slice_is(member(jwk, "crv"), "Ed25519") ||
        !base64url_decode(arena, member(jwk, "x"), &x) || x.len != ED_SPKI_BYTES - ED_SPKI_HEAD) {
        return false;
    }
    *der = spki_join(arena, ed_spki_head, ED_SPKI_HEAD, x, SLICE_NONE);
    return true;
}

static const struct {
    const char *kty;
    enum trust_alg alg;
    bool (*read)(struct arena *arena, const json_t *jwk, struct slice *der);
} kinds[] = {
    {"RSA", TRUST_RS256, jwk_rsa},
    {"EC", TRUST_ES256, jwk_ec},
    {"OKP", TRUST_EDDSA, jwk_okp},
};

/* Meant for checking signatures, as far as it says (RFC 7517 sections 4.2 and 4.3). */
static bool is_for_signatures(const json_t *jwk)
{
    const json_t *use = json_object_get(jwk, "use");
    if (use != NULL && !slice_is(member(jwk, "use"), "sig")) {
        return false;
    }
    const json_t *operations = json_object_get(jwk, "key_ops");
    if (operations == NULL) {
        return true;
    }
    size_t i;
    json_t *operation;
    json_array_foreach(operations, i, operation)
    {
        if (json_is_string(operation) && strcmp(json_string_value(operation), "verify") == 0) {
            return true;
        }
    }
    return false;
}

static bool jwk_read(struct arena *arena, const json_t *jwk, struct trust_jwk *out)
{
    const json_t *kid = json_object_get(jwk, "kid");
    const json_t *alg = json_object_get(jwk, "alg");
    /* A set that shows a private half ("d") has given that key away. */
    if (!json_is_object(jwk) || !is_for_signatures(jwk) || json_object_get(jwk, "d") != NULL ||
        (kid != NULL && !json_is_string(kid)) || member(jwk, "kid").len > KID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct slice der;
        if (!slice_is(member(jwk, "kty"), kinds[i].kty)) {
            continue;
        }
        if ((alg != NULL && trust_alg_of(member(jwk, "alg")) != kinds[i].alg) ||
            !kinds[i].read(arena, jwk, &der)) {
            return false;
        }
        struct trust_key *key = trust_key_from_spki(der, kinds[i].alg, NULL);
        if (key == NULL) {
            return false; /* weak, or no point of the curve */
        }
        trust_key_free(key);
        *out = (struct trust_jwk){
            .kid = arena_slice(arena, member(jwk, "kid")), .alg = kinds[i].alg, .spki = der};
        return true;
    }
    return false;
}

static bool has_kid(const struct trust_jwk *keys, size_t count, struct slice kid)
{
    for (size_t i = 0; i < count; i++) {
        if (kid.len > 0 && slice_equal(keys[i].kid, kid)) {
            return true;
        }
    }
    return false;
}

bool trust_jwks_read(struct arena *arena, struct slice json, struct trust_jwk *out, size_t max,
                     size_t *count, struct error *err)
{
    if (json.len > JWKS_BYTES_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "a JWK set of more than %d bytes",
                         JWKS_BYTES_MAX);
    }
    auto_json *set = json_read(json, err);
    if (set == NULL) {
        return error_wrap(err, "JWK set");
    }
    const json_t *keys = json_object_get(set, "keys");
    if (!json_is_array(keys)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "no JWK set: it has no array \"keys\"");
    }
    size_t used = 0;
    faults_begin();
    for (size_t i = 0; i < json_array_size(keys) && used < max; i++) {
        struct trust_jwk key;
        if (jwk_read(arena, json_array_get(keys, i), &key) && !has_kid(out, used, key.kid)) {
            out[used++] = key;
        }
    }
    faults_end();
    *count = used;
    return true;
}

/* ---- writing ---- */

static json_t *text_of(struct slice text)
{
    return json_stringn(text.data, text.len);
}

static json_t *number_of(struct arena *arena, const EVP_PKEY *key, const char *name)
{
    BIGNUM *got = NULL;
    EVP_PKEY_get_bn_param(key, name, &got);
    auto_bn *number = got;
    if (number == NULL) {
        return NULL;
    }
    size_t length = (size_t)BN_num_bytes(number);
    unsigned char *bytes = arena_alloc(arena, length);
    BN_bn2bin(number, bytes);
    return text_of(base64url_encode(arena, (struct slice){(const char *)bytes, length}));
}

/* The members that are the key itself. */
static bool put_key(struct arena *arena, json_t *out, const struct trust_jwk *jwk,
                    const EVP_PKEY *key)
{
    switch (jwk->alg) {
    case TRUST_RS256:
        return json_object_set_new(out, "kty", json_string("RSA")) == 0 &&
               json_object_set_new(out, "n", number_of(arena, key, OSSL_PKEY_PARAM_RSA_N)) == 0 &&
               json_object_set_new(out, "e", number_of(arena, key, OSSL_PKEY_PARAM_RSA_E)) == 0;
    case TRUST_ES256: {
        struct slice point = slice_from(jwk->spki, EC_SPKI_HEAD);
        return json_object_set_new(out, "kty", json_string("EC")) == 0 &&
               json_object_set_new(out, "crv", json_string("P-256")) == 0 &&
               json_object_set_new(
                   out, "x", text_of(base64url_encode(arena, slice_upto(point, EC_BYTES)))) == 0 &&
               json_object_set_new(
                   out, "y", text_of(base64url_encode(arena, slice_from(point, EC_BYTES)))) == 0;
    }
    case TRUST_EDDSA:
        return json_object_set_new(out, "kty", json_string("OKP")) == 0 &&
               json_object_set_new(out, "crv", json_string("Ed25519")) == 0 &&
               json_object_set_new(
                   out, "x",
                   text_of(base64url_encode(arena, slice_from(jwk->spki, ED_SPKI_HEAD)))) == 0;
    case TRUST_ALG_NONE:
        return false;
    }
    return false;
}

bool trust_jwk_write(struct arena *arena, const struct trust_jwk *jwk, struct slice *json,
                     struct error *err)
{
    struct trust_key *checked = trust_key_from_spki(jwk->spki, jwk->alg, err);
    if (checked == NULL) {
        return error_wrap(err, "JWK");
    }
    trust_key_free(checked);
    faults_begin();
    auto_pkey *key = pkey_from_spki(jwk->spki);
    auto_json *out = json_object();
    bool good = key != NULL && json_object_set_new(out, "kid", text_of(jwk->kid)) == 0 &&
                json_object_set_new(out, "use", json_string("sig")) == 0 &&
                json_object_set_new(out, "alg", json_string(trust_alg_name(jwk->alg))) == 0 &&
                put_key(arena, out, jwk, key);
    faults_end();
    if (!good) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "JWK: the kid is not UTF-8");
    }
    *json = json_write(arena, out);
    return true;
}
