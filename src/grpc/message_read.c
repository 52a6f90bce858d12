/*
 * From the wire to a document. Fields come in any order and any number of times: the last value
 * counts, lists grow, and a message that comes twice is one message, its parts behind each other.
 * So the parts of messages are kept until the end of what holds them, and read then, once.
 */
#include <math.h>

#include "base/encode.h"
#include "base/error.h"
#include "codec/codec.h"
#include "grpc/inside.h"
#include "grpc/message.h"

enum { FIELDS_MAX = 96, NUMBER_MAX = (1 << 29) - 1 };

struct reading {
    struct arena arena; /* for base64 and joined parts; whole readings only */
    unsigned values_left;
    struct error *err;
};

struct cursor {
    const unsigned char *at, *end;
};

static json_t *read_message(struct reading *reading, const struct proto_message *type,
                            struct slice bytes, int depth);

static bool broken(struct reading *reading, const struct proto_message *type, const char *what)
{
    return error_set(reading->err, STATUS_INVALID_ARGUMENT, "Failed to parse %s: %s.", type->name,
                     what);
}

/* ---- the wire ---- */

static bool take_varint(struct cursor *cursor, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && cursor->at < cursor->end; shift += 7) {
        unsigned char byte = *cursor->at++;
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if ((byte & 0x80) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct cursor *cursor, uint64_t count, struct slice *out)
{
    if (count > (uint64_t)(cursor->end - cursor->at)) {
        return false;
    }
    *out = (struct slice){(const char *)cursor->at, (size_t)count};
    cursor->at += count;
    return true;
}

static bool take_sized(struct cursor *cursor, struct slice *out)
{
    uint64_t count;
    return take_varint(cursor, &count) && take_bytes(cursor, count, out);
}

static bool take_tag(struct cursor *cursor, uint32_t *number, enum wire *wire)
{
    uint64_t tag;
    if (!take_varint(cursor, &tag) || tag > UINT32_MAX || tag >> 3 == 0 || (tag & 7) > WIRE_4) {
        return false;
    }
    *number = (uint32_t)(tag >> 3);
    *wire = (enum wire)(tag & 7);
    return *number <= NUMBER_MAX;
}

/* Passes over a value of a field that the schema does not have. */
static bool skip(struct cursor *cursor, uint32_t number, enum wire wire)
{
    uint32_t open[PROTO_DEPTH_MAX];
    size_t depth = 0;
    uint64_t ignored;
    struct slice bytes;
    for (;;) {
        switch (wire) {
        case WIRE_VARINT:
            if (!take_varint(cursor, &ignored)) {
                return false;
            }
            break;
        case WIRE_8:
        case WIRE_4:
            if (!take_bytes(cursor, wire == WIRE_8 ? 8 : 4, &bytes)) {
                return false;
            }
            break;
        case WIRE_BYTES:
            if (!take_sized(cursor, &bytes)) {
                return false;
            }
            break;
        case WIRE_GROUP:
            if (depth == PROTO_DEPTH_MAX) {
                return false;
            }
            open[depth++] = number;
            break;
        case WIRE_END:
            if (depth == 0 || open[--depth] != number) {
                return false;
            }
            break;
        }
        if (depth == 0) {
            return true;
        }
        if (!take_tag(cursor, &number, &wire)) {
            return false;
        }
    }
}

/* ---- values ---- */

static json_t *read_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return isnan(value)   ? json_string("NaN")
           : isinf(value) ? json_string(value > 0 ? "Infinity" : "-Infinity")
                          : json_real(value);
}

static json_t *read_enum(const struct proto_field *field, int32_t number)
{
    const struct proto_enum *type = &proto_enums[field->type];
    for (size_t i = 0; i < type->count; i++) {
        if (type->values[i].number == number) {
            return json_string(type->values[i].name);
        }
    }
    return json_integer(number);
}

static bool is_ascii_text(struct slice text)
{
    const uint64_t ones = 0x0101010101010101;
    size_t at = 0;
    uint64_t word;
    for (; text.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, text.data + at, sizeof(word));
        if ((((word - ones) | word) & (ones * 0x80)) != 0) {
            return false; /* a NUL, or a byte over 0x7f */
        }
    }
    while (at < text.len && text.data[at] > 0) {
        at++;
    }
    return at == text.len;
}

/* NULL if it is no UTF-8, or has a NUL. Most texts are ASCII, which is seen at once. */
static json_t *read_string(struct slice text)
{
    if (text.len == 0 || is_ascii_text(text)) {
        return json_stringn_nocheck(text.len == 0 ? "" : text.data, text.len);
    }
    return memchr(text.data, '\0', text.len) != NULL ? NULL : json_stringn(text.data, text.len);
}

static json_t *read_number(const struct proto_field *field, uint64_t bits)
{
    char text[PROTO_DIGITS];
    switch ((enum proto_kind)field->kind) {
    case PROTO_BOOL:
        return json_boolean(bits != 0);
    case PROTO_INT32:
        return json_integer((int32_t)bits);
    case PROTO_INT64:
        return read_string(proto_decimal(text, (int64_t)bits));
    case PROTO_ENUM:
        return read_enum(field, (int32_t)bits);
    case PROTO_DOUBLE:
        return read_double(bits);
    case PROTO_STRING:
    case PROTO_BYTES:
    case PROTO_MESSAGE:
        break;
    }
    return NULL;
}

static json_t *read_sized(struct reading *reading, const struct proto_field *field,
                          struct slice bytes, int depth)
{
    switch ((enum proto_kind)field->kind) {
    case PROTO_STRING:
        return read_string(bytes);
    case PROTO_BYTES:
        return json_slice(base64_encode(&reading->arena, bytes));
    case PROTO_MESSAGE:
        return read_message(reading, &proto_messages[field->type], bytes, depth + 1);
    case PROTO_BOOL:
    case PROTO_INT32:
    case PROTO_INT64:
    case PROTO_ENUM:
    case PROTO_DOUBLE:
        break;
    }
    return NULL;
}

static bool is_default(const struct proto_field *field, uint64_t bits)
{
    return field->kind == PROTO_BOOL    ? bits == 0
           : field->kind == PROTO_INT32 ? (int32_t)bits == 0
           : field->kind == PROTO_ENUM  ? (int32_t)bits == 0
                                        : bits == 0; /* also of a double: -0.0 is no default */
}

/* ---- a message ---- */

/* A message while it is being read. */
struct target {
    struct reading *reading;
    const struct proto_message *type;
    json_t *out;
    struct slice *parts; /* by index of the field; .data NULL: none has come */
    bool any_part;
    int depth;
};

static bool count_value(struct target *target)
{
    if (target->reading->values_left == 0) {
        return broken(target->reading, target->type, "it holds too many values");
    }
    target->reading->values_left--;
    return true;
}

/* Another member of a oneof takes the place of this one. */
static void clear_oneof(struct target *target, const struct proto_field *field)
{
    for (size_t i = 0; field->oneof != 0 && i < target->type->count; i++) {
        const struct proto_field *other = &target->type->fields[i];
        if (other != field && other->oneof == field->oneof) {
            json_object_del(target->out, other->name);
            target->parts[i] = SLICE_NONE;
        }
    }
}

/* Takes VALUE. */
static bool put(struct target *target, const struct proto_field *field, json_t *value)
{
    if (value == NULL) {
        bool told = target->reading->err != NULL && target->reading->err->text[0] != '\0';
        return told ? false : broken(target->reading, target->type, field->name);
    }
    if (!field->is_list) {
        clear_oneof(target, field);
        json_object_set_new_nocheck(target->out, field->name, value);
        return true;
    }
    json_t *list = json_object_get(target->out, field->name);
    if (list == NULL) {
        list = json_array();
        json_object_set_new_nocheck(target->out, field->name, list);
    }
    json_array_append_new(list, value);
    return true;
}

static bool put_number(struct target *target, const struct proto_field *field, uint64_t bits)
{
    if (!field->is_list && !field->has_presence && is_default(field, bits)) {
        json_object_del(target->out, field->name);
        return true;
    }
    return count_value(target) && put(target, field, read_number(field, bits));
}

static bool take_number(struct cursor *cursor, const struct proto_field *field, uint64_t *bits)
{
    struct slice bytes;
    if (field->kind != PROTO_DOUBLE) {
        return take_varint(cursor, bits);
    }
    *bits = 0;
    if (!take_bytes(cursor, 8, &bytes)) {
        return false;
    }
    for (int i = 7; i >= 0; i--) {
        *bits = *bits << 8 | (unsigned char)bytes.data[i];
    }
    return true;
}

static bool put_packed(struct target *target, const struct proto_field *field, struct slice bytes)
{
    struct cursor cursor = {(const unsigned char *)bytes.data,
                            (const unsigned char *)bytes.data + bytes.len};
    uint64_t bits;
    while (cursor.at < cursor.end) {
        if (!take_number(&cursor, field, &bits)) {
            return broken(target->reading, target->type, field->name);
        }
        if (!put_number(target, field, bits)) {
            return false;
        }
    }
    return true;
}

static bool put_entry(struct target *target, const struct proto_field *field, struct slice bytes)
{
    static const struct proto_field key_field = {.number = 1, .kind = PROTO_STRING, .name = "key"};
    struct reading *reading = target->reading;
    struct cursor cursor = {(const unsigned char *)bytes.data,
                            (const unsigned char *)bytes.data + bytes.len};
    struct slice key = SLICE(""), value = SLICE_NONE, part;
    bool counts = wire_of(field->kind) != WIRE_BYTES; /* the value is a number */
    uint64_t bits = 0;
    uint32_t number;
    enum wire wire;
    while (cursor.at < cursor.end) {
        if (!take_tag(&cursor, &number, &wire)) {
            return broken(reading, target->type, field->name);
        }
        if (counts && number == 2 && wire == wire_of(field->kind)) {
            if (!take_number(&cursor, field, &bits)) {
                return broken(reading, target->type, field->name);
            }
            continue;
        }
        bool known = (number == 1 || (number == 2 && !counts)) && wire == WIRE_BYTES;
        if (known ? !take_sized(&cursor, &part) : !skip(&cursor, number, wire)) {
            return broken(reading, target->type, field->name);
        }
        if (known && number == 1) {
            key = part;
        } else if (known) {
            value = part; /* only the last part of a map of messages counts: no client sends two */
        }
    }
    auto_json *name = read_sized(reading, &key_field, key, target->depth);
    if (name == NULL) {
        return broken(reading, target->type, field->name);
    }
    json_t *map = json_object_get(target->out, field->name);
    if (map == NULL) {
        map = json_object();
        json_object_set_new_nocheck(target->out, field->name, map);
    }
    json_t *one =
        counts ? read_number(field, bits) : read_sized(reading, field, value, target->depth);
    if (one == NULL) {
        return put(target, field, NULL);
    }
    json_object_set_new(map, json_string_value(name), one);
    return true;
}

/* A part of a message that stands alone in its field. */
static bool keep_part(struct target *target, const struct proto_field *field, struct slice bytes)
{
    struct slice *part = &target->parts[field - target->type->fields];
    clear_oneof(target, field);
    target->any_part = true;
    if (part->data == NULL) {
        *part = bytes.len == 0 ? SLICE("") : bytes;
        return true;
    }
    if (bytes.len == 0) {
        return true;
    }
    /* The sum of what is joined is bounded, so that many small parts cannot be made to cost more
     * than a few times the whole message. */
    size_t joined = part->len + bytes.len;
    unsigned cost = (unsigned)(joined / 64);
    if (cost > target->reading->values_left) {
        return broken(target->reading, target->type, "it comes in too many pieces");
    }
    target->reading->values_left -= cost;
    char *whole = arena_alloc(&target->reading->arena, joined);
    memcpy(whole, part->data, part->len);
    memcpy(whole + part->len, bytes.data, bytes.len);
    *part = (struct slice){whole, joined};
    return true;
}

static bool put_sized(struct target *target, const struct proto_field *field, struct slice bytes)
{
    if (!field->is_map && wire_of(field->kind) != WIRE_BYTES) {
        return put_packed(target, field, bytes);
    }
    if (!count_value(target)) {
        return false;
    }
    if (field->is_map) {
        return put_entry(target, field, bytes);
    }
    if (field->kind == PROTO_MESSAGE && !field->is_list) {
        return keep_part(target, field, bytes);
    }
    if (bytes.len == 0 && !field->is_list && !field->has_presence) {
        json_object_del(target->out, field->name);
        return true;
    }
    return put(target, field, read_sized(target->reading, field, bytes, target->depth));
}

static const struct proto_field *field_of(const struct proto_message *type, uint32_t number)
{
    if (number - 1 < type->count && type->fields[number - 1].number == number) {
        return &type->fields[number - 1];
    }
    for (size_t i = 0; i < type->count && type->fields[i].number <= number; i++) {
        if (type->fields[i].number == number) {
            return &type->fields[i];
        }
    }
    return NULL;
}

static bool take_field(struct target *target, struct cursor *cursor)
{
    uint32_t number;
    enum wire wire;
    uint64_t bits;
    struct slice bytes;
    if (!take_tag(cursor, &number, &wire)) {
        return broken(target->reading, target->type, "it has a tag that is none");
    }
    const struct proto_field *field = field_of(target->type, number);
    enum wire wanted = field == NULL ? WIRE_END : field->is_map ? WIRE_BYTES : wire_of(field->kind);
    bool packed = field != NULL && field->is_list && wire == WIRE_BYTES;
    if (field == NULL || (wire != wanted && !packed)) {
        return skip(cursor, number, wire) ||
               broken(target->reading, target->type, "it ends within a field");
    }
    if (wire == WIRE_BYTES) {
        return take_sized(cursor, &bytes) ? put_sized(target, field, bytes)
                                          : broken(target->reading, target->type, field->name);
    }
    return take_number(cursor, field, &bits) ? put_number(target, field, bits)
                                             : broken(target->reading, target->type, field->name);
}

static json_t *read_any(struct reading *reading, json_t *taken, int depth)
{
    auto_json *plain = taken;
    const char *url = json_text(plain, "typeUrl");
    const char *text = json_text_or(plain, "value", "");
    const struct proto_message *type = url == NULL ? NULL : proto_any_type(url);
    struct slice bytes;
    if (url == NULL && text[0] == '\0') {
        return json_object();
    }
    if (type == NULL || !base64_decode_any(&reading->arena, slice_of(text), &bytes)) {
        error_set(reading->err, STATUS_INVALID_ARGUMENT, "The type %.200s of an Any is not known.",
                  url == NULL ? "" : url);
        return NULL;
    }
    auto_json *value = read_message(reading, type, bytes, depth + 1);
    if (value == NULL) {
        return NULL;
    }
    json_t *out = json_pack("{ss}", "@type", url);
    if (type->form == PROTO_PLAIN) {
        json_object_update(out, value);
    } else {
        json_object_set(out, "value", value);
    }
    return out;
}

/* A Timestamp or a Duration: two numbers, of which no object has to be made first. */
static json_t *read_time(struct reading *reading, const struct proto_message *type,
                         struct slice bytes)
{
    enum { SECONDS = 1, NANOS = 2 };
    struct cursor cursor = {(const unsigned char *)bytes.data,
                            (const unsigned char *)bytes.data + bytes.len};
    int64_t seconds = 0;
    int32_t nanos = 0;
    while (cursor.at < cursor.end) {
        uint32_t number;
        enum wire wire;
        uint64_t bits;
        if (!take_tag(&cursor, &number, &wire)) {
            broken(reading, type, "it has a tag that is none");
            return NULL;
        }
        /* Two numbers take no room, whatever number of times they come: they are not counted. */
        bool known = (number == SECONDS || number == NANOS) && wire == WIRE_VARINT;
        if (known ? !take_varint(&cursor, &bits) : !skip(&cursor, number, wire)) {
            broken(reading, type, "it ends within a field");
            return NULL;
        }
        if (known && number == SECONDS) {
            seconds = (int64_t)bits;
        } else if (known) {
            nanos = (int32_t)bits;
        }
    }
    json_t *out = proto_time_read(type, seconds, nanos);
    if (out == NULL) {
        broken(reading, type, "its value is out of range");
    }
    return out;
}

static json_t *read_message(struct reading *reading, const struct proto_message *type,
                            struct slice bytes, int depth)
{
    struct slice parts[FIELDS_MAX];
    struct cursor cursor = {(const unsigned char *)bytes.data,
                            (const unsigned char *)bytes.data + bytes.len};
    if (depth > PROTO_DEPTH_MAX || type->count > FIELDS_MAX) {
        broken(reading, type, "it is nested too deeply");
        return NULL;
    }
    if (type->form == PROTO_TIMESTAMP || type->form == PROTO_DURATION) {
        return read_time(reading, type, bytes);
    }
    memset(parts, 0, type->count * sizeof(parts[0]));
    struct target target = {reading, type, json_object(), parts, false, depth};
    bool good = true;
    while (good && cursor.at < cursor.end) {
        good = take_field(&target, &cursor);
    }
    for (size_t i = 0; good && target.any_part && i < type->count; i++) {
        if (parts[i].data != NULL) {
            const struct proto_field *field = &type->fields[i];
            json_t *value = read_sized(reading, field, parts[i], depth);
            good = value != NULL;
            if (good) {
                json_object_set_new_nocheck(target.out, field->name, value);
            }
        }
    }
    if (!good) {
        json_decref(target.out);
        return NULL;
    }
    json_t *out = type->form == PROTO_ANY ? read_any(reading, target.out, depth)
                                          : proto_form_read(type, target.out);
    if (out == NULL && (reading->err == NULL || reading->err->text[0] == '\0')) {
        broken(reading, type, "its value is out of range");
    }
    return out;
}

json_t *proto_read(const struct proto_message *type, struct slice bytes, struct error *err)
{
    struct error own = {0};
    struct reading reading = {.values_left = PROTO_VALUES_MAX, .err = &own};
    json_t *out = read_message(&reading, type, bytes, 0);
    arena_done(&reading.arena);
    if (out == NULL && err != NULL) {
        *err = own;
    }
    return out;
}
