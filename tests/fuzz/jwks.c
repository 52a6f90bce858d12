/* JWK sets: each key that is given out must be usable, and the same again after being written and
 * read. */
#include <assert.h>
#include <stdint.h>

#include "trust/trust.h"

enum { KEYS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct arena *arena, const struct trust_jwk *jwk)
{
    struct error err;
    struct trust_key *key = trust_key_from_spki(jwk->spki, jwk->alg, &err);
    assert(key != NULL && trust_key_alg(key) == jwk->alg);
    assert(!trust_verify(key, SLICE("a.b"), SLICE("no signature")));
    trust_key_free(key);
    struct slice json;
    assert(trust_jwk_write(arena, jwk, &json, &err));
    struct trust_jwk again;
    size_t count = 0;
    char *set = arena_printf(arena, "{\"keys\":[%.*s]}", SLICE_ARG(json));
    assert(trust_jwks_read(arena, slice_of(set), &again, 1, &count, &err) && count == 1);
    assert(again.alg == jwk->alg && slice_equal(again.kid, jwk->kid));
    assert(slice_equal(again.spki, jwk->spki));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct trust_jwk keys[KEYS_MAX];
    size_t count = 0;
    struct error err;
    struct slice text = {(const char *)data, size};
    if (trust_jwks_read(&arena, text, keys, KEYS_MAX, &count, &err)) {
        assert(count <= KEYS_MAX);
        for (size_t i = 0; i < count; i++) {
            check(&arena, &keys[i]);
        }
    }
    return 0;
}
