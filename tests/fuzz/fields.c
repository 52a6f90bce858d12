/*
 * Field tables and masks. The first line is a mask, the rest JSON (or "JSON, newline, JSON"): what
 * is in normal form stays as it is when it is read once more, and merging keeps it in that form.
 */
#include <assert.h>
#include <stdint.h>

#include "codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const colours[] = {"UNSPECIFIED", "RED", NULL};

static const struct field inner[] = {
    {.name = "maxCount", .kind = FIELD_INT32, .min = -5, .max = 5},
    {.name = "bigCount", .kind = FIELD_INT64},
    {.name = "when", .kind = FIELD_TIME},
    {.name = "long", .kind = FIELD_DURATION},
    {.name = "data", .kind = FIELD_BYTES},
    {.name = "colour", .kind = FIELD_ENUM, .names = colours},
    {.name = "ratio", .kind = FIELD_DOUBLE},
    {0},
};

static const struct field table[] = {
    {.name = "name", .kind = FIELD_STRING, .min = 1, .max = 9},
    {.name = "isOn", .kind = FIELD_BOOL},
    {.name = "one", .kind = FIELD_OBJECT, .fields = inner},
    {.name = "many", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = inner},
    {.name = "labels", .kind = FIELD_MAP, .item = FIELD_STRING},
    {.name = "any", .kind = FIELD_ANY},
    {.name = "out", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "not", .kind = FIELD_STRING, .flags = FIELD_REFUSED, .note = "no."},
    {0},
};

static json_t *read_normal(struct arena *arena, struct slice text)
{
    struct error err = {0};
    auto_json *value = json_read(text, &err);
    if (value == NULL) {
        return NULL;
    }
    json_t *normal = fields_read(table, value, "", &err);
    if (normal == NULL) {
        assert(err.status == STATUS_INVALID_ARGUMENT && err.text[0] != '\0');
        return NULL;
    }
    auto_json *again = fields_read(table, normal, "", &err);
    assert(slice_equal(json_write(arena, normal), json_write(arena, again)));
    return normal;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct slice rest = {(const char *)data, size}, mask, first;
    if (!slice_cut(&rest, '\n', &mask) || !slice_cut(&rest, '\n', &first)) {
        return 0;
    }
    auto_json *into = read_normal(&arena, first);
    auto_json *from = read_normal(&arena, rest);
    if (into == NULL) {
        return 0;
    }
    auto_json *none = json_object();
    if (mask_merge(table, mask, into, from == NULL ? none : from, &err)) {
        auto_json *again = fields_read(table, into, "", &err);
        assert(json_same(into, again));
    }
    mask_touches(mask, "one.maxCount");
    return 0;
}
