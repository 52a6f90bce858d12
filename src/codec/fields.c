/*
 * Field tables: what an object may have, checked and brought into normal form in one walk. The way
 * from the root to where the walk is hangs on the stack, and becomes a path only for a fault.
 */
#include <inttypes.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "codec/inside.h"

/* One step of the way; the last one is given to every function below. */
struct place {
    const struct place *up;
    struct slice name; /* of a field or an entry; else the index */
    size_t index;
    enum { PLACE_PREFIX, PLACE_FIELD, PLACE_ENTRY, PLACE_ITEM } kind;
};

static bool is_simple(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';
        if (!word) {
            return false;
        }
    }
    return name.len > 0;
}

static void path_write(struct buffer *out, const struct place *place)
{
    if (place == NULL) {
        return;
    }
    path_write(out, place->up);
    switch (place->kind) {
    case PLACE_PREFIX:
        buffer_add(out, place->name);
        return;
    case PLACE_ITEM:
        buffer_printf(out, "[%zu]", place->index);
        return;
    case PLACE_ENTRY:
        if (!is_simple(place->name)) {
            buffer_printf(out, "[\"%.*s\"]", SLICE_ARG(slice_upto(place->name, 200)));
            return;
        }
        break;
    case PLACE_FIELD:
        break;
    }
    buffer_printf(out, "%s%.*s", buffer_len(out) > 0 ? "." : "",
                  SLICE_ARG(slice_upto(place->name, 200)));
}

/* Fills *err with: Field "path" FORMAT. NULL, to be returned. */
__attribute__((format(printf, 3, 4))) static json_t *
refuse(struct error *err, const struct place *place, const char *format, ...)
{
    auto_arena arena = {0};
    struct buffer path = BUFFER_INIT(SIZE_MAX / 4);
    va_list args;
    path_write(&path, place);
    va_start(args, format);
    const char *what = arena_vprintf(&arena, format, args);
    va_end(args);
    if (buffer_len(&path) == 0) {
        error_field(err, "", "The value %s", what);
    } else {
        error_field(err, buffer_text(&path), "Field \"%s\" %s", buffer_text(&path), what);
    }
    buffer_done(&path);
    return NULL;
}

static json_t *refuse_unknown(struct error *err, const struct place *place)
{
    struct buffer path = BUFFER_INIT(SIZE_MAX / 4);
    path_write(&path, place);
    error_field(err, buffer_text(&path), "Unknown field \"%s\".", buffer_text(&path));
    buffer_done(&path);
    return NULL;
}

static json_t *refuse_kind(struct error *err, const struct place *place, const char *wanted,
                           const json_t *value)
{
    return refuse(err, place, "must be %s, found %s.", wanted, json_kind(value));
}

/* ---- one value of each kind ---- */

/* Both 0: no limit. A minimum over 0 with no maximum has no upper end. */
static bool is_within(const struct field *field, int64_t number)
{
    bool open_end = field->max == 0 && field->min >= 0;
    return number >= field->min && (open_end || number <= field->max);
}

static json_t *read_string(const struct field *field, const json_t *value,
                           const struct place *place, struct error *err)
{
    if (!json_is_string(value)) {
        return refuse_kind(err, place, "a string", value);
    }
    struct slice text = json_string_slice(value);
    int64_t count = 0; /* of characters: bytes that do not continue one */
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    }
    if ((field->min != 0 || field->max != 0) && !is_within(field, count)) {
        if (field->max == 0) {
            return refuse(err, place, "must have at least %" PRId64 " characters.", field->min);
        }
        if (field->min == 0) {
            return refuse(err, place, "must have at most %" PRId64 " characters.", field->max);
        }
        return refuse(err, place, "must have between %" PRId64 " and %" PRId64 " characters.",
                      field->min, field->max);
    }
    return json_stringn_nocheck(text.data, text.len);
}

static json_t *read_bool(const struct field *field, const json_t *value, const struct place *place,
                         struct error *err)
{
    (void)field;
    if (!json_is_boolean(value)) {
        return refuse_kind(err, place, "true or false", value);
    }
    return json_boolean(json_is_true(value));
}

/* protobuf takes 3, "3" and 3.0 for the same. */
static bool whole_number(const json_t *value, int64_t *out)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (json_is_string(value)) {
        return int64_read(json_string_slice(value), out);
    }
    double real = json_real_value(value);
    if (!json_is_real(value) || real < -0x1p53 || real > 0x1p53 || real != (double)(int64_t)real) {
        return false;
    }
    *out = (int64_t)real;
    return true;
}

static json_t *read_int(const struct field *field, const json_t *value, const struct place *place,
                        struct error *err)
{
    int64_t number;
    if (!whole_number(value, &number)) {
        return json_is_real(value) ? refuse(err, place, "must be a whole number.")
                                   : refuse_kind(err, place, "a whole number", value);
    }
    if (field->min == 0 && field->max == 0) {
        return json_integer(number);
    }
    if (!is_within(field, number)) {
        if (field->max == 0 && field->min >= 0) {
            return refuse(err, place, "must be at least %" PRId64 ".", field->min);
        }
        return refuse(err, place, "must be between %" PRId64 " and %" PRId64 ".", field->min,
                      field->max);
    }
    return json_integer(number);
}

static json_t *read_int32(const struct field *field, const json_t *value, const struct place *place,
                          struct error *err)
{
    auto_json *number = read_int(field, value, place, err);
    if (number == NULL) {
        return NULL;
    }
    if (json_integer_value(number) < INT32_MIN || json_integer_value(number) > INT32_MAX) {
        return refuse(err, place, "must be between %d and %d.", INT32_MIN, INT32_MAX);
    }
    return json_incref(number);
}

static json_t *read_double(const struct field *field, const json_t *value,
                           const struct place *place, struct error *err)
{
    if (!json_is_number(value)) {
        return refuse_kind(err, place, "a number", value);
    }
    double number = json_number_value(value);
    if ((field->min != 0 || field->max != 0) &&
        (number < (double)field->min || number > (double)field->max)) {
        return refuse(err, place, "must be between %" PRId64 " and %" PRId64 ".", field->min,
                      field->max);
    }
    return json_real(number);
}

static json_t *refuse_enum(const struct field *field, const json_t *value,
                           const struct place *place, struct error *err)
{
    auto_arena arena = {0};
    struct buffer all = BUFFER_INIT(512);
    for (const char *const *name = field->names; *name != NULL; name++) {
        if (**name != '\0') {
            buffer_printf(&all, "%s%s", name == field->names ? "" : ", ", *name);
        }
    }
    struct slice found = slice_upto(json_write(&arena, value), 80);
    refuse(err, place, "must be one of %s, found %.*s.", buffer_text(&all), SLICE_ARG(found));
    buffer_done(&all);
    return NULL;
}

static json_t *read_enum(const struct field *field, const json_t *value, const struct place *place,
                         struct error *err)
{
    if (!json_is_string(value) && !json_is_integer(value)) {
        return refuse_kind(err, place, "a name", value);
    }
    for (int64_t number = 0; field->names[number] != NULL; number++) {
        const char *name = field->names[number];
        bool same = json_is_string(value) ? slice_is(json_string_slice(value), name)
                                          : json_integer_value(value) == number;
        if (same && name[0] != '\0') {
            return json_string(name);
        }
    }
    return refuse_enum(field, value, place, err);
}

static json_t *read_time(const struct field *field, const json_t *value, const struct place *place,
                         struct error *err)
{
    (void)field;
    auto_arena arena = {0};
    int64_t us;
    if (!json_is_string(value)) {
        return refuse_kind(err, place, "a time", value);
    }
    if (!time_read(json_string_slice(value), &us)) {
        return refuse(err, place, "must be a time as in \"2026-01-31T12:00:00Z\".");
    }
    return json_string(arena_string(&arena, time_text(&arena, us)));
}

static json_t *read_duration(const struct field *field, const json_t *value,
                             const struct place *place, struct error *err)
{
    (void)field;
    auto_arena arena = {0};
    int64_t us;
    if (!json_is_string(value)) {
        return refuse_kind(err, place, "a duration", value);
    }
    if (!duration_read(json_string_slice(value), &us)) {
        return refuse(err, place, "must be a duration in seconds, as in \"300s\".");
    }
    return json_string(arena_string(&arena, duration_text(&arena, us)));
}

static json_t *read_bytes(const struct field *field, const json_t *value, const struct place *place,
                          struct error *err)
{
    (void)field;
    auto_arena arena = {0};
    struct slice bytes;
    if (!json_is_string(value)) {
        return refuse_kind(err, place, "a string in base64", value);
    }
    if (!base64_decode_any(&arena, json_string_slice(value), &bytes)) {
        return refuse(err, place, "must be base64.");
    }
    struct slice text = base64_encode(&arena, bytes);
    return json_stringn(text.data, text.len);
}

static json_t *read_any(const struct field *field, const json_t *value, const struct place *place,
                        struct error *err)
{
    (void)field;
    (void)place;
    (void)err;
    return json_deep_copy(value);
}

static json_t *read_kind(const struct field *field, enum field_kind kind, const json_t *value,
                         const struct place *place, struct error *err);

static json_t *read_list(const struct field *field, const json_t *value, const struct place *place,
                         struct error *err)
{
    if (!json_is_array(value)) {
        return refuse_kind(err, place, "a list", value);
    }
    auto_json *list = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct place item = {.up = place, .kind = PLACE_ITEM, .index = i};
        json_t *part = read_kind(field, field->item, json_array_get(value, i), &item, err);
        if (part == NULL) {
            return NULL;
        }
        json_array_append_new(list, part);
    }
    return json_incref(list);
}

static json_t *read_map(const struct field *field, const json_t *value, const struct place *place,
                        struct error *err)
{
    if (!json_is_object(value)) {
        return refuse_kind(err, place, "an object", value);
    }
    auto_json *map = json_object();
    json_t *object = json_unconst(value);
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        struct slice key = slice_of(json_object_iter_key(at));
        struct place entry = {.up = place, .kind = PLACE_ENTRY, .name = key};
        json_t *part = read_kind(field, field->item, json_object_iter_value(at), &entry, err);
        if (part == NULL) {
            return NULL;
        }
        json_object_setn_new_nocheck(map, key.data, key.len, part);
    }
    return json_incref(map);
}

/* ---- objects ---- */

/* What a client sends for a field that it leaves alone. */
static bool is_empty(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return json_object_size(value) == 0;
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_STRING:
        return json_string_length(value) == 0;
    case JSON_INTEGER:
        return json_integer_value(value) == 0;
    case JSON_REAL:
        return json_real_value(value) == 0;
    case JSON_TRUE:
        return false;
    case JSON_FALSE:
    case JSON_NULL:
        return true;
    }
    return false;
}

static bool refuse_twice(struct error *err, const struct place *place, struct slice key)
{
    refuse(err, place, "is given twice: as \"%.*s\" and as \"%.*s\".", SLICE_ARG(place->name),
           SLICE_ARG(key));
    return false;
}

/* Puts what stands under KEY into OBJECT; null, and what only the server writes, is left out. */
static bool read_member(const struct field *table, const json_t *whole, struct slice key,
                        const json_t *value, const struct place *up, json_t *object,
                        struct error *err)
{
    const struct field *row = field_find(table, key);
    struct place place = {.up = up, .kind = PLACE_FIELD, .name = key};
    if (row == NULL) {
        refuse_unknown(err, &place);
        return false;
    }
    place.name = slice_of(row->name);
    bool renamed = !slice_equal(key, place.name);
    if (renamed &&
        (json_object_get(whole, row->name) != NULL || json_object_get(object, row->name) != NULL)) {
        return refuse_twice(err, &place, key);
    }
    if ((row->flags & FIELD_OUTPUT_ONLY) != 0 || (json_is_null(value) && row->kind != FIELD_ANY)) {
        return true;
    }
    if ((row->flags & FIELD_REFUSED) != 0) {
        if (is_empty(value)) {
            return true;
        }
        refuse(err, &place, "is not supported%s%s", row->note == NULL ? "." : ": ",
               row->note == NULL ? "" : row->note);
        return false;
    }
    json_t *part = read_kind(row, row->kind, value, &place, err);
    return part != NULL && json_object_set_new_nocheck(object, row->name, part) == 0;
}

static json_t *read_object(const struct field *table, const json_t *value,
                           const struct place *place, struct error *err)
{
    if (!json_is_object(value)) {
        return refuse_kind(err, place, "an object", value);
    }
    if (table == NULL) {
        return json_deep_copy(value);
    }
    auto_json *object = json_object();
    json_t *from = json_unconst(value);
    for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at)) {
        if (!read_member(table, value, slice_of(json_object_iter_key(at)),
                         json_object_iter_value(at), place, object, err)) {
            return NULL;
        }
    }
    for (const struct field *row = table; row->name != NULL; row++) {
        if ((row->flags & FIELD_REQUIRED) != 0 && json_object_get(object, row->name) == NULL) {
            struct place missing = {.up = place, .kind = PLACE_FIELD, .name = slice_of(row->name)};
            return refuse(err, &missing, "is required.");
        }
    }
    return json_incref(object);
}

static json_t *read_fields(const struct field *field, const json_t *value,
                           const struct place *place, struct error *err)
{
    return read_object(field->fields, value, place, err);
}

static json_t *read_kind(const struct field *field, enum field_kind kind, const json_t *value,
                         const struct place *place, struct error *err)
{
    static json_t *(*const read[])(const struct field *, const json_t *, const struct place *,
                                   struct error *) = {
        [FIELD_STRING] = read_string, [FIELD_BOOL] = read_bool,         [FIELD_INT32] = read_int32,
        [FIELD_INT64] = read_int,     [FIELD_DOUBLE] = read_double,     [FIELD_ENUM] = read_enum,
        [FIELD_TIME] = read_time,     [FIELD_DURATION] = read_duration, [FIELD_BYTES] = read_bytes,
        [FIELD_OBJECT] = read_fields, [FIELD_LIST] = read_list,         [FIELD_MAP] = read_map,
        [FIELD_ANY] = read_any,
    };
    return read[kind](field, value, place, err);
}

json_t *fields_read(const struct field *table, const json_t *value, const char *prefix,
                    struct error *err)
{
    struct place root = {.kind = PLACE_PREFIX, .name = slice_of(prefix)};
    if (value == NULL) {
        return refuse(err, &root, "must be an object, found nothing.");
    }
    return read_object(table, value, &root, err);
}
