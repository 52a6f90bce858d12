/*
 * Order of writes: a new key is on disk before the list names it, and a forgotten one is gone from
 * disk before the list loses it. So after a crash in between, a key is at worst published longer
 * than needed, and never comes back.
 */
#include "signer/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"

enum {
    FILE_BYTES_MAX = 65536,
    /* Longer than a leaf lives, so that no leaf ends with its CA. */
    CA_RENEW_S = 430 * 86400,
};

static void path_of(const struct keyring *keyring, const char *name, char out[KEYRING_PATH_MAX])
{
    snprintf(out, KEYRING_PATH_MAX, "%s/%s", keyring->dir, name);
}

static bool read_file(struct arena *arena, const struct keyring *keyring, const char *name,
                      struct slice *out, struct error *err)
{
    char path[KEYRING_PATH_MAX];
    path_of(keyring, name, path);
    return file_read(arena, path, FILE_BYTES_MAX, out, err);
}

static bool write_file(const struct keyring *keyring, const char *name, struct slice content,
                       struct error *err)
{
    char path[KEYRING_PATH_MAX];
    path_of(keyring, name, path);
    return file_write(path, content, 0600, err);
}

bool keyring_kid(const struct trust_secret *secret, char kid[KID_BYTES + 1], struct error *err)
{
    auto_arena arena = {0};
    struct slice der;
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t length = 0;
    if (!trust_secret_spki(&arena, secret, &der, err)) {
        return false;
    }
    if (EVP_Q_digest(NULL, "SHA256", NULL, der.data, der.len, digest, &length) != 1) {
        return error_set(err, STATUS_INTERNAL, "SHA-256 is not available");
    }
    struct slice hex = hex_encode(&arena, (struct slice){(const char *)digest, length});
    snprintf(kid, KID_BYTES + 1, "%.*s", KID_BYTES, hex.data);
    return true;
}

/* ---- one key in one file ---- */

static struct trust_secret *secret_load(const struct keyring *keyring, const char *name,
                                        struct error *err)
{
    auto_arena arena = {0};
    struct slice pem;
    if (!read_file(&arena, keyring, name, &pem, err)) {
        return NULL;
    }
    struct trust_secret *secret = trust_secret_from_pem(pem, err);
    if (secret == NULL || trust_secret_alg(secret) != TRUST_RS256) {
        trust_secret_free(secret);
        error_set(err, STATUS_FAILED_PRECONDITION, "%s/%s holds no RSA key", keyring->dir, name);
        return NULL;
    }
    return secret;
}

static bool secret_save(const struct keyring *keyring, const char *name,
                        const struct trust_secret *secret, struct error *err)
{
    auto_arena arena = {0};
    struct slice pem;
    return trust_secret_pem(&arena, secret, &pem, err) && write_file(keyring, name, pem, err);
}

/* ---- the issuer's keys ---- */

static void issuer_file(const char *kid, char out[64])
{
    snprintf(out, 64, "issuer-%.*s.pem", KID_BYTES, kid);
}

static bool list_write(const struct keyring *keyring, struct error *err)
{
    struct buffer lines = BUFFER_INIT(FILE_BYTES_MAX);
    for (size_t i = 0; i < keyring->issuer_count; i++) {
        buffer_printf(&lines, "%s\n", keyring->issuers[i].kid);
    }
    bool good = write_file(keyring, "issuers", buffer_slice(&lines), err);
    buffer_done(&lines);
    return good;
}

static bool is_kid(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return text.len == KID_BYTES;
}

/* Appends the key that KID's file holds. A key that is already there, or has no file, is passed
 * over. */
static bool issuer_load(struct keyring *keyring, struct slice kid, struct error *err)
{
    char text[KID_BYTES + 1], name[64];
    struct error fault;
    if (!is_kid(kid) || keyring_find(keyring, kid) != NULL) {
        return true;
    }
    if (keyring->issuer_count == ISSUER_KEYS_MAX) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "more than %d issuer keys in %s",
                         ISSUER_KEYS_MAX, keyring->dir);
    }
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(kid));
    issuer_file(text, name);
    struct trust_secret *secret = secret_load(keyring, name, &fault);
    if (secret == NULL && fault.status == STATUS_NOT_FOUND) {
        return true;
    }
    struct issuer_key *place = &keyring->issuers[keyring->issuer_count];
    if (secret == NULL || !keyring_kid(secret, place->kid, &fault) ||
        strcmp(place->kid, text) != 0) {
        trust_secret_free(secret);
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s/%s does not hold the key that it is named for", keyring->dir, name);
    }
    place->secret = secret;
    keyring->issuer_count++;
    return true;
}

/* Those that the list names, in its order; then those that a crash left unlisted. */
static bool issuers_load(struct keyring *keyring, struct error *err)
{
    auto_arena arena = {0};
    struct slice rest = SLICE_NONE, line;
    struct error fault;
    if (!read_file(&arena, keyring, "issuers", &rest, &fault) && fault.status != STATUS_NOT_FOUND) {
        *err = fault;
        return false;
    }
    while (slice_cut(&rest, '\n', &line)) {
        if (!issuer_load(keyring, line, err)) {
            return false;
        }
    }
    DIR *dir = opendir(keyring->dir);
    if (dir == NULL) {
        return error_errno(err, "%s", keyring->dir);
    }
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(dir)) != NULL;) {
        struct slice name = slice_of(entry->d_name);
        if (slice_starts(name, SLICE("issuer-")) && slice_ends(name, SLICE(".pem"))) {
            struct slice kid = slice_upto(slice_from(name, 7), name.len - 11);
            good = issuer_load(keyring, kid, err);
        }
    }
    closedir(dir);
    return good;
}

bool keyring_rotate(struct keyring *keyring, struct error *err)
{
    struct issuer_key made = {0};
    char name[64];
    if (keyring->issuer_count == ISSUER_KEYS_MAX) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "there are %d issuer keys already; forget an old one first",
                         ISSUER_KEYS_MAX);
    }
    made.secret = trust_secret_generate(TRUST_RS256, err);
    if (made.secret == NULL || !keyring_kid(made.secret, made.kid, err)) {
        trust_secret_free(made.secret);
        return false;
    }
    issuer_file(made.kid, name);
    if (!secret_save(keyring, name, made.secret, err)) {
        trust_secret_free(made.secret);
        return false;
    }
    memmove(&keyring->issuers[1], &keyring->issuers[0], keyring->issuer_count * sizeof(made));
    keyring->issuers[0] = made;
    keyring->issuer_count++;
    return list_write(keyring, err) &&
           (keyring->doors.count == 0 || door_keys_rotate(&keyring->doors, keyring->dir, err));
}

bool keyring_forget(struct keyring *keyring, struct slice kid, struct error *err)
{
    const struct issuer_key *key = keyring_find(keyring, kid);
    if (key == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "there is no issuer key of that name");
    }
    size_t at = (size_t)(key - keyring->issuers);
    if (at == 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "this is the newest issuer key; make a new one first, then forget it");
    }
    char name[64], path[KEYRING_PATH_MAX];
    issuer_file(key->kid, name);
    path_of(keyring, name, path);
    if (unlink(path) != 0 && errno != ENOENT) {
        return error_errno(err, "%s", path);
    }
    trust_secret_free(key->secret);
    keyring->issuer_count--;
    memmove(&keyring->issuers[at], &keyring->issuers[at + 1],
            (keyring->issuer_count - at) * sizeof(*key));
    return list_write(keyring, err);
}

const struct issuer_key *keyring_find(const struct keyring *keyring, struct slice kid)
{
    for (size_t i = 0; i < keyring->issuer_count; i++) {
        if (slice_is(kid, keyring->issuers[i].kid)) {
            return &keyring->issuers[i];
        }
    }
    return NULL;
}

/* ---- accounts ---- */

static bool is_sub(struct slice sub)
{
    for (size_t i = 0; i < sub.len; i++) {
        if (sub.data[i] < '0' || sub.data[i] > '9') {
            return false;
        }
    }
    return sub.len > 0 && sub.len <= SUB_BYTES_MAX;
}

struct trust_secret *keyring_account(const struct keyring *keyring, struct slice sub,
                                     struct error *err)
{
    char name[64];
    if (!is_sub(sub)) {
        error_set(err, STATUS_INVALID_ARGUMENT, "an account's unique ID is 1 to %d digits",
                  SUB_BYTES_MAX);
        return NULL;
    }
    snprintf(name, sizeof(name), "account-%.*s.pem", SLICE_ARG(sub));
    struct error fault;
    struct trust_secret *secret = secret_load(keyring, name, &fault);
    if (secret != NULL) {
        return secret;
    }
    if (fault.status != STATUS_NOT_FOUND) {
        *err = fault;
        return NULL;
    }
    secret = trust_secret_generate(TRUST_RS256, err);
    if (secret != NULL && !secret_save(keyring, name, secret, err)) {
        trust_secret_free(secret);
        return NULL;
    }
    return secret;
}

/* ---- the local CA ---- */

static bool ca_make(struct keyring *keyring, int64_t now_s, struct error *err)
{
    /* A name of its own, so that a browser that trusts two of them never mixes them up. */
    char mark[9];
    random_text(mark, sizeof(mark) - 1, "0123456789abcdef");
    const char *name = arena_printf(&keyring->arena, "Homerun local CA %s", mark);
    return trust_ca_make(&keyring->arena, name, now_s, &keyring->ca_cert, &keyring->ca_key, err) &&
           write_file(keyring, "ca.key", keyring->ca_key, err) &&
           write_file(keyring, "ca.crt", keyring->ca_cert, err);
}

/* With the same key, so that trust stores that have the old one keep working. */
static bool ca_renew(struct keyring *keyring, int64_t now_s, struct error *err)
{
    auto_arena arena = {0};
    struct slice fresh;
    if (!trust_ca_renew(&arena, keyring->ca_cert, keyring->ca_key, now_s, &fresh, err) ||
        !write_file(keyring, "ca.crt", fresh, err)) {
        return false;
    }
    int64_t left_s = trust_cert_not_after(keyring->ca_cert) - now_s;
    if (trust_cert_is_good(keyring->ca_cert, now_s, 0)) {
        log_warn("the local CA was renewed with the same key: clients that trust ca.pem go on "
                 "until the old certificate ends (in %lld days), and need the new ca.pem by then",
                 (long long)left_s / 86400);
    } else {
        log_warn("the local CA was %s: it was renewed with the same key, and clients need the new "
                 "ca.pem",
                 left_s <= 0 ? "at its end" : "one of the future (the clock was set back)");
    }
    keyring->ca_cert = arena_slice(&keyring->arena, fresh);
    keyring->ca_is_shown = false;
    return true;
}

static bool ca_is_good(const struct keyring *keyring, int64_t now_s)
{
    return trust_cert_is_good(keyring->ca_cert, now_s, CA_RENEW_S);
}

static bool ca_publish(struct keyring *keyring, struct error *err)
{
    keyring->ca_is_shown =
        keyring->ca_is_shown || file_write(keyring->ca_public, keyring->ca_cert, 0644, err);
    return keyring->ca_is_shown;
}

bool keyring_keep_ca(struct keyring *keyring, int64_t now_s, struct error *err)
{
    return (ca_is_good(keyring, now_s) || ca_renew(keyring, now_s, err)) &&
           ca_publish(keyring, err);
}

static bool ca_load(struct keyring *keyring, int64_t now_s, struct error *err)
{
    struct error cert_fault = {0}, key_fault = {0};
    bool has_cert = read_file(&keyring->arena, keyring, "ca.crt", &keyring->ca_cert, &cert_fault);
    bool has_key = read_file(&keyring->arena, keyring, "ca.key", &keyring->ca_key, &key_fault);
    if (!has_cert && cert_fault.status != STATUS_NOT_FOUND) {
        *err = cert_fault;
        return false;
    }
    if (!has_key && key_fault.status != STATUS_NOT_FOUND) {
        *err = key_fault;
        return false;
    }
    if (has_cert && has_key && ca_is_good(keyring, now_s)) {
        return true;
    }
    struct error fault;
    if (has_cert && has_key) {
        if (ca_renew(keyring, now_s, &fault)) {
            return true;
        }
        log_warn("the local CA cannot be renewed: %s", fault.text);
    }
    if (has_cert) {
        log_warn("the local CA is made anew: clients must trust the new one");
    }
    return ca_make(keyring, now_s, err);
}

/* ---- the key of secrets ---- */

static bool seal_load(struct keyring *keyring, struct error *err)
{
    static const char name[] = "secrets.key";
    auto_arena arena = {0};
    struct slice bytes;
    struct seal_key *key = &keyring->seal;
    if (read_file(&arena, keyring, name, &bytes, err)) {
        if (bytes.len != sizeof(key->key)) {
            return error_set(err, STATUS_FAILED_PRECONDITION, "%s/%s does not hold %zu bytes",
                             keyring->dir, name, sizeof(key->key));
        }
        memcpy(key->key, bytes.data, sizeof(key->key));
        OPENSSL_cleanse((void *)(uintptr_t)bytes.data, bytes.len);
        return seal_key_name(key, err);
    }
    if (err->status != STATUS_NOT_FOUND) {
        return false;
    }
    random_bytes(key->key, sizeof(key->key));
    return write_file(keyring, name, (struct slice){(const char *)key->key, sizeof(key->key)},
                      err) &&
           seal_key_name(key, err);
}

/* ---- all of it ---- */

bool keyring_open(struct keyring *keyring, const char *data, int64_t now_s, struct error *err)
{
    *keyring = (struct keyring){0};
    snprintf(keyring->data, sizeof(keyring->data), "%s", data);
    snprintf(keyring->dir, sizeof(keyring->dir), "%s/signer", data);
    snprintf(keyring->ca_public, sizeof(keyring->ca_public), "%s/ca.pem", data);
    if (!file_make_dir(keyring->dir, 0700, err)) {
        return false;
    }
    if (chmod(keyring->dir, 0700) != 0) {
        return error_errno(err, "%s", keyring->dir);
    }
    bool good = issuers_load(keyring, err) &&
                (keyring->issuer_count > 0 || keyring_rotate(keyring, err)) &&
                seal_load(keyring, err) && door_keys_open(&keyring->doors, keyring->dir, err) &&
                ca_load(keyring, now_s, err) && ca_publish(keyring, err);
    if (!good) {
        keyring_close(keyring);
    }
    return good;
}

bool keyring_reopen(struct keyring *keyring, int64_t now_s, struct error *err)
{
    struct keyring fresh;
    if (!keyring_open(&fresh, keyring->data, now_s, err)) {
        return false;
    }
    fresh.wrap = keyring->wrap;
    keyring_close(keyring);
    *keyring = fresh;
    OPENSSL_cleanse(&fresh, sizeof(fresh));
    return true;
}

void keyring_close(struct keyring *keyring)
{
    for (size_t i = 0; i < keyring->issuer_count; i++) {
        trust_secret_free(keyring->issuers[i].secret);
    }
    door_keys_close(&keyring->doors);
    arena_done(&keyring->arena);
    OPENSSL_cleanse(keyring, sizeof(*keyring));
}
