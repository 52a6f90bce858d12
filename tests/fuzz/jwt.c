/*
 * Tokens. The input is a token as it is; and, so that mutations reach behind the base64, also taken
 * as "header JSON, newline, claims JSON". Whatever is taken must keep its promises.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/encode.h"
#include "trust/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(struct slice part, struct slice whole)
{
    return slice_find_slice(whole, part) >= 0;
}

static void check(struct arena *arena, struct slice text)
{
    struct token token;
    enum token_fault fault = token_parse(arena, text, &token);
    assert(token_fault_name(fault) != NULL);
    if (fault != TOKEN_OK) {
        return;
    }
    assert(text.len <= TOKEN_BYTES_MAX && token.alg != TRUST_ALG_NONE);
    assert(token.signature.len > 0 && token.audience_count <= 64);
    assert(token_looks_like_jwt(text) && slice_starts(text, token.signed_part));
    /* One spelling: the parts put together again are the same bytes. */
    assert(slice_equal(token_assemble(arena, token.signed_part, token.signature), text));
    assert(lies_in(base64url_encode(arena, token.payload), token.signed_part));
    /* No lifetime over a day passes, at no time. */
    if (token.exp != INT64_MIN && token.iat != INT64_MIN && token.exp - token.iat > 86400) {
        assert(token_verify_time(&token, token.iat) != TOKEN_OK);
    }
    token_verify_time(&token, 0);
    struct slice stripped = token_strip(arena, text);
    assert(slice_starts(stripped, token.signed_part) && !lies_in(SLICE(".."), stripped));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct slice input = {(const char *)data, size};
    check(&arena, input);
    struct slice header, claims = input;
    if (slice_cut(&claims, '\n', &header)) {
        struct slice h = base64url_encode(&arena, header);
        struct slice c = base64url_encode(&arena, claims);
        check(&arena, slice_of(arena_printf(&arena, "%.*s.%.*s.c2ln", SLICE_ARG(h), SLICE_ARG(c))));
    }
    return 0;
}
