#include "signer/seal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/random.h"

enum {
    LAYOUT = 1,
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    HEAD_BYTES = 1 + SEAL_ID_BYTES,
    AROUND_BYTES = HEAD_BYTES + NONCE_BYTES + TAG_BYTES,
};

bool seal_key_name(struct seal_key *key, struct error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t length = 0;
    if (EVP_Q_digest(NULL, "SHA256", NULL, key->key, sizeof(key->key), digest, &length) != 1) {
        return error_set(err, STATUS_INTERNAL, "SHA-256 is not available");
    }
    memcpy(key->id, digest, sizeof(key->id));
    return true;
}

/* A context that has the key, the nonce, and what is only authenticated. NULL on failure. */
static EVP_CIPHER_CTX *begin(const struct seal_key *key, struct slice name,
                             const unsigned char *head, const unsigned char *nonce, int encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int length;
    if (ctx != NULL && name.len <= INT_MAX &&
        EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->key, nonce, encrypt) == 1 &&
        EVP_CipherUpdate(ctx, NULL, &length, head, HEAD_BYTES) == 1 &&
        EVP_CipherUpdate(ctx, NULL, &length, (const unsigned char *)name.data, (int)name.len) ==
            1) {
        return ctx;
    }
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

bool seal_close(const struct seal_key *key, struct slice name, struct slice value,
                struct arena *arena, struct slice *out, struct error *err)
{
    unsigned char *sealed = arena_alloc(arena, AROUND_BYTES + value.len);
    unsigned char *nonce = sealed + HEAD_BYTES;
    unsigned char *body = nonce + NONCE_BYTES;
    int length = 0, rest = 0;
    sealed[0] = LAYOUT;
    memcpy(sealed + 1, key->id, SEAL_ID_BYTES);
    random_bytes(nonce, NONCE_BYTES);
    EVP_CIPHER_CTX *ctx = begin(key, name, sealed, nonce, 1);
    bool good =
        ctx != NULL && value.len <= INT_MAX &&
        (value.len == 0 || EVP_CipherUpdate(ctx, body, &length, (const unsigned char *)value.data,
                                            (int)value.len) == 1) &&
        EVP_CipherFinal_ex(ctx, body + length, &rest) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, body + value.len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    *out = (struct slice){(const char *)sealed, AROUND_BYTES + value.len};
    return good || error_set(err, STATUS_INTERNAL, "the value could not be encrypted");
}

bool seal_open(const struct seal_key *key, struct slice name, struct slice sealed,
               struct arena *arena, struct slice *out, struct error *err)
{
    const unsigned char *bytes = (const unsigned char *)sealed.data;
    if (sealed.len < AROUND_BYTES || bytes[0] != LAYOUT) {
        return error_set(err, STATUS_DATA_LOSS, "the encrypted value is damaged");
    }
    if (memcmp(bytes + 1, key->id, SEAL_ID_BYTES) != 0) {
        return error_set(err, STATUS_DATA_LOSS,
                         "the value was encrypted with another key than signer/secrets.key: a "
                         "backup has to hold the record and the folder of the signer together");
    }
    size_t length = sealed.len - AROUND_BYTES;
    const unsigned char *nonce = bytes + HEAD_BYTES;
    const unsigned char *body = nonce + NONCE_BYTES;
    unsigned char tag[TAG_BYTES];
    unsigned char *value = arena_alloc(arena, length + 1);
    int got = 0, rest = 0;
    memcpy(tag, body + length, sizeof(tag));
    EVP_CIPHER_CTX *ctx = length > INT_MAX ? NULL : begin(key, name, bytes, nonce, 0);
    bool good = ctx != NULL &&
                (length == 0 || EVP_CipherUpdate(ctx, value, &got, body, (int)length) == 1) &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
                EVP_CipherFinal_ex(ctx, value + got, &rest) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!good) {
        OPENSSL_cleanse(value, length);
        return error_set(err, STATUS_DATA_LOSS,
                         "the encrypted value is damaged, or stands under another name than it was "
                         "made for");
    }
    *out = (struct slice){(const char *)value, length};
    return true;
}

bool seal_derive(const struct seal_key *key, struct slice purpose, struct arena *arena,
                 struct slice *out, struct error *err)
{
    static const char label[] = "homerun derived key"; /* with its NUL */
    size_t bytes = sizeof(label) + purpose.len, length = 0;
    if (purpose.len == 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "no purpose is named");
    }
    unsigned char *text = arena_alloc(arena, bytes);
    unsigned char *derived = arena_alloc(arena, SEAL_KEY_BYTES);
    memcpy(text, label, sizeof(label));
    memcpy(text + sizeof(label), purpose.data, purpose.len);
    *out = (struct slice){(const char *)derived, SEAL_KEY_BYTES};
    return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key->key, SEAL_KEY_BYTES, text, bytes,
                     derived, SEAL_KEY_BYTES, &length) != NULL ||
           error_set(err, STATUS_INTERNAL, "the key could not be derived");
}
