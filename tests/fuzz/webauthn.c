/*
 * What a browser and an authenticator say of a passkey: whatever it is, what is taken of it lies
 * within it. Lines of the input: the client's JSON, COSE's number, the key (until a byte 0xff), and
 * the authenticator data.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "trust/webauthn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_within(struct slice part, struct slice whole)
{
    return part.len == 0 ||
           (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size}, client = SLICE_NONE, number = SLICE_NONE,
                 spki = SLICE_NONE;
    uint64_t alg = 0;
    slice_cut(&rest, '\n', &client);
    slice_cut(&rest, '\n', &number);
    slice_cut(&rest, (char)0xff, &spki);
    slice_to_u64(number, &alg);
    struct webauthn_expected expected = {
        .challenge = SLICE("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        .origin = SLICE("https://a"),
        .rp_id = SLICE("a"),
    };
    for (int i = 0; i < 2; i++) {
        struct webauthn_seen seen;
        struct error err = {0};
        expected.registration = i == 1;
        bool good = webauthn_read(client, rest, &expected, &seen, &err);
        assert(good || err.text[0] != '\0');
        assert(lies_within(seen.id, rest) && lies_within(seen.key, rest));
        seen.key = rest;
        enum trust_alg kind = webauthn_key(&seen, spki, -(int64_t)(alg & 0xffff), &err);
        webauthn_verify(spki, kind, slice_upto(rest, 64), client, rest);
    }
    return 0;
}
