/* Public keys and certificates in PEM: what is read is a key of ours, and is written and read
 * again. */
#include <assert.h>
#include <stdint.h>

#include "trust/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct slice pem = {(const char *)data, size}, text;
    struct trust_public key, again;
    trust_cert_not_after(pem);
    if (!trust_public_read(&arena, pem, &key, &err)) {
        assert(err.text[0] != '\0');
        return 0;
    }
    assert(trust_public_pem(&arena, key.spki, &text, &err));
    assert(trust_public_read(&arena, text, &again, &err) && slice_equal(key.spki, again.spki));
    return 0;
}
