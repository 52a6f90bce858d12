/*
 * From a document to the wire, fields in the order of their numbers. The length of a message inside
 * a message is known only behind it: its bytes are moved aside to make room for the length.
 */
#include <math.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/error.h"
#include "codec/codec.h"
#include "grpc/inside.h"
#include "grpc/message.h"

struct writing {
    struct buffer *out;
    const char *unknown; /* the first name that no field has */
    struct arena arena;
    struct error *err;
};

static bool write_message(struct writing *writing, const struct proto_message *type,
                          const json_t *value, int depth);

static bool misfit(struct writing *writing, const char *name)
{
    return error_field(writing->err, name, "%s: the value is not of the field's kind.", name);
}

/* ---- the wire ---- */

static size_t varint_put(unsigned char out[10], uint64_t value)
{
    size_t count = 0;
    while (value >= 0x80) {
        out[count++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[count++] = (unsigned char)value;
    return count;
}

static bool add_varint(struct writing *writing, uint64_t value)
{
    unsigned char bytes[10];
    size_t count = varint_put(bytes, value);
    return buffer_add(writing->out, (struct slice){(const char *)bytes, count});
}

static bool add_tag(struct writing *writing, uint32_t number, enum wire wire)
{
    return add_varint(writing, (uint64_t)number << 3 | wire);
}

static bool add_sized(struct writing *writing, struct slice bytes)
{
    return add_varint(writing, bytes.len) && buffer_add(writing->out, bytes);
}

/* What was added behind START becomes a sized value. */
static bool close_sized(struct writing *writing, size_t start)
{
    unsigned char bytes[10];
    struct buffer *out = writing->out;
    size_t len = buffer_len(out) - start;
    size_t count = varint_put(bytes, len);
    if (buffer_reserve(out, count) == NULL) {
        return false;
    }
    buffer_commit(out, count);
    char *at = out->data + out->head + start;
    memmove(at + count, at, len);
    memcpy(at, bytes, count);
    return true;
}

/* ---- values ---- */

static bool int64_of(const json_t *value, int64_t *out)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    const char *text = json_string_value(value);
    char *end;
    if (text == NULL || text[0] == '\0') {
        return false;
    }
    *out = strtoll(text, &end, 10);
    return *end == '\0';
}

static bool enum_of(const struct proto_field *field, const json_t *value, int64_t *out)
{
    const struct proto_enum *type = &proto_enums[field->type];
    const char *name = json_string_value(value);
    for (size_t i = 0; name != NULL && i < type->count; i++) {
        if (strcmp(type->values[i].name, name) == 0) {
            *out = type->values[i].number;
            return true;
        }
    }
    return json_is_integer(value) && int64_of(value, out) && *out == (int32_t)*out;
}

static bool double_of(const json_t *value, uint64_t *bits)
{
    double number = json_number_value(value);
    const char *text = json_string_value(value);
    if (text != NULL) {
        char *end;
        number = strtod(text, &end);
        if (*end != '\0' || end == text) {
            return false;
        }
    } else if (!json_is_number(value)) {
        return false;
    }
    memcpy(bits, &number, sizeof(number));
    return true;
}

/* The bits of a number that is not a double, as a varint carries them. */
static bool number_of(const struct proto_field *field, const json_t *value, uint64_t *bits)
{
    int64_t number = 0;
    if (field->kind == PROTO_BOOL) {
        *bits = json_is_true(value);
        return json_is_boolean(value);
    }
    if (!(field->kind == PROTO_ENUM ? enum_of(field, value, &number) : int64_of(value, &number)) ||
        (field->kind == PROTO_INT32 && number != (int32_t)number)) {
        return false;
    }
    *bits = (uint64_t)number;
    return true;
}

/* A value without its tag. */
static bool add_value(struct writing *writing, const struct proto_field *field, const json_t *value,
                      int depth)
{
    uint64_t bits;
    struct slice bytes;
    size_t start = buffer_len(writing->out);
    switch ((enum proto_kind)field->kind) {
    case PROTO_STRING:
        return json_is_string(value) ? add_sized(writing, slice_of(json_string_value(value)))
                                     : misfit(writing, field->name);
    case PROTO_BYTES:
        return json_is_string(value) &&
                       base64_decode_any(&writing->arena, slice_of(json_string_value(value)),
                                         &bytes)
                   ? add_sized(writing, bytes)
                   : misfit(writing, field->name);
    case PROTO_MESSAGE:
        return write_message(writing, &proto_messages[field->type], value, depth + 1) &&
               close_sized(writing, start);
    case PROTO_DOUBLE:
        if (!double_of(value, &bits)) {
            return misfit(writing, field->name);
        }
        for (int i = 0; i < 8; i++) {
            buffer_add_byte(writing->out, (char)(bits >> (8 * i)));
        }
        return !writing->out->overflow;
    case PROTO_BOOL:
    case PROTO_INT32:
    case PROTO_INT64:
    case PROTO_ENUM:
        return number_of(field, value, &bits) ? add_varint(writing, bits)
                                              : misfit(writing, field->name);
    }
    return false;
}

static bool is_default(const struct proto_field *field, const json_t *value)
{
    uint64_t bits;
    switch ((enum proto_kind)field->kind) {
    case PROTO_STRING:
    case PROTO_BYTES:
        return json_is_string(value) && json_string_length(value) == 0;
    case PROTO_DOUBLE:
        return double_of(value, &bits) && bits == 0;
    case PROTO_BOOL:
    case PROTO_INT32:
    case PROTO_INT64:
    case PROTO_ENUM:
        return number_of(field, value, &bits) && bits == 0;
    case PROTO_MESSAGE:
        break;
    }
    return false;
}

static bool write_list(struct writing *writing, const struct proto_field *field, const json_t *list,
                       int depth)
{
    enum wire wire = wire_of(field->kind);
    size_t i;
    json_t *one;
    if (!json_is_array(list)) {
        return misfit(writing, field->name);
    }
    if (json_array_size(list) == 0) {
        return true;
    }
    if (wire != WIRE_BYTES && !add_tag(writing, field->number, WIRE_BYTES)) { /* packed */
        return false;
    }
    size_t start = buffer_len(writing->out);
    json_array_foreach(list, i, one)
    {
        if ((wire == WIRE_BYTES && !add_tag(writing, field->number, wire)) ||
            !add_value(writing, field, one, depth)) {
            return false;
        }
    }
    return wire == WIRE_BYTES || close_sized(writing, start);
}

static bool write_map(struct writing *writing, const struct proto_field *field, const json_t *map,
                      int depth)
{
    if (!json_is_object(map)) {
        return misfit(writing, field->name);
    }
    for (void *at = json_object_iter((json_t *)(uintptr_t)map); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)map, at)) {
        if (!add_tag(writing, field->number, WIRE_BYTES)) {
            return false;
        }
        size_t start = buffer_len(writing->out);
        if (!add_tag(writing, 1, WIRE_BYTES) ||
            !add_sized(writing, slice_of(json_object_iter_key(at))) ||
            !add_tag(writing, 2, wire_of(field->kind)) ||
            !add_value(writing, field, json_object_iter_value(at), depth) ||
            !close_sized(writing, start)) {
            return false;
        }
    }
    return true;
}

static bool write_field(struct writing *writing, const struct proto_field *field,
                        const json_t *value, int depth)
{
    if (field->is_list) {
        return write_list(writing, field, value, depth);
    }
    if (field->is_map) {
        return write_map(writing, field, value, depth);
    }
    if (!field->has_presence && is_default(field, value)) {
        return true;
    }
    return add_tag(writing, field->number, wire_of(field->kind)) &&
           add_value(writing, field, value, depth);
}

/* ---- a message ---- */

/* Null stands for absence, but where it is a value. */
static bool is_absent(const struct proto_field *field, const json_t *value)
{
    return value == NULL ||
           (json_is_null(value) && !(field->kind == PROTO_MESSAGE && !field->is_list &&
                                     proto_messages[field->type].form == PROTO_VALUE));
}

static void note_unknown(struct writing *writing, const struct proto_message *type,
                         const json_t *value)
{
    for (void *at = json_object_iter((json_t *)(uintptr_t)value);
         at != NULL && writing->unknown == NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
        const char *name = json_object_iter_key(at);
        bool known = strcmp(name, "@type") == 0;
        for (size_t i = 0; !known && i < type->count; i++) {
            known = strcmp(type->fields[i].name, name) == 0;
        }
        writing->unknown = known ? NULL : name;
    }
}

static bool write_plain(struct writing *writing, const struct proto_message *type,
                        const json_t *value, int depth)
{
    size_t found = 0;
    if (!json_is_object(value)) {
        return misfit(writing, type->name);
    }
    for (size_t i = 0; i < type->count; i++) {
        const struct proto_field *field = &type->fields[i];
        const json_t *part = json_object_get(value, field->name);
        found += part != NULL;
        if (!is_absent(field, part) && !write_field(writing, field, part, depth)) {
            return false;
        }
    }
    if (found < json_object_size(value) && writing->unknown == NULL) {
        note_unknown(writing, type, value);
    }
    return true;
}

static bool write_any(struct writing *writing, const json_t *value, int depth)
{
    const char *url = json_text(value, "@type");
    const struct proto_message *type = url == NULL ? NULL : proto_any_type(url);
    if (json_is_object(value) && json_object_size(value) == 0) {
        return true;
    }
    if (type == NULL) {
        return error_set(writing->err, STATUS_INVALID_ARGUMENT,
                         "The type %.200s of an Any is not known.", url == NULL ? "" : url);
    }
    const json_t *part = type->form == PROTO_PLAIN ? value : json_object_get(value, "value");
    if (!add_tag(writing, 1, WIRE_BYTES) || !add_sized(writing, slice_of(url)) ||
        !add_tag(writing, 2, WIRE_BYTES)) {
        return false;
    }
    size_t start = buffer_len(writing->out);
    return write_message(writing, type, part, depth + 1) && close_sized(writing, start);
}

static bool write_message(struct writing *writing, const struct proto_message *type,
                          const json_t *value, int depth)
{
    if (depth > PROTO_DEPTH_MAX) {
        return error_set(writing->err, STATUS_INVALID_ARGUMENT, "%s: nested too deeply.",
                         type->name);
    }
    if (type->form == PROTO_PLAIN) {
        return write_plain(writing, type, value, depth);
    }
    if (type->form == PROTO_ANY) {
        return write_any(writing, value, depth);
    }
    auto_json *plain = proto_form_write(type, value);
    return plain == NULL ? misfit(writing, type->name) : write_plain(writing, type, plain, depth);
}

bool proto_write(const struct proto_message *type, const json_t *value, struct buffer *out,
                 const char **unknown, struct error *err)
{
    struct writing writing = {.out = out, .err = err};
    bool good = write_message(&writing, type, value, 0);
    arena_done(&writing.arena);
    if (unknown != NULL) {
        *unknown = writing.unknown;
    }
    if (good || !out->overflow) {
        return good;
    }
    return error_set(err, STATUS_RESOURCE_EXHAUSTED, "The message %s is larger than %zu bytes.",
                     type->name, out->max);
}
