/* The private keys, on disk and in memory. */
#pragma once

#include "signer/door_keys.h"
#include "signer/seal.h"
#include "trust/secret.h"

enum {
    ISSUER_KEYS_MAX = 16,
    KID_BYTES = 40, /* hexadecimal digits of the SHA-256 of the public key */
    SUB_BYTES_MAX = 32,
    KEYRING_PATH_MAX = 4096 + 128,
};

struct issuer_key {
    char kid[KID_BYTES + 1];
    struct trust_secret *secret;
};

enum { WRAP_KEYS_MAX = 4 };

/* What the keys of a cluster are wrapped by (signer/wrap.h): the first wraps, each unwraps. */
struct wrap_keys {
    struct seal_key items[WRAP_KEYS_MAX];
    size_t count; /* 0: none was given */
};

struct keyring {
    char data[4096];
    char dir[4096 + 16];
    struct issuer_key issuers[ISSUER_KEYS_MAX]; /* newest first; never empty once open */
    size_t issuer_count;
    struct slice ca_cert, ca_key; /* PEM, in the arena */
    struct seal_key seal;         /* of the values of secrets */
    struct door_keys doors;
    struct wrap_keys wrap;
    char ca_public[4096 + 16]; /* DATA/ca.pem */
    bool ca_is_shown;          /* it holds ca_cert */
    struct arena arena;
};

/* Reads DATA/signer, makes what is missing, and writes DATA/ca.pem. NOW_S: for the CA. Without keys
 * to wrap by: wrap_keys_read() gives those. */
bool keyring_open(struct keyring *keyring, const char *data, int64_t now_s, struct error *err);
void keyring_close(struct keyring *keyring);
/* Reads the folder again, after others have written there. On failure KEYRING stays as it was. */
bool keyring_reopen(struct keyring *keyring, int64_t now_s, struct error *err);

/*
 * Renews the CA with its own key if it ends within 430 days (longer than a leaf lives), or begins
 * after now, since the clock was set back; and writes DATA/ca.pem. Called as often as one likes.
 * On failure the old one stays.
 */
bool keyring_keep_ca(struct keyring *keyring, int64_t now_s, struct error *err);

/* NULL if it is not one of ours. */
const struct issuer_key *keyring_find(const struct keyring *keyring, struct slice kid);

/* A new issuer key becomes the newest. The older ones stay, and are still published. The doors get
 * a new key with it. */
bool keyring_rotate(struct keyring *keyring, struct error *err);

/* Ends an issuer key, and with it every token that it signed. Not the newest: rotate first. */
bool keyring_forget(struct keyring *keyring, struct slice kid, struct error *err);

/* The key of account SUB (digits), made if there is none. The caller frees. */
struct trust_secret *keyring_account(const struct keyring *keyring, struct slice sub,
                                     struct error *err);

/* The name of a key: the same wherever it is made. */
bool keyring_kid(const struct trust_secret *secret, char kid[KID_BYTES + 1], struct error *err);
