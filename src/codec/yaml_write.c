/*
 * Values as YAML for people: block style, quotes only where a reader of YAML 1.1 or 1.2 would take
 * the plain text for something else, texts of several lines as they are.
 */
#include "base/buffer.h"
#include "codec/inside.h"
#include "codec/yaml_scalar.h"

/* A name longer than this could not be told from a text by its colon (YAML 1.2.2 section 7.4). */
enum { NAME_MAX_BYTES = 1000 };

static void write_value(struct buffer *out, const json_t *value, unsigned depth, bool in_list);

static void indent(struct buffer *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) {
        buffer_add_text(out, "  ");
    }
}

/* Characters that YAML does not count as printable, or takes for a line break. */
static bool is_odd_at(struct slice text, size_t at)
{
    unsigned char c = (unsigned char)text.data[at];
    struct slice rest = slice_from(text, at);
    if (c < 0x20 || c == 0x7f) {
        return true;
    }
    if (c == 0xc2) {
        return rest.len > 1 && (unsigned char)rest.data[1] < 0xa0;
    }
    return slice_starts(rest, SLICE("\xe2\x80\xa8")) || slice_starts(rest, SLICE("\xe2\x80\xa9")) ||
           slice_starts(rest, SLICE("\xef\xbb\xbf")) || slice_starts(rest, SLICE("\xef\xbf\xbe")) ||
           slice_starts(rest, SLICE("\xef\xbf\xbf"));
}

static bool is_printable(struct slice text, bool lines)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_odd_at(text, i) && !(lines && text.data[i] == '\n')) {
            return false;
        }
    }
    return true;
}

/* May stand without quotes, in block style. TEXT is printable and has one line. */
static bool is_plain(struct slice text)
{
    if (text.len == 0 || yaml_plain_type(text) != YAML_STRING || yaml_is_old_word(text)) {
        return false;
    }
    char first = text.data[0], last = text.data[text.len - 1];
    if (strchr("-?:,[]{}#&*!|>'\"%@` =<", first) != NULL || last == ' ' || last == ':') {
        return false;
    }
    if (slice_starts(text, SLICE("...")) || slice_starts(text, SLICE("---"))) {
        return false;
    }
    return slice_find_slice(text, SLICE(": ")) < 0 && slice_find_slice(text, SLICE(" #")) < 0;
}

static void write_single_quoted(struct buffer *out, struct slice text)
{
    buffer_add_byte(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\'') {
            buffer_add_byte(out, '\'');
        }
        buffer_add_byte(out, text.data[i]);
    }
    buffer_add_byte(out, '\'');
}

/* \u escapes for what is odd: all of it is within 16 bits. */
static void write_double_quoted(struct buffer *out, struct slice text)
{
    buffer_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char *at = (const unsigned char *)text.data + i;
        if (*at == '"' || *at == '\\') {
            buffer_printf(out, "\\%c", *at);
        } else if (*at == '\n') {
            buffer_add_text(out, "\\n");
        } else if (*at == '\t') {
            buffer_add_text(out, "\\t");
        } else if (!is_odd_at(text, i)) {
            buffer_add_byte(out, (char)*at);
        } else if (*at < 0x80) {
            buffer_printf(out, "\\u%04x", *at);
        } else if (*at < 0xe0) {
            buffer_printf(out, "\\u%04x", (*at & 0x1fU) << 6 | (at[1] & 0x3fU));
            i += 1;
        } else {
            buffer_printf(out, "\\u%04x",
                          (*at & 0xfU) << 12 | (at[1] & 0x3fU) << 6 | (at[2] & 0x3fU));
            i += 2;
        }
    }
    buffer_add_byte(out, '"');
}

/* A text of several lines that can be shown as it is. */
static bool is_block(struct slice text)
{
    if (text.len < 2 || slice_find(text, '\n') < 0 || !is_printable(text, true)) {
        return false;
    }
    char first = text.data[0];
    return first != ' ' && first != '\n' && !slice_ends(text, SLICE("\n\n")) &&
           slice_find_slice(text, SLICE(" \n")) < 0 && !slice_ends(text, SLICE(" "));
}

static void write_block(struct buffer *out, struct slice text, unsigned depth)
{
    bool ends = slice_ends(text, SLICE("\n"));
    buffer_add_text(out, ends ? "|" : "|-");
    if (ends) {
        text = slice_upto(text, text.len - 1);
    }
    struct slice line;
    while (slice_cut(&text, '\n', &line)) {
        buffer_add_byte(out, '\n');
        if (line.len > 0) {
            indent(out, depth);
            buffer_add(out, line);
        }
    }
}

static void write_text(struct buffer *out, struct slice text)
{
    if (!is_printable(text, false)) {
        write_double_quoted(out, text);
    } else if (is_plain(text)) {
        buffer_add(out, text);
    } else {
        write_single_quoted(out, text);
    }
}

static void write_scalar(struct buffer *out, const json_t *value, unsigned depth)
{
    if (json_is_string(value)) {
        struct slice text = json_string_slice(value);
        if (depth > 0 && is_block(text)) {
            write_block(out, text, depth);
        } else {
            write_text(out, text);
        }
        return;
    }
    auto_arena arena = {0};
    buffer_add(out, json_write(&arena, value)); /* numbers, true, false, null, {} and [] */
}

static bool is_nested(const json_t *value)
{
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void write_object(struct buffer *out, const json_t *value, unsigned depth, bool in_list)
{
    json_t *object = json_unconst(value);
    bool first = true;
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        struct slice name = slice_of(json_object_iter_key(at));
        const json_t *part = json_object_iter_value(at);
        if (!first || !in_list) { /* the first one stands behind its "- " */
            indent(out, depth);
        }
        first = false;
        if (name.len > NAME_MAX_BYTES) {
            buffer_add_text(out, "? ");
            write_text(out, name);
            buffer_add_byte(out, '\n');
            indent(out, depth);
        } else {
            write_text(out, name);
        }
        buffer_add_byte(out, ':');
        if (is_nested(part)) {
            buffer_add_byte(out, '\n');
            /* Lists stand as far left as their name, as kubectl and gcloud have it. */
            write_value(out, part, json_is_array(part) ? depth : depth + 1, false);
            continue;
        }
        buffer_add_byte(out, ' ');
        write_scalar(out, part, depth + 1);
        buffer_add_byte(out, '\n');
    }
}

static void write_list(struct buffer *out, const json_t *value, unsigned depth, bool in_list)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (i > 0 || !in_list) {
            indent(out, depth);
        }
        buffer_add_text(out, "- ");
        write_value(out, json_array_get(value, i), depth + 1, true);
    }
}

/* IN_LIST: the cursor stands behind "- ", and not at the start of a line. */
static void write_value(struct buffer *out, const json_t *value, unsigned depth, bool in_list)
{
    if (!is_nested(value)) {
        write_scalar(out, value, depth);
        buffer_add_byte(out, '\n');
    } else if (json_is_object(value)) {
        write_object(out, value, depth, in_list);
    } else {
        write_list(out, value, depth, in_list);
    }
}

struct slice yaml_write(struct arena *arena, const json_t *value)
{
    struct buffer out = BUFFER_INIT(SIZE_MAX / 4);
    write_value(&out, value, 0, false);
    struct slice text = arena_slice(arena, buffer_slice(&out));
    buffer_done(&out);
    return text;
}
