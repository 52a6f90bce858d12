/* Regular expressions of custom constraints: the pattern, a line's end, and a text. */
#include <assert.h>
#include <stdint.h>

#include "policy/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct slice text = {(const char *)data, size}, source;
    if (!slice_cut(&text, '\n', &source)) {
        return 0;
    }
    const struct pattern *pattern = pattern_compile(&arena, source, &err);
    if (pattern == NULL) {
        assert(err.status == STATUS_INVALID_ARGUMENT && err.text[0] != '\0');
        return 0;
    }
    assert(pattern_steps(pattern) <= PATTERN_STEPS_MAX);
    bool found = pattern_find(pattern, text, &arena);
    assert(found == pattern_find(pattern, text, &arena));
    return 0;
}
