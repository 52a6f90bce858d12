/*
 * JSON in and out. Reading is jansson's, behind one pass of our own over the bytes: it counts depth
 * and values before anything recurses or is built. Writing is ours, because jansson prints 0.1 with
 * 17 digits.
 */
#include "codec/codec.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "codec/inside.h"

/*
 * False at the bracket that goes too deep, or at the value that is one too many. Bytes inside of
 * strings do not count. A value is at the front, behind a ',', or the first behind a bracket: empty
 * brackets count for one more than they are.
 */
static bool bounds_check(struct slice text, size_t values_max, struct error *err)
{
    size_t depth = 0, values = 1, line = 1, line_start = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (byte == '\n') {
            line++;
            line_start = i + 1;
        }
        if (in_string) {
            if (byte == '\\') {
                i++;
            } else if (byte == '"') {
                in_string = false;
            }
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '{' || byte == '[') {
            if (++depth > CODEC_DEPTH_MAX) {
                return error_set(err, STATUS_INVALID_ARGUMENT,
                                 "JSON, line %zu, column %zu: more than %d levels deep.", line,
                                 i - line_start + 1, CODEC_DEPTH_MAX);
            }
        } else if ((byte == '}' || byte == ']') && depth > 0) {
            depth--;
        }
        values += !in_string && (byte == '{' || byte == '[' || byte == ',');
        if (values > values_max) {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "JSON, line %zu, column %zu: more than %zu values.", line,
                             i - line_start + 1, values_max);
        }
    }
    return true;
}

/* The name, still with its escapes, whose closing quote is the last one before END. */
static struct slice name_before(struct slice text, size_t end)
{
    ptrdiff_t close = slice_find_last(slice_upto(text, end), '"');
    for (ptrdiff_t open = close - 1; open >= 0; open--) {
        if (text.data[open] != '"') {
            continue;
        }
        ptrdiff_t first = open;
        while (first > 0 && text.data[first - 1] == '\\') {
            first--;
        }
        if ((open - first) % 2 == 0) {
            return slice_upto(slice_from(text, (size_t)open + 1), (size_t)(close - open - 1));
        }
    }
    return SLICE_NONE;
}

static void explain(struct slice text, const json_error_t *fault, struct error *err)
{
    const char *why = fault->text;
    switch (json_error_code(fault)) {
    case json_error_duplicate_key: {
        struct slice name = slice_upto(name_before(text, (size_t)fault->position), 200);
        error_set(err, STATUS_INVALID_ARGUMENT,
                  "JSON, line %d, column %d: the name \"%.*s\" is given twice.", fault->line,
                  fault->column, SLICE_ARG(name));
        return;
    }
    case json_error_null_character:
    case json_error_null_byte_in_key:
        why = "a NUL character is not allowed";
        break;
    case json_error_numeric_overflow:
        why = "the number is too large";
        break;
    default: /* jansson's own list, which may grow */
        break;
    }
    error_set(err, STATUS_INVALID_ARGUMENT, "JSON, line %d, column %d: %s.", fault->line,
              fault->column, why);
}

json_t *json_read(struct slice text, struct error *err)
{
    return json_read_at_most(text, CODEC_VALUES_MAX, err);
}

json_t *json_read_at_most(struct slice text, size_t values_max, struct error *err)
{
    if (slice_trim(text).len == 0) {
        error_set(err, STATUS_INVALID_ARGUMENT, "JSON, line 1, column 1: the text is empty.");
        return NULL;
    }
    if (!bounds_check(text, values_max, err)) {
        return NULL;
    }
    json_error_t fault;
    json_t *value =
        json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (value == NULL) {
        explain(text, &fault, err);
    }
    return value;
}

/* ---- writing ---- */

struct writer {
    struct buffer out;
    bool pretty;
};

static void write_text(struct buffer *out, struct slice text)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[32] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    buffer_add_byte(out, '"');
    size_t plain = 0; /* start of what is not yet written */
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        buffer_add(out, slice_from(slice_upto(text, i), plain));
        plain = i + 1;
        buffer_add_byte(out, '\\');
        if (byte >= 0x20) {
            buffer_add_byte(out, (char)byte);
        } else if (shorts[byte] != 0) {
            buffer_add_byte(out, shorts[byte]);
        } else {
            char code[] = {'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
            buffer_add(out, (struct slice){code, sizeof(code)});
        }
    }
    buffer_add(out, slice_from(text, plain));
    buffer_add_byte(out, '"');
}

/* The fewest digits that read back as the same number, and always a mark that it is not an int. */
static void write_real(struct buffer *out, double number)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    buffer_add_text(out, text);
    if (strpbrk(text, ".e") == NULL) {
        buffer_add_text(out, ".0");
    }
}

static void new_line(struct writer *writer, unsigned depth)
{
    if (writer->pretty) {
        buffer_add_byte(&writer->out, '\n');
        for (unsigned i = 0; i < depth; i++) {
            buffer_add_text(&writer->out, "  ");
        }
    }
}

static void write_value(struct writer *writer, const json_t *value, unsigned depth);

static void write_object(struct writer *writer, const json_t *value, unsigned depth)
{
    json_t *object = json_unconst(value);
    bool first = true;
    buffer_add_byte(&writer->out, '{');
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        if (!first) {
            buffer_add_byte(&writer->out, ',');
        }
        first = false;
        new_line(writer, depth + 1);
        write_text(&writer->out, slice_of(json_object_iter_key(at)));
        buffer_add_text(&writer->out, writer->pretty ? ": " : ":");
        write_value(writer, json_object_iter_value(at), depth + 1);
    }
    if (!first) {
        new_line(writer, depth);
    }
    buffer_add_byte(&writer->out, '}');
}

static void write_array(struct writer *writer, const json_t *value, unsigned depth)
{
    size_t count = json_array_size(value);
    buffer_add_byte(&writer->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buffer_add_byte(&writer->out, ',');
        }
        new_line(writer, depth + 1);
        write_value(writer, json_array_get(value, i), depth + 1);
    }
    if (count > 0) {
        new_line(writer, depth);
    }
    buffer_add_byte(&writer->out, ']');
}

static void write_value(struct writer *writer, const json_t *value, unsigned depth)
{
    if (value == NULL) {
        buffer_add_text(&writer->out, "null");
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(writer, value, depth);
        return;
    case JSON_ARRAY:
        write_array(writer, value, depth);
        return;
    case JSON_STRING:
        write_text(&writer->out, json_string_slice(value));
        return;
    case JSON_INTEGER:
        buffer_printf(&writer->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return;
    case JSON_REAL:
        write_real(&writer->out, json_real_value(value));
        return;
    case JSON_TRUE:
        buffer_add_text(&writer->out, "true");
        return;
    case JSON_FALSE:
        buffer_add_text(&writer->out, "false");
        return;
    case JSON_NULL:
        buffer_add_text(&writer->out, "null");
        return;
    }
}

static struct slice write_all(struct arena *arena, const json_t *value, bool pretty)
{
    struct writer writer = {.out = BUFFER_INIT(SIZE_MAX / 4), .pretty = pretty};
    write_value(&writer, value, 0);
    if (pretty) {
        buffer_add_byte(&writer.out, '\n');
    }
    struct slice text = arena_slice(arena, buffer_slice(&writer.out));
    buffer_done(&writer.out);
    return text;
}

struct slice json_write(struct arena *arena, const json_t *value)
{
    return write_all(arena, value, false);
}

struct slice json_write_pretty(struct arena *arena, const json_t *value)
{
    return write_all(arena, value, true);
}
