/* Members of bindings: what is taken has a normal form, which is taken as itself. */
#include <assert.h>
#include <stdint.h>

#include "policy/members.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct member member, again;
    if (!member_parse(&arena, (struct slice){(const char *)data, size}, &member, &err)) {
        assert(err.status == STATUS_INVALID_ARGUMENT && err.text[0] != '\0');
        return 0;
    }
    assert(member_parse(&arena, member.text, &again, &err));
    assert(member.kind == again.kind && slice_equal(member.text, again.text));
    return 0;
}
