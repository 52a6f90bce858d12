/*
 * Passkeys: checks the answers of browser and authenticator when a person registers one, and when
 * they sign in with it (W3C Web Authentication, Level 2). Pure, like the rest of the room.
 *
 * Attestation is not asked for, so nothing of a registration is signed and there is nothing in CBOR
 * to be believed: the key comes as SubjectPublicKeyInfo, as browsers hand it out (section 5.2.1.1),
 * and has to be the one in the authenticator data, byte for byte.
 */
#pragma once

#include "trust/trust.h"

enum {
    WEBAUTHN_CLIENT_MAX = 4096, /* bytes of clientDataJSON */
    WEBAUTHN_AUTH_MAX = 4096,   /* of the authenticator data: RSA keys and extensions included */
    WEBAUTHN_ID_MAX = 1023,     /* of a credential ID (section 6.5.1) */
    WEBAUTHN_SPKI_MAX = 2048,
    WEBAUTHN_SIGNATURE_MAX = 1024,
};

/* What the answer must contain. */
struct webauthn_expected {
    bool registration;      /* "webauthn.create", with a credential; else "webauthn.get", without */
    struct slice challenge; /* base64url, as it was given out */
    struct slice origin;    /* "https://auth.example.com", byte for byte */
    struct slice rp_id;     /* "auth.example.com" */
};

/* The content of the answer. Slices point into the bytes that were read. */
struct webauthn_seen {
    uint32_t counter; /* counter of signatures; an authenticator without one says 0 */
    bool backed_up;   /* the passkey is on other devices of the person too */
    struct slice id;  /* of the credential; of a registration alone */
    struct slice key; /* its key in COSE's form, and what extensions say */
};

/*
 * Holds CLIENT (clientDataJSON) and AUTH (authenticator data) against EXPECTED (sections 7.1 and
 * 7.2): type, challenge, origin, no frame of another origin, the RP ID's hash, that the person was
 * there and was verified. False, and a sentence for the person in *err.
 */
bool webauthn_read(struct slice client, struct slice auth, const struct webauthn_expected *expected,
                   struct webauthn_seen *out, struct error *err);

/*
 * The algorithm of a registered key: ALG is COSE's number (-7 ES256, -8 EdDSA, -257 RS256), SPKI
 * has to fit it and to be the key of SEEN. TRUST_ALG_NONE and *err.
 */
enum trust_alg webauthn_key(const struct webauthn_seen *seen, struct slice spki, int64_t alg,
                            struct error *err);

/* Whether SIGNATURE (in the form of COSE: ES256 is DER) is the key's over AUTH and CLIENT. */
bool webauthn_verify(struct slice spki, enum trust_alg alg, struct slice auth, struct slice client,
                     struct slice signature);
