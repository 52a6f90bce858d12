/* A ring of hashes, oldest overwritten. */
#include "control/identity/replays.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { HASH_BYTES = 32 };

struct replay {
    unsigned char hash[HASH_BYTES];
    int64_t at_us; /* 0: empty */
};

struct replays {
    struct replay ring[REPLAYS_MAX];
    unsigned next;
};

struct replays *replays_new(void)
{
    struct replays *replays = mem_new(struct replays);
    return replays;
}

void replays_free(struct replays *replays)
{
    free(replays);
}

static void hash(const char *issuer, struct slice jti, unsigned char out[HASH_BYTES])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    EVP_DigestUpdate(digest, issuer, strlen(issuer) + 1);
    EVP_DigestUpdate(digest, jti.data, jti.len);
    EVP_DigestFinal_ex(digest, out, NULL);
    EVP_MD_CTX_free(digest);
}

bool replays_note(struct replays *replays, const char *issuer, struct slice jti, int64_t now_us)
{
    struct replay fresh = {.at_us = now_us};
    hash(issuer, jti, fresh.hash);
    for (size_t i = 0; i < REPLAYS_MAX; i++) {
        const struct replay *known = &replays->ring[i];
        if (known->at_us != 0 && now_us - known->at_us < (int64_t)REPLAYS_S * 1000000 &&
            memcmp(known->hash, fresh.hash, HASH_BYTES) == 0) {
            return false;
        }
    }
    replays->ring[replays->next++ % REPLAYS_MAX] = fresh;
    return true;
}
