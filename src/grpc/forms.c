/*
 * ProtoJSON's special forms, both ways, between the value that JSON has and an object with the
 * message's own fields, so that the codec itself knows one kind of message only.
 */
#include <ctype.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "codec/codec.h"
#include "grpc/inside.h"

enum { PATH_MAX_BYTES = 4096 };
#define SECOND_US       INT64_C(1000000)
#define TIMESTAMP_FIRST INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define TIMESTAMP_LAST  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DURATION_LAST   INT64_C(315576000000) /* 10,000 years */

/* ---- times ---- */

struct slice proto_decimal(char out[PROTO_DIGITS], int64_t number)
{
    char *end = out + PROTO_DIGITS, *at = end;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        *--at = '-';
    }
    return (struct slice){at, (size_t)(end - at)};
}

/* None, three, six or nine digits behind a point; answers where they end. */
static char *put_fraction(char *at, int64_t nanos)
{
    int count = nanos == 0 ? 0 : nanos % 1000000 == 0 ? 3 : nanos % 1000 == 0 ? 6 : 9;
    if (count == 0) {
        return at;
    }
    *at = '.';
    for (int i = 9; i > 0; i--) {
        if (i <= count) {
            at[i] = (char)('0' + nanos % 10);
        }
        nanos /= 10;
    }
    return at + count + 1;
}

enum { TIME_MAX = 40 }; /* of either's text: 20 digits, a sign, a fraction, a letter */

static char *put_timestamp(char *at, int64_t seconds, int64_t nanos)
{
    enum { WITHOUT_FRACTION = 19 };
    if (seconds < TIMESTAMP_FIRST || seconds > TIMESTAMP_LAST || nanos < 0 || nanos > 999999999) {
        return NULL;
    }
    time_write(at, seconds * SECOND_US);
    at = put_fraction(at + WITHOUT_FRACTION, nanos);
    *at = 'Z';
    return at + 1;
}

static char *put_duration(char *at, int64_t seconds, int64_t nanos)
{
    char digits[PROTO_DIGITS];
    if (seconds < -DURATION_LAST || seconds > DURATION_LAST || nanos < -999999999 ||
        nanos > 999999999 || (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0)) {
        return NULL;
    }
    if (seconds < 0 || nanos < 0) {
        *at++ = '-';
    }
    struct slice whole = proto_decimal(digits, llabs(seconds));
    memcpy(at, whole.data, whole.len);
    at = put_fraction(at + whole.len, llabs(nanos));
    *at = 's';
    return at + 1;
}

json_t *proto_time_read(const struct proto_message *type, int64_t seconds, int64_t nanos)
{
    char text[TIME_MAX];
    char *end = type->form == PROTO_DURATION ? put_duration(text, seconds, nanos)
                                             : put_timestamp(text, seconds, nanos);
    return end == NULL ? NULL : json_stringn_nocheck(text, (size_t)(end - text));
}

/* What stands in the seventh to ninth digit behind the point: time_read() knows microseconds. */
static int64_t nanos_below_us(const char *text)
{
    const char *point = strchr(text, '.');
    int64_t nanos = 0;
    if (point == NULL || strspn(point + 1, "0123456789") < 7) {
        return 0;
    }
    for (int i = 7; i <= 9; i++) {
        bool digit = isdigit((unsigned char)point[i]) != 0;
        nanos = nanos * 10 + (digit ? point[i] - '0' : 0);
        if (!digit) {
            return nanos * (i == 8 ? 10 : 1);
        }
    }
    return nanos;
}

static json_t *seconds_and_nanos(int64_t seconds, int64_t nanos)
{
    return json_pack("{sI si}", "seconds", (json_int_t)seconds, "nanos", (int)nanos);
}

static json_t *timestamp_write(const char *text)
{
    int64_t us;
    if (!time_read(slice_of(text), &us)) {
        return NULL;
    }
    int64_t seconds = us / SECOND_US, rest = us % SECOND_US;
    if (rest < 0) {
        rest += SECOND_US;
        seconds--;
    }
    return seconds_and_nanos(seconds, rest * 1000 + nanos_below_us(text));
}

static json_t *duration_write(const char *text)
{
    int64_t us;
    if (!duration_read(slice_of(text), &us)) {
        return NULL;
    }
    int64_t below = nanos_below_us(text);
    return seconds_and_nanos(us / SECOND_US,
                             us % SECOND_US * 1000 + (text[0] == '-' ? -below : below));
}

/* ---- field masks ---- */

/* Adds a path in JSON's spelling. False if it has none: other spellings could not be told apart. */
static bool path_add(struct buffer *out, const char *path)
{
    for (const char *c = path; *c != '\0'; c++) {
        bool joint = *c == '_';
        c += joint;
        if (joint ? !islower((unsigned char)*c)
                  : *c <= ' ' || *c == ',' || isupper((unsigned char)*c)) {
            return false;
        }
        buffer_add_byte(out, joint ? (char)toupper((unsigned char)*c) : *c);
    }
    return true;
}

static json_t *mask_read(const json_t *plain)
{
    struct buffer out = BUFFER_INIT(1 << 20);
    bool good = true;
    size_t i;
    json_t *path;
    json_array_foreach(json_object_get(plain, "paths"), i, path)
    {
        if (json_string_length(path) > 0) {
            good = good && (buffer_len(&out) == 0 || buffer_add_byte(&out, ',')) &&
                   path_add(&out, json_string_value(path));
        }
    }
    json_t *text = good && !out.overflow ? json_stringn(buffer_text(&out), buffer_len(&out)) : NULL;
    buffer_done(&out);
    return text;
}

static json_t *mask_write(const char *text)
{
    json_t *paths = json_array();
    struct slice rest = slice_of(text), path;
    while (slice_cut(&rest, ',', &path)) {
        struct buffer out = BUFFER_INIT(PATH_MAX_BYTES);
        for (size_t i = 0; i < path.len; i++) {
            if (isupper((unsigned char)path.data[i])) {
                buffer_add_byte(&out, '_');
            }
            buffer_add_byte(&out, (char)tolower((unsigned char)path.data[i]));
        }
        json_array_append_new(paths, json_slice(buffer_slice(&out)));
        buffer_done(&out);
    }
    return json_pack("{so}", "paths", paths);
}

/* ---- google.protobuf.Struct and what is in it ---- */

static json_t *value_read(json_t *plain)
{
    static const char *const names[] = {"numberValue", "stringValue", "boolValue", "structValue",
                                        "listValue"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *part = json_object_get(plain, names[i]);
        if (part != NULL) {
            return i == 0 && json_is_string(part) ? NULL : json_incref(part); /* NaN has no form */
        }
    }
    return json_null();
}

static json_t *value_write(const json_t *value)
{
    json_t *plain = json_object();
    const char *name = json_is_null(value)      ? "nullValue"
                       : json_is_number(value)  ? "numberValue"
                       : json_is_string(value)  ? "stringValue"
                       : json_is_boolean(value) ? "boolValue"
                       : json_is_object(value)  ? "structValue"
                                                : "listValue";
    json_object_set_new(plain, name, json_is_null(value) ? json_integer(0) : json_deep_copy(value));
    return plain;
}

/* ---- all of them ---- */

json_t *proto_form_read(const struct proto_message *type, json_t *taken)
{
    auto_json *plain = taken;
    json_t *part;
    switch ((enum proto_form)type->form) {
    case PROTO_PLAIN:
    case PROTO_ANY:
    case PROTO_TIMESTAMP: /* proto_time_read() */
    case PROTO_DURATION:
        return json_incref(plain);
    case PROTO_FIELD_MASK:
        return mask_read(plain);
    case PROTO_VALUE:
        return value_read(plain);
    case PROTO_STRUCT:
        part = json_object_get(plain, "fields");
        return part == NULL ? json_object() : json_incref(part);
    case PROTO_LIST_VALUE:
        part = json_object_get(plain, "values");
        return part == NULL ? json_array() : json_incref(part);
    }
    return NULL;
}

json_t *proto_form_write(const struct proto_message *type, const json_t *value)
{
    const char *text = json_string_value(value);
    switch ((enum proto_form)type->form) {
    case PROTO_TIMESTAMP:
        return text == NULL ? NULL : timestamp_write(text);
    case PROTO_DURATION:
        return text == NULL ? NULL : duration_write(text);
    case PROTO_FIELD_MASK:
        return text == NULL ? NULL : mask_write(text);
    case PROTO_VALUE:
        return value_write(value);
    case PROTO_STRUCT:
        return json_is_object(value) ? json_pack("{so}", "fields", json_deep_copy(value)) : NULL;
    case PROTO_LIST_VALUE:
        return json_is_array(value) ? json_pack("{so}", "values", json_deep_copy(value)) : NULL;
    case PROTO_PLAIN:
    case PROTO_ANY:
        break;
    }
    return NULL;
}

const struct proto_message *proto_any_type(const char *url)
{
    struct slice name = slice_of(url);
    ptrdiff_t slash = slice_find_last(name, '/');
    return slash < 0 ? NULL : proto_message_find(slice_from(name, (size_t)slash + 1));
}
