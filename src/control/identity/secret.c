#include "control/identity/secret.h"

#include <openssl/evp.h>

#include "base/encode.h"
#include "base/random.h"

struct slice secret_new(struct arena *arena)
{
    unsigned char random[SECRET_BYTES];
    random_bytes(random, sizeof(random));
    return base64url_encode(arena, (struct slice){(const char *)random, sizeof(random)});
}

bool secret_is_whole(struct slice text)
{
    auto_arena arena = {0};
    struct slice bytes;
    return text.len == SECRET_CHARS && base64url_decode(&arena, text, &bytes);
}

void secret_hash(struct slice secret, unsigned char out[SECRET_HASH])
{
    EVP_Digest(secret.data, secret.len, out, NULL, EVP_sha256(), NULL);
}

const char *secret_key(struct arena *arena, const char *prefix, struct slice secret)
{
    unsigned char digest[SECRET_HASH];
    secret_hash(secret, digest);
    struct slice hex = hex_encode(arena, (struct slice){(const char *)digest, sizeof(digest)});
    return arena_printf(arena, "%s/%.*s", prefix, SLICE_ARG(hex));
}
