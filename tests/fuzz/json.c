/* JSON: whatever is read is written again, and reads back as the same. */
#include <assert.h>
#include <stdint.h>

#include "codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    auto_json *value = json_read((struct slice){(const char *)data, size}, &err);
    if (value == NULL) {
        assert(err.status == STATUS_INVALID_ARGUMENT && err.text[0] != '\0');
        return 0;
    }
    struct slice text = json_write(&arena, value);
    auto_json *again = json_read(text, &err);
    assert(json_same(value, again));
    assert(slice_equal(text, json_write(&arena, again)));
    auto_json *pretty = json_read(json_write_pretty(&arena, value), &err);
    assert(json_same(value, pretty));
    json_at(value, "a.b[0].c");
    auto_json *copy = json_deep_copy(value);
    json_put(copy, "a.b[0].c", json_true());
    assert(!json_is_object(copy) || json_flag(copy, "a.b[0].c", false));
    auto_json *text_value = json_slice((struct slice){(const char *)data, size});
    auto_json *text_again = json_read(json_write(&arena, text_value), &err);
    assert(json_same(text_value, text_again));
    return 0;
}
