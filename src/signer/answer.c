/*
 * What may be signed. Control and ingress have channels to ask by, ingress for the doors'
 * assertions alone; and no key signs for two purposes: the issuer's keys sign tokens that read as
 * tokens, accounts sign with their own keys, and the key of secrets encrypts.
 */
#include "signer/answer.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "codec/codec.h"
#include "signer/wrap.h"

enum { LEAF_DAYS = 397, LEAF_NAMES_MAX = 256, JWKS_BYTES_MAX = 65536 };

struct question {
    struct keyring *keyring;
    struct slice bytes;
    int64_t now_s;
    struct arena *arena;
    char *kid;
};

static void name_key(const struct question *question, const char *kid)
{
    snprintf(question->kid, 64, "%s", kid);
}

/* Two texts with a NUL between them. */
static struct slice pair(struct arena *arena, struct slice first, struct slice second)
{
    char *joined = arena_alloc(arena, first.len + 1 + second.len);
    memcpy(joined, first.data, first.len);
    memcpy(joined + first.len + 1, second.data, second.len);
    return (struct slice){joined, first.len + 1 + second.len};
}

/* Reads header.payload as strictly as a receiver would: with some signature behind it, it must be a
 * token. */
static bool input_read(const struct question *question, struct slice input, struct token *out,
                       struct error *err)
{
    struct slice text = token_assemble(question->arena, input, SLICE("-"));
    enum token_fault fault = token_parse(question->arena, text, out);
    if (fault != TOKEN_OK) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "this is no token to be signed: %s",
                         token_fault_name(fault));
    }
    if (out->alg != TRUST_RS256) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "tokens are signed with RS256 only");
    }
    return true;
}

static bool answer_issuer_jwt(const struct question *question, struct slice *out, struct error *err)
{
    struct token token;
    if (!input_read(question, question->bytes, &token, err)) {
        return false;
    }
    const struct issuer_key *key = keyring_find(question->keyring, token.kid);
    if (key == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "there is no issuer key of that name");
    }
    name_key(question, key->kid);
    return trust_sign(question->arena, key->secret, question->bytes, out, err);
}

/* ---- accounts ---- */

/* BYTES begin with the account's unique ID and a NUL. The caller frees the key. */
static struct trust_secret *account_key(const struct question *question, struct slice *rest,
                                        char kid[KID_BYTES + 1], struct error *err)
{
    ptrdiff_t nul = slice_find(question->bytes, '\0');
    if (nul < 0) {
        error_set(err, STATUS_INVALID_ARGUMENT, "no account is named");
        return NULL;
    }
    struct trust_secret *secret =
        keyring_account(question->keyring, slice_upto(question->bytes, (size_t)nul), err);
    if (secret != NULL && !keyring_kid(secret, kid, err)) {
        trust_secret_free(secret);
        return NULL;
    }
    *rest = slice_from(question->bytes, (size_t)nul + 1);
    return secret;
}

/* The header is made here, since only we know the key's name before its first use. */
static bool account_jwt(const struct question *question, const struct trust_secret *secret,
                        struct slice claims_json, const char *kid, struct slice *out,
                        struct error *err)
{
    struct slice signature;
    auto_json *claims = json_read(claims_json, err);
    if (!json_is_object(claims)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the claims are no JSON object");
    }
    struct slice input =
        token_signing_input(question->arena, TRUST_RS256, slice_of(kid), claims_json);
    if (!trust_sign(question->arena, secret, input, &signature, err)) {
        return false;
    }
    *out = token_assemble(question->arena, input, signature);
    return true;
}

static bool answer_account_jwt(const struct question *question, struct slice *out,
                               struct error *err)
{
    struct slice rest;
    char kid[KID_BYTES + 1];
    struct trust_secret *secret = account_key(question, &rest, kid, err);
    bool good = secret != NULL && account_jwt(question, secret, rest, kid, out, err);
    trust_secret_free(secret);
    if (good) {
        name_key(question, kid);
    }
    return good;
}

static bool answer_account_blob(const struct question *question, struct slice *out,
                                struct error *err)
{
    struct slice rest;
    char kid[KID_BYTES + 1];
    struct trust_secret *secret = account_key(question, &rest, kid, err);
    bool good = secret != NULL && trust_sign(question->arena, secret, rest, out, err);
    trust_secret_free(secret);
    if (good) {
        name_key(question, kid);
    }
    return good;
}

/* SubjectPublicKeyInfo in base64, NUL, certificate. */
static bool public_half(const struct question *question, const struct trust_secret *secret,
                        struct slice pem, const char *kid, struct slice *out, struct error *err)
{
    struct slice der, cert;
    if (!trust_secret_spki(question->arena, secret, &der, err) ||
        !trust_self_signed(question->arena, pem, kid, question->now_s, &cert, err)) {
        return false;
    }
    *out = pair(question->arena, base64_encode(question->arena, der), cert);
    return true;
}

/* A key pair for a user's key file: PKCS#8 PEM, NUL, public half. It is not kept. */
static bool answer_new_account_key(const struct question *question, struct slice *out,
                                   struct error *err)
{
    char kid[KID_BYTES + 1];
    struct slice pem, public;
    struct trust_secret *secret = trust_secret_generate(TRUST_RS256, err);
    bool good = secret != NULL && keyring_kid(secret, kid, err) &&
                trust_secret_pem(question->arena, secret, &pem, err) &&
                public_half(question, secret, pem, kid, &public, err);
    trust_secret_free(secret);
    if (!good) {
        return false;
    }
    name_key(question, kid);
    *out = pair(question->arena, pem, public);
    return true;
}

static bool answer_account_key(const struct question *question, struct slice *out,
                               struct error *err)
{
    struct slice rest, pem;
    char kid[KID_BYTES + 1];
    struct trust_secret *secret = account_key(question, &rest, kid, err);
    bool good = secret != NULL && trust_secret_pem(question->arena, secret, &pem, err) &&
                public_half(question, secret, pem, kid, out, err);
    trust_secret_free(secret);
    if (good) {
        name_key(question, kid);
    }
    return good;
}

/* ---- the issuer's public keys ---- */

static bool answer_public_keys(const struct question *question, struct slice *out,
                               struct error *err)
{
    const struct keyring *keyring = question->keyring;
    struct buffer set = BUFFER_INIT(JWKS_BYTES_MAX);
    buffer_add_text(&set, "{\"keys\":[");
    bool good = true;
    for (size_t i = 0; i < keyring->issuer_count && good; i++) {
        struct trust_jwk jwk = {.kid = slice_of(keyring->issuers[i].kid), .alg = TRUST_RS256};
        struct slice json;
        good = trust_secret_spki(question->arena, keyring->issuers[i].secret, &jwk.spki, err) &&
               trust_jwk_write(question->arena, &jwk, &json, err);
        if (good) {
            buffer_printf(&set, "%s%.*s", i > 0 ? "," : "", SLICE_ARG(json));
        }
    }
    buffer_add_text(&set, "]}");
    if (good) {
        name_key(question, keyring->issuers[0].kid);
        *out = arena_slice(question->arena, buffer_slice(&set));
    }
    buffer_done(&set);
    return good;
}

static bool answer_rotate(const struct question *question, struct slice *out, struct error *err)
{
    if (!keyring_rotate(question->keyring, err)) {
        return false;
    }
    return answer_public_keys(question, out, err);
}

static bool answer_forget(const struct question *question, struct slice *out, struct error *err)
{
    if (!keyring_forget(question->keyring, question->bytes, err)) {
        return false;
    }
    return answer_public_keys(question, out, err);
}

/* ---- TLS ---- */

static bool answer_leaf(const struct question *question, struct slice *out, struct error *err)
{
    struct slice names[LEAF_NAMES_MAX];
    size_t count = 0;
    struct slice rest = question->bytes, name, chain, key;
    if (!keyring_keep_ca(question->keyring, question->now_s, err)) {
        return error_wrap(err, "renew the local CA");
    }
    while (slice_cut(&rest, ',', &name)) {
        if (count == LEAF_NAMES_MAX) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "more than %d names", LEAF_NAMES_MAX);
        }
        names[count++] = slice_trim(name);
    }
    if (!trust_leaf_make(question->arena, question->keyring->ca_cert, question->keyring->ca_key,
                         names, count, question->now_s, LEAF_DAYS, &chain, &key, err)) {
        return false;
    }
    *out = pair(question->arena, chain, key);
    return true;
}

/* ---- values of secrets ---- */

/* Cuts the name off the question's bytes. */
static bool name_cut(const struct question *question, struct slice *name, struct slice *rest,
                     struct error *err)
{
    ptrdiff_t nul = slice_find(question->bytes, '\0');
    if (nul <= 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "no secret is named");
    }
    *name = slice_upto(question->bytes, (size_t)nul);
    *rest = slice_from(question->bytes, (size_t)nul + 1);
    return true;
}

static bool answer_seal(const struct question *question, struct slice *out, struct error *err)
{
    struct slice name, value;
    return name_cut(question, &name, &value, err) &&
           seal_close(&question->keyring->seal, name, value, question->arena, out, err);
}

static bool answer_open(const struct question *question, struct slice *out, struct error *err)
{
    struct slice name, sealed;
    return name_cut(question, &name, &sealed, err) &&
           seal_open(&question->keyring->seal, name, sealed, question->arena, out, err);
}

/* ---- all of it, for the nodes of a cluster ---- */

static bool answer_wrap(const struct question *question, struct slice *out, struct error *err)
{
    return wrap_keyring(question->keyring, question->arena, out, err);
}

static bool answer_unwrap(const struct question *question, struct slice *out, struct error *err)
{
    bool old = false;
    if (!unwrap_keyring(question->keyring, question->bytes, question->now_s, &old, err)) {
        return false;
    }
    *out = old ? SLICE("old") : SLICE("newest");
    return true;
}

/* ---- keys of other processes ---- */

static bool answer_derive(const struct question *question, struct slice *out, struct error *err)
{
    return seal_derive(&question->keyring->seal, question->bytes, question->arena, out, err);
}

/* ---- the doors ---- */

static bool answer_door_assertion(const struct question *question, struct slice *out,
                                  struct error *err)
{
    return door_keys_sign(&question->keyring->doors, question->arena, question->bytes, out,
                          question->kid, err);
}

static bool answer_door_keys(const struct question *question, struct slice *out, struct error *err)
{
    return door_keys_publish(&question->keyring->doors, question->arena, out, err);
}

/* ---- each kind of question ---- */

static bool (*const makers[])(const struct question *question, struct slice *out,
                              struct error *err) = {
    [SIGN_ISSUER_JWT] = answer_issuer_jwt,
    [SIGN_ACCOUNT_JWT] = answer_account_jwt,
    [SIGN_ACCOUNT_BLOB] = answer_account_blob,
    [SIGN_NEW_ACCOUNT_KEY] = answer_new_account_key,
    [SIGN_PUBLIC_KEYS] = answer_public_keys,
    [SIGN_LEAF] = answer_leaf,
    [SIGN_ROTATE] = answer_rotate,
    [SIGN_FORGET] = answer_forget,
    [SIGN_ACCOUNT_KEY] = answer_account_key,
    [SIGN_SEAL] = answer_seal,
    [SIGN_OPEN] = answer_open,
    [SIGN_DOOR_ASSERTION] = answer_door_assertion,
    [SIGN_DOOR_KEYS] = answer_door_keys,
    [SIGN_WRAP] = answer_wrap,
    [SIGN_UNWRAP] = answer_unwrap,
    [SIGN_DERIVE] = answer_derive,
};

bool answer_may_ask(enum process_role who, uint32_t kind)
{
    bool of_door = kind == SIGN_DOOR_ASSERTION || kind == SIGN_DOOR_KEYS;
    return who == PROCESS_INGRESS ? of_door : who == PROCESS_CONTROL && kind != SIGN_DOOR_ASSERTION;
}

bool answer_make(struct keyring *keyring, uint32_t kind, struct slice bytes, int64_t now_s,
                 struct arena *arena, struct slice *out, char kid[64], struct error *err)
{
    if (kind >= sizeof(makers) / sizeof(makers[0])) {
        return error_set(err, STATUS_UNIMPLEMENTED, "the signer knows no question %u", kind);
    }
    struct question question = {
        .keyring = keyring, .bytes = bytes, .now_s = now_s, .arena = arena, .kid = kid};
    return makers[kind](&question, out, err);
}
