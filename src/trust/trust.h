/*
 * Tokens: reading and checking them (RFC 7515, 7517, 7518, 7519), and making them. Pure: time, keys
 * and randomness are arguments. Only RS256, ES256 and EdDSA (Ed25519) exist here; "none" and HMAC
 * do not.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum { TOKEN_BYTES_MAX = 16384 };

/* ---- keys ---- */

enum trust_alg { TRUST_ALG_NONE, TRUST_RS256, TRUST_ES256, TRUST_EDDSA };

struct trust_key; /* a public key with its one algorithm */

/* From DER SubjectPublicKeyInfo. RSA under 2048 bits, curves but P-256 and Ed25519, and a wrong ALG
 * are refused. Owned by the caller. */
struct trust_key *trust_key_from_spki(struct slice der, enum trust_alg alg, struct error *err);
void trust_key_free(struct trust_key *key);
enum trust_alg trust_key_alg(const struct trust_key *key);

enum trust_alg trust_alg_of(struct slice name); /* TRUST_ALG_NONE if it is not one of ours */
const char *trust_alg_name(enum trust_alg alg);

/* Verifies SIGNATURE (JOSE form: ES256 is r||s) over BYTES. */
bool trust_verify(const struct trust_key *key, struct slice bytes, struct slice signature);

/* ---- JWKS ---- */

struct trust_jwk {
    struct slice kid; /* "" if none */
    enum trust_alg alg;
    struct slice spki; /* DER */
};

/*
 * Reads a JWK set (RFC 7517): signature keys of our algorithms; others are skipped. At most MAX
 * keys, 64 KiB of text. A repeated kid, or a key that is broken, is skipped too. False only if it
 * is no JWK set.
 */
bool trust_jwks_read(struct arena *arena, struct slice json, struct trust_jwk *out, size_t max,
                     size_t *count, struct error *err);

/* A JWK with kid, use and alg, as JSON text: for our own JWKS. */
bool trust_jwk_write(struct arena *arena, const struct trust_jwk *jwk, struct slice *json,
                     struct error *err);

/* ---- JWT ---- */

/* A token taken apart; nothing in it is to be believed before token_verify_*(). */
struct token {
    enum trust_alg alg;
    struct slice kid; /* "" if none */
    struct slice typ;
    struct slice signed_part; /* header.payload */
    struct slice signature;   /* decoded */
    /* claims; absent strings are "", absent times INT64_MIN */
    struct slice iss, sub, email, hd, azp, scope, target_audience, nonce;
    struct slice user_key; /* our private claim "homerun_key": the service account key that this was
                              minted through */
    struct slice token_use; /* our private claim "homerun_use": "access", "refresh", …; ID tokens
                               have none */
    struct slice sid,
        client_id; /* of an agent's token: the session that it depends on, and its person */
    const struct slice *audiences;
    size_t audience_count;
    bool email_verified;
    int64_t exp, iat, nbf; /* seconds since 1970 */
    struct slice payload;  /* decoded JSON, for claims beyond these */
};

enum token_fault {
    TOKEN_OK,
    TOKEN_MALFORMED,
    TOKEN_TOO_LONG,
    TOKEN_ALG, /* not ours, or not the key's */
    TOKEN_SIGNATURE,
    TOKEN_EXPIRED,
    TOKEN_NOT_YET,
    TOKEN_LIFETIME, /* no exp, or longer than a day */
    TOKEN_UNKNOWN_KEY,
    TOKEN_ISSUER,
    TOKEN_AUDIENCE,
    TOKEN_SUBJECT, /* account unknown, disabled, deleted, or its key */
    TOKEN_KIND,    /* not an ID token */
};
const char *token_fault_name(enum token_fault fault);

/*
 * Takes TEXT apart, strictly: three parts, base64url without padding, JSON objects without repeated
 * names at the top, numbers that are times, "crit" refused, "b64" refused. Slices lie in ARENA.
 */
enum token_fault token_parse(struct arena *arena, struct slice text, struct token *out);
/* Like token_parse(), for a logout token (typ "logout+jwt", or none), which token_parse() refuses.
 */
enum token_fault token_parse_logout(struct arena *arena, struct slice text, struct token *out);

/* docs/access.md C3: alg is the key's own, and the signature fits. */
enum token_fault token_verify_signature(const struct token *token, const struct trust_key *key);

/* docs/access.md C4: leeway 10 s on exp, 60 s on iat and nbf; exp needed; at most 24 h long
 * (from iat, or now if absent). */
enum token_fault token_verify_time(const struct token *token, int64_t now_s);

/* docs/access.md C8: a token in the shape of three parts, its signature replaced:
 * "HEADER.PAYLOAD.SIGNATURE_REMOVED_BY_GOOGLE" in ARENA. */
struct slice token_strip(struct arena *arena, struct slice text);
/* Three dot-separated parts of base64url characters, none empty. */
bool token_looks_like_jwt(struct slice text);

/* ---- minting ---- */

/* header.payload, base64url, ready to be signed: {"alg","kid","typ":"JWT"} and CLAIMS_JSON. */
struct slice token_signing_input(struct arena *arena, enum trust_alg alg, struct slice kid,
                                 struct slice claims_json);
/* Like the function above, with another "typ". */
struct slice token_signing_input_of(struct arena *arena, enum trust_alg alg, struct slice kid,
                                    const char *typ, struct slice claims_json);
struct slice token_assemble(struct arena *arena, struct slice signing_input,
                            struct slice signature);

/* ---- certificates ---- */

/* A public key as someone hands it over. */
struct trust_public {
    enum trust_alg alg;
    struct slice spki;        /* DER */
    struct slice certificate; /* PEM of the certificate that it was in; "" if it was bare */
    int64_t not_before,
        not_after; /* seconds since 1970, of the certificate; else 0 and INT64_MAX */
};
/* From PEM: one X.509 certificate, or one public key (SubjectPublicKeyInfo), of a kind that
 * trust_key_from_spki() takes; else INVALID_ARGUMENT. The issuer of the certificate is not checked.
 */
bool trust_public_read(struct arena *arena, struct slice pem, struct trust_public *out,
                       struct error *err);
/* SubjectPublicKeyInfo as PEM. */
bool trust_public_pem(struct arena *arena, struct slice spki, struct slice *pem, struct error *err);

/* Seconds since 1970 at which the first certificate in PEM ends; 0 if unreadable. */
int64_t trust_cert_not_after(struct slice pem);

/* Whether that certificate is valid now, and for LEFT_S seconds more. One that is not valid yet,
 * because the clock was set back, is not. */
bool trust_cert_is_good(struct slice pem, int64_t now_s, int64_t left_s);
