/* The key of each text is used for that text alone, so the nonce of GCM can be constant. */
#include "control/identity/sealed.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/random.h"

enum { SALT_BYTES = 16, TAG_BYTES = 16, BOOT_CHARS = 8, BODY_VALUES_MAX = 100 };

/* What the HMAC is for stands first in what it is of. */
static const char of_key[] = "key", of_secret[] = "secret";

struct sealer {
    unsigned char key[SEALER_KEY_BYTES];
    char boot[BOOT_CHARS + 1];
};

struct sealer *sealer_new(const unsigned char key[SEALER_KEY_BYTES], const char *boot)
{
    struct sealer *sealer = mem_new(struct sealer);
    memcpy(sealer->key, key, SEALER_KEY_BYTES);
    snprintf(sealer->boot, sizeof(sealer->boot), "%.*s", BOOT_CHARS, boot);
    return sealer;
}

void sealer_free(struct sealer *sealer)
{
    if (sealer != NULL) {
        OPENSSL_cleanse(sealer, sizeof(*sealer));
        free(sealer);
    }
}

struct moment moment_now(void)
{
    return (struct moment){clock_wall_us(), clock_boot_us()};
}

/* HMAC-SHA256 of USE, PURPOSE and TEXT, each of the first two ended by a NUL. */
static void mac(const struct sealer *sealer, const char *use, const char *purpose,
                struct slice text, unsigned char out[SEALER_KEY_BYTES])
{
    auto_arena arena = {0};
    size_t use_len = strlen(use) + 1, purpose_len = strlen(purpose) + 1, length = 0;
    unsigned char *bytes = arena_alloc(&arena, use_len + purpose_len + text.len + 1);
    memcpy(bytes, use, use_len);
    memcpy(bytes + use_len, purpose, purpose_len);
    if (text.len > 0) {
        memcpy(bytes + use_len + purpose_len, text.data, text.len);
    }
    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, sealer->key, SEALER_KEY_BYTES, bytes,
                  use_len + purpose_len + text.len, out, SEALER_KEY_BYTES, &length) == NULL ||
        length != SEALER_KEY_BYTES) {
        abort(); /* OpenSSL has no HMAC: nothing safe can be done */
    }
}

/* A context under the key of SALT. The caller frees it. */
static EVP_CIPHER_CTX *begin(const struct sealer *sealer, const struct sealed_terms *terms,
                             const unsigned char *salt, int encrypt)
{
    static const unsigned char nonce[12];
    unsigned char key[SEALER_KEY_BYTES];
    auto_arena arena = {0};
    char *bound = arena_alloc(&arena, terms->bound.len + SALT_BYTES);
    if (terms->bound.len > 0) {
        memcpy(bound, terms->bound.data, terms->bound.len);
    }
    memcpy(bound + terms->bound.len, salt, SALT_BYTES);
    mac(sealer, of_key, terms->purpose, (struct slice){bound, terms->bound.len + SALT_BYTES}, key);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL || EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) != 1) {
        abort();
    }
    OPENSSL_cleanse(key, sizeof(key));
    return ctx;
}

struct slice sealed_new(const struct sealer *sealer, struct arena *arena,
                        const struct sealed_terms *terms, const json_t *body, struct moment made)
{
    auto_json *whole = json_pack("{s:I, s:s, s:I, s:O}", "w", (json_int_t)made.wall_us, "b",
                                 sealer->boot, "u", (json_int_t)made.boot_us, "body", body);
    struct slice text = json_write(arena, whole);
    size_t length = SALT_BYTES + text.len + TAG_BYTES;
    unsigned char *bytes = arena_alloc(arena, length);
    int used = 0, rest = 0;
    random_bytes(bytes, SALT_BYTES);
    EVP_CIPHER_CTX *ctx = begin(sealer, terms, bytes, 1);
    if (EVP_CipherUpdate(ctx, bytes + SALT_BYTES, &used, (const unsigned char *)text.data,
                         (int)text.len) != 1 ||
        EVP_CipherFinal_ex(ctx, bytes + SALT_BYTES + used, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, bytes + SALT_BYTES + text.len) !=
            1) {
        abort();
    }
    EVP_CIPHER_CTX_free(ctx);
    return base64url_encode(arena, (struct slice){(const char *)bytes, length});
}

static bool decrypt(const struct sealer *sealer, struct arena *arena,
                    const struct sealed_terms *terms, struct slice bytes, struct slice *out)
{
    if (bytes.len < SALT_BYTES + TAG_BYTES) {
        return false;
    }
    const unsigned char *salt = (const unsigned char *)bytes.data;
    size_t length = bytes.len - SALT_BYTES - TAG_BYTES;
    unsigned char *text = arena_alloc(arena, length + 1), tag[TAG_BYTES];
    int used = 0, rest = 0;
    memcpy(tag, salt + SALT_BYTES + length, TAG_BYTES);
    EVP_CIPHER_CTX *ctx = begin(sealer, terms, salt, 0);
    bool good = EVP_CipherUpdate(ctx, text, &used, salt + SALT_BYTES, (int)length) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
                EVP_CipherFinal_ex(ctx, text + used, &rest) == 1;
    EVP_CIPHER_CTX_free(ctx);
    *out = (struct slice){(const char *)text, length};
    return good;
}

static bool is_in_time(const struct sealer *sealer, const json_t *whole, struct moment now,
                       int64_t lasts_s)
{
    bool here = strcmp(json_text_or(whole, "b", ""), sealer->boot) == 0;
    int64_t age_us =
        here ? now.boot_us - json_number(whole, "u", 0) : now.wall_us - json_number(whole, "w", 0);
    int64_t least_us = here ? 0 : -(int64_t)SEALED_SKEW_S * 1000000;
    return age_us >= least_us && age_us < lasts_s * 1000000;
}

json_t *sealed_open(const struct sealer *sealer, struct arena *arena,
                    const struct sealed_terms *terms, struct slice text, struct moment now,
                    struct moment *made)
{
    struct slice bytes, json;
    if (text.len > SEALED_TEXT_MAX || !base64url_decode(arena, text, &bytes) ||
        !decrypt(sealer, arena, terms, bytes, &json)) {
        return NULL;
    }
    auto_json *whole = json_read_at_most(json, BODY_VALUES_MAX, NULL);
    if (whole == NULL || !is_in_time(sealer, whole, now, terms->lasts_s)) {
        return NULL;
    }
    if (made != NULL) {
        *made = (struct moment){json_number(whole, "w", 0), json_number(whole, "u", 0)};
    }
    return json_incref(json_object_get(whole, "body"));
}

struct slice sealer_derive(const struct sealer *sealer, struct arena *arena, const char *purpose,
                           struct slice text)
{
    unsigned char bytes[SEALER_KEY_BYTES];
    mac(sealer, of_secret, purpose, text, bytes);
    return base64url_encode(arena, (struct slice){(const char *)bytes, sizeof(bytes)});
}
