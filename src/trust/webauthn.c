#include "trust/webauthn.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <string.h>

#include "trust/jws.h"
#include "trust/key.h"

enum {
    HASH_BYTES = 32,
    COUNTER_AT = HASH_BYTES + 1,
    HEAD_BYTES = COUNTER_AT + 4,
    AAGUID_BYTES = 16,
    ID_AT = HEAD_BYTES + AAGUID_BYTES + 2,
    MODULUS_BYTES_MAX = RSA_BITS_MAX / 8,

    FLAG_PRESENT = 0x01,
    FLAG_VERIFIED = 0x04,
    FLAG_MAY_BE_BACKED_UP = 0x08,
    FLAG_BACKED_UP = 0x10,
    FLAG_CREDENTIAL = 0x40,
    FLAG_EXTENSIONS = 0x80,
};

static bool refuse(struct error *err, const char *why)
{
    return error_set(err, STATUS_INVALID_ARGUMENT, "This passkey cannot be used: %s.", why);
}

static const unsigned char *bytes_of(struct slice slice)
{
    return (const unsigned char *)slice.data;
}

static bool hash(struct slice bytes, unsigned char out[HASH_BYTES])
{
    return EVP_Digest(bytes.data, bytes.len, out, NULL, EVP_sha256(), NULL) == 1;
}

/* ---- what the browser says ---- */

static bool is_same(const json_t *object, const char *name, struct slice wanted)
{
    const char *text = json_string_value(json_object_get(object, name));
    size_t len = json_string_length(json_object_get(object, name));
    return text != NULL && len == wanted.len && CRYPTO_memcmp(text, wanted.data, len) == 0;
}

static bool client_fits(struct slice client, const struct webauthn_expected *expected,
                        struct error *err)
{
    auto_json *said = client.len <= WEBAUTHN_CLIENT_MAX ? jws_object(client) : NULL;
    const json_t *crossed = json_object_get(said, "crossOrigin");
    if (said == NULL) {
        return refuse(err, "what the browser says of it cannot be read");
    }
    if (!is_same(said, "type",
                 expected->registration ? SLICE("webauthn.create") : SLICE("webauthn.get"))) {
        return refuse(err, "it was made for something else");
    }
    if (!is_same(said, "challenge", expected->challenge)) {
        return refuse(err, "it answers another question");
    }
    if (!is_same(said, "origin", expected->origin)) {
        return refuse(err, "it was used at another site");
    }
    return (crossed == NULL || json_is_false(crossed)) && json_object_get(said, "topOrigin") == NULL
               ? true
               : refuse(err, "it was used inside of a page of another site");
}

/* ---- what the authenticator says (section 6.1) ---- */

static bool read_credential(struct slice auth, struct webauthn_seen *out)
{
    const unsigned char *at = bytes_of(auth);
    if (auth.len < ID_AT) {
        return false;
    }
    size_t id_len = (size_t)at[ID_AT - 2] << 8 | at[ID_AT - 1];
    if (id_len == 0 || id_len > WEBAUTHN_ID_MAX || auth.len - ID_AT <= id_len) {
        return false;
    }
    out->id = (struct slice){auth.data + ID_AT, id_len};
    out->key = slice_from(auth, ID_AT + id_len);
    return true;
}

static bool auth_fits(struct slice auth, const struct webauthn_expected *expected,
                      struct webauthn_seen *out, struct error *err)
{
    unsigned char wanted[HASH_BYTES];
    const unsigned char *at = bytes_of(auth);
    if (auth.len < HEAD_BYTES || auth.len > WEBAUTHN_AUTH_MAX) {
        return refuse(err, "what the authenticator says cannot be read");
    }
    if (!hash(expected->rp_id, wanted) || CRYPTO_memcmp(at, wanted, HASH_BYTES) != 0) {
        return refuse(err, "it is one of another site");
    }
    unsigned flags = at[HASH_BYTES];
    if ((flags & FLAG_PRESENT) == 0 || (flags & FLAG_VERIFIED) == 0) {
        return refuse(err,
                      "the authenticator did not check who holds it (a PIN, a finger, a face)");
    }
    bool credential = (flags & FLAG_CREDENTIAL) != 0;
    bool more = credential || (flags & FLAG_EXTENSIONS) != 0;
    if (credential != expected->registration || (!more && auth.len != HEAD_BYTES) ||
        ((flags & FLAG_BACKED_UP) != 0 && (flags & FLAG_MAY_BE_BACKED_UP) == 0) ||
        (credential && !read_credential(auth, out))) {
        return refuse(err, "what the authenticator says is no whole answer");
    }
    at += COUNTER_AT;
    out->counter = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    out->backed_up = (flags & FLAG_BACKED_UP) != 0;
    return true;
}

bool webauthn_read(struct slice client, struct slice auth, const struct webauthn_expected *expected,
                   struct webauthn_seen *out, struct error *err)
{
    *out = (struct webauthn_seen){.counter = 0};
    return client_fits(client, expected, err) && auth_fits(auth, expected, out, err);
}

/* ---- keys ---- */

static bool holds(struct slice whole, const unsigned char *part, size_t len)
{
    return slice_find_slice(whole, (struct slice){(const char *)part, len}) >= 0;
}

/* Whether COSE's form of the key, whose parts stand in it as they are, is of the same key. */
static bool is_key_of(struct slice cose, struct slice spki, enum trust_alg alg)
{
    const unsigned char *der = bytes_of(spki);
    unsigned char modulus[MODULUS_BYTES_MAX];
    switch (alg) {
    case TRUST_ES256:
        return spki.len == EC_SPKI_BYTES && holds(cose, der + EC_SPKI_HEAD, EC_BYTES) &&
               holds(cose, der + EC_SPKI_HEAD + EC_BYTES, EC_BYTES);
    case TRUST_EDDSA:
        return spki.len == ED_SPKI_BYTES &&
               holds(cose, der + ED_SPKI_HEAD, ED_SPKI_BYTES - ED_SPKI_HEAD);
    case TRUST_RS256:
        break;
    case TRUST_ALG_NONE:
        return false;
    }
    auto_pkey *key = pkey_from_spki(spki);
    auto_bn *number = NULL;
    if (key == NULL || EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &number) != 1 ||
        BN_num_bytes(number) > MODULUS_BYTES_MAX) {
        return false;
    }
    return holds(cose, modulus, (size_t)BN_bn2bin(number, modulus));
}

static enum trust_alg alg_of_cose(int64_t number)
{
    return number == -7     ? TRUST_ES256
           : number == -8   ? TRUST_EDDSA
           : number == -257 ? TRUST_RS256
                            : TRUST_ALG_NONE;
}

enum trust_alg webauthn_key(const struct webauthn_seen *seen, struct slice spki, int64_t number,
                            struct error *err)
{
    enum trust_alg alg = alg_of_cose(number);
    struct trust_key *key = NULL;
    if (alg == TRUST_ALG_NONE || spki.len > WEBAUTHN_SPKI_MAX) {
        refuse(err, "its key is of a kind that is not taken here");
        return TRUST_ALG_NONE;
    }
    faults_begin();
    key = trust_key_from_spki(spki, alg, NULL);
    bool good = key != NULL && is_key_of(seen->key, spki, alg);
    faults_end();
    trust_key_free(key);
    if (!good) {
        refuse(err, "its key is too weak, or is not the authenticator's");
        return TRUST_ALG_NONE;
    }
    return alg;
}

/* ---- signatures ---- */

/* DER to r||s, as trust_verify() has it (RFC 7518 section 3.4). */
static bool flat_signature(struct slice der, unsigned char out[ES256_BYTES])
{
    const unsigned char *at = bytes_of(der);
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
    bool good = pair != NULL && at == bytes_of(der) + der.len &&
                BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, EC_BYTES) == EC_BYTES &&
                BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + EC_BYTES, EC_BYTES) == EC_BYTES;
    ECDSA_SIG_free(pair);
    return good;
}

bool webauthn_verify(struct slice spki, enum trust_alg alg, struct slice auth, struct slice client,
                     struct slice signature)
{
    unsigned char flat[ES256_BYTES], text[WEBAUTHN_AUTH_MAX + HASH_BYTES];
    if (auth.len > WEBAUTHN_AUTH_MAX || client.len > WEBAUTHN_CLIENT_MAX || signature.len == 0 ||
        signature.len > WEBAUTHN_SIGNATURE_MAX || !hash(client, text + auth.len)) {
        return false;
    }
    memcpy(text, auth.data, auth.len);
    faults_begin();
    bool good = alg != TRUST_ES256 || flat_signature(signature, flat);
    struct trust_key *key = good ? trust_key_from_spki(spki, alg, NULL) : NULL;
    if (alg == TRUST_ES256) {
        signature = (struct slice){(const char *)flat, sizeof(flat)};
    }
    good = key != NULL &&
           trust_verify(key, (struct slice){(const char *)text, auth.len + HASH_BYTES}, signature);
    faults_end();
    trust_key_free(key);
    return good;
}
