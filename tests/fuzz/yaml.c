/* YAML: whatever is read is written again, as YAML and as JSON, and reads back as the same. */
#include <assert.h>
#include <stdint.h>

#include "codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    auto_json *value = yaml_read((struct slice){(const char *)data, size}, &err);
    if (value == NULL) {
        assert(err.status == STATUS_INVALID_ARGUMENT && err.text[0] != '\0');
        return 0;
    }
    auto_json *json = json_read(json_write(&arena, value), &err);
    assert(json_same(value, json));
    struct slice text = yaml_write(&arena, value);
    auto_json *again = yaml_read(text, &err);
    assert(json_same(value, again));
    return 0;
}
