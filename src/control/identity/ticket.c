#include "control/identity/ticket.h"

#include <openssl/evp.h>

#include "base/encode.h"
#include "base/random.h"

struct slice ticket_new(struct arena *arena)
{
    unsigned char random[TICKET_BYTES];
    random_bytes(random, sizeof(random));
    return base64url_encode(arena, (struct slice){(const char *)random, sizeof(random)});
}

bool ticket_is_whole(struct slice text)
{
    auto_arena arena = {0};
    struct slice bytes;
    return text.len == TICKET_CHARS && base64url_decode(&arena, text, &bytes);
}

void ticket_hash(struct slice secret, unsigned char out[TICKET_HASH])
{
    EVP_Digest(secret.data, secret.len, out, NULL, EVP_sha256(), NULL);
}

const char *ticket_key(struct arena *arena, const char *prefix, struct slice secret)
{
    unsigned char digest[TICKET_HASH];
    ticket_hash(secret, digest);
    struct slice hex = hex_encode(arena, (struct slice){(const char *)digest, sizeof(digest)});
    return arena_printf(arena, "%s/%.*s", prefix, SLICE_ARG(hex));
}
