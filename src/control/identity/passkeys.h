/*
 * Passkeys of accounts of this installation: public keys whose private halves an authenticator of a
 * person's holds (trust/webauthn.h). One is found by what the authenticator says when it signs in:
 * the account's unique ID, which it was given as the user's handle, and the credential's ID. An
 * account of the same name that is made later has another unique ID, and none of these.
 */
#pragma once

#include "control/identity/sessions.h"
#include "trust/webauthn.h"

enum {
    PASSKEYS_MAX = 20,         /* of one account */
    PASSKEY_NAME_MAX = 64,     /* bytes */
    PASSKEY_ID = 64,           /* hexadecimal digits: SHA-256 of the credential's ID */
    PASSKEY_FRESH_S = 15 * 60, /* so old a sign-in at most may add one */
};

struct passkey {
    const char *key; /* of the record: "passkeys/SUB/ID" */
    const char *id;  /* PASSKEY_ID digits: names it in lists */
    const char *sub, *name;
    const char *credential; /* base64url */
    struct slice spki;
    enum trust_alg alg;
    uint32_t counter;
    bool backed_up;
    int64_t made_us, used_us; /* wall clock; used_us 0: never */
};

/*
 * Keeps what SEEN registers for the person of SESSION under NAME, in a change of its own with an
 * audit row, which uses ONCE up. ALREADY_EXISTS for one that is there, RESOURCE_EXHAUSTED beyond
 * PASSKEYS_MAX, INVALID_ARGUMENT for a name of control characters.
 */
bool passkey_add(struct api_call *call, const struct session *session, const struct once *once,
                 const struct webauthn_seen *seen, struct slice spki, enum trust_alg alg,
                 struct slice name, struct error *err);

/* That of the account SUB with the credential ID. False if there is none. Strings in ARENA. */
bool passkey_find(struct control *control, struct arena *arena, struct slice sub,
                  struct slice credential, struct passkey *out);

/*
 * Whether what was believed of PASSKEY may come from a copy of it: an authenticator that counts has
 * counted on since (section 6.1.1). True: *err is PERMISSION_DENIED, and the audit log has it, for
 * SHOWN.
 */
bool passkey_is_copied(struct api_call *call, const struct passkey *passkey,
                       const struct webauthn_seen *seen, struct slice shown, struct error *err);
/* Notes a use, in the running change. */
bool passkey_use(struct control *control, const struct passkey *passkey,
                 const struct webauthn_seen *seen, struct error *err);

/* At most MAX of the account SUB, or of all accounts (""), in the order of their keys. */
size_t passkeys_list(struct control *control, struct arena *arena, const char *sub,
                     struct passkey *out, size_t max);
bool passkeys_are_there(struct control *control);

/* Takes PASSKEY away, in a change of its own with an audit row; SHOWN is whose it is. */
bool passkey_remove(struct api_call *call, const struct passkey *passkey, struct slice shown,
                    struct error *err);
