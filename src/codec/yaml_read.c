/*
 * YAML to JSON values, from libfyaml's events: no document tree of its own, so that depth, aliases
 * and names are counted and checked while they come, before anything has been built of them.
 */
#include <libfyaml.h>
#include <stdlib.h>

#include "base/map.h"
#include "codec/inside.h"
#include "codec/yaml_quoted.h"
#include "codec/yaml_scalar.h"

enum {
    INPUT_MAX = 1 << 20,
    ALIAS_NODES_MAX = 10000,
};

/* A collection that is still open. */
struct level {
    json_t *value; /* owned */
    json_t *key;   /* of a mapping, once its key has come; owned */
    const char *anchor;
};

struct reader {
    struct fy_parser *parser;
    struct slice text;
    struct arena arena;
    struct map *anchors; /* name → value, which the map holds a reference on */
    struct level levels[CODEC_DEPTH_MAX];
    size_t depth;
    json_t *root;
    unsigned documents;
    size_t alias_nodes;
    struct error *err;
};

static bool refuse_at(struct reader *reader, struct fy_event *event, const char *why)
{
    const struct fy_mark *mark = event == NULL ? NULL : fy_event_start_mark(event);
    return error_set(reader->err, STATUS_INVALID_ARGUMENT, "YAML, line %d, column %d: %s.",
                     mark == NULL ? 1 : mark->line + 1, mark == NULL ? 1 : mark->column + 1, why);
}

static struct slice token_text(struct fy_token *token)
{
    size_t len = 0;
    const char *text = token == NULL ? NULL : fy_token_get_text(token, &len);
    return text == NULL ? SLICE("") : (struct slice){text, len};
}

/* The source between the quotes of TOKEN; false if they do not stand where they should. */
static bool quoted_source(const struct reader *reader, struct fy_token *token, char quote,
                          struct slice *out)
{
    const struct fy_mark *start = fy_token_start_mark(token), *end = fy_token_end_mark(token);
    struct slice text = reader->text;
    if (start == NULL || end == NULL || start->input_pos == 0 ||
        start->input_pos > end->input_pos || end->input_pos >= text.len ||
        text.data[start->input_pos - 1] != quote || text.data[end->input_pos] != quote) {
        return false;
    }
    *out = slice_from(slice_upto(text, end->input_pos), start->input_pos);
    return true;
}

static bool anchor_put(struct reader *reader, const char *name, json_t *value)
{
    if (name != NULL) {
        json_decref(map_put(reader->anchors, slice_of(name), json_incref(value)));
    }
    return true;
}

static const char *anchor_name(struct reader *reader, struct fy_token *token)
{
    return token == NULL ? NULL : arena_string(&reader->arena, token_text(token));
}

/* ---- putting values in their place ---- */

/* True if the next value is the key of a mapping. */
static bool wants_key(const struct reader *reader)
{
    if (reader->depth == 0) {
        return false;
    }
    const struct level *top = &reader->levels[reader->depth - 1];
    return json_is_object(top->value) && top->key == NULL;
}

/* Takes VALUE. */
static void put(struct reader *reader, json_t *value)
{
    if (reader->depth == 0) {
        reader->root = value;
        return;
    }
    struct level *top = &reader->levels[reader->depth - 1];
    if (json_is_array(top->value)) {
        json_array_append_new(top->value, value);
        return;
    }
    struct slice key = json_string_slice(top->key);
    json_object_setn_new(top->value, key.data, key.len, value);
    json_decref(top->key);
    top->key = NULL;
}

static bool put_key(struct reader *reader, struct fy_event *event, struct slice text, bool plain)
{
    struct level *top = &reader->levels[reader->depth - 1];
    if (plain && slice_is(text, "<<")) {
        return refuse_at(reader, event, "merge keys (\"<<\") are not supported");
    }
    if (plain && yaml_plain_type(text) == YAML_NULL) {
        return refuse_at(reader, event, "a name is missing");
    }
    top->key = slice_find(text, '\0') >= 0 ? NULL : json_stringn(text.data, text.len);
    if (top->key == NULL) {
        return refuse_at(reader, event, "a NUL character, or what is not UTF-8, is not allowed");
    }
    if (json_object_getn(top->value, text.data, text.len) != NULL) {
        const char *why = arena_printf(&reader->arena, "the name \"%.*s\" is given twice",
                                       SLICE_ARG(slice_upto(text, 200)));
        return refuse_at(reader, event, why);
    }
    return true;
}

/* ---- events ---- */

/* Tags say what is known anyway; all that is of use is !!str before what looks like something else.
 */
static bool tag_read(struct reader *reader, struct fy_event *event, struct fy_token *tag,
                     const char *const *known, bool *is_string)
{
    struct slice text = token_text(tag);
    if (tag == NULL || text.len == 0) {
        return true;
    }
    if (slice_is(text, "!") || slice_is(text, "tag:yaml.org,2002:str")) {
        *is_string = true;
    }
    for (; *known != NULL; known++) {
        if (slice_is(text, *known)) {
            return true;
        }
    }
    return refuse_at(reader, event, "this tag is not supported");
}

/* The text of a scalar, and whether it stands in quotes or in a block. */
static bool scalar_text(struct reader *reader, struct fy_token *token, struct slice *out,
                        bool *quoted)
{
    enum fy_scalar_style style = token == NULL ? FYSS_PLAIN : fy_token_scalar_style(token);
    *quoted = style != FYSS_PLAIN;
    struct slice source;
    if (style == FYSS_SINGLE_QUOTED) {
        if (!quoted_source(reader, token, '\'', &source)) {
            return false;
        }
        yaml_single_quoted(&reader->arena, source, out);
        return true;
    }
    if (style == FYSS_DOUBLE_QUOTED) {
        return quoted_source(reader, token, '"', &source) &&
               yaml_double_quoted(&reader->arena, source, out);
    }
    *out = token_text(token);
    return true;
}

static bool on_scalar(struct reader *reader, struct fy_event *event)
{
    static const char *const known[] = {"!", "tag:yaml.org,2002:str", NULL};
    struct slice text;
    bool quoted;
    if (!scalar_text(reader, event->scalar.value, &text, &quoted)) {
        return refuse_at(reader, event, "these quotes could not be read");
    }
    if (!tag_read(reader, event, event->scalar.tag, known, &quoted)) {
        return false;
    }
    if (wants_key(reader)) {
        return put_key(reader, event, text, !quoted);
    }
    if (slice_find(text, '\0') >= 0) {
        return refuse_at(reader, event, "a NUL character is not allowed");
    }
    enum yaml_type type = quoted ? YAML_STRING : yaml_plain_type(text);
    json_t *value = yaml_plain_value(text, type);
    if (value == NULL) {
        return refuse_at(reader, event,
                         type == YAML_STRING ? "this is not UTF-8"
                                             : "this number is out of range; a text needs quotes");
    }
    anchor_put(reader, anchor_name(reader, event->scalar.anchor), value);
    put(reader, value);
    return true;
}

static bool on_start(struct reader *reader, struct fy_event *event, json_t *value,
                     struct fy_token *anchor, struct fy_token *tag)
{
    static const char *const known[] = {"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq",
                                        NULL};
    bool ignored = false;
    const char *why = wants_key(reader)                  ? "a name must be a scalar"
                      : reader->depth == CODEC_DEPTH_MAX ? "more than 64 levels deep"
                                                         : NULL;
    if (why != NULL || !tag_read(reader, event, tag, known, &ignored)) {
        json_decref(value);
        return why == NULL ? false : refuse_at(reader, event, why);
    }
    reader->levels[reader->depth++] =
        (struct level){.value = value, .anchor = anchor_name(reader, anchor)};
    return true;
}

static bool on_end(struct reader *reader)
{
    struct level *top = &reader->levels[--reader->depth];
    /* Known from here on only: what contains an alias of itself is unknown, not endless. */
    anchor_put(reader, top->anchor, top->value);
    put(reader, top->value);
    return true;
}

/* Nodes of VALUE, and how deep it is; stops counting once over MAX. */
static size_t measure(const json_t *value, size_t max, size_t depth, size_t *deepest)
{
    size_t count = 1;
    if (json_is_object(value) || json_is_array(value)) {
        depth++;
    }
    *deepest = depth > *deepest ? depth : *deepest;
    json_t *walked = json_unconst(value);
    for (void *at = json_object_iter(walked); at != NULL && count <= max;
         at = json_object_iter_next(walked, at)) {
        count += measure(json_object_iter_value(at), max, depth, deepest);
    }
    for (size_t i = 0; i < json_array_size(value) && count <= max; i++) {
        count += measure(json_array_get(value, i), max, depth, deepest);
    }
    return count;
}

static bool on_alias(struct reader *reader, struct fy_event *event)
{
    struct slice name = token_text(event->alias.anchor);
    const json_t *value = map_find(reader->anchors, name);
    size_t deepest = 0;
    if (wants_key(reader)) {
        return refuse_at(reader, event, "a name must be a scalar");
    }
    if (value == NULL) {
        return refuse_at(reader, event, "an alias of an anchor that is not known here");
    }
    reader->alias_nodes += measure(value, ALIAS_NODES_MAX, 0, &deepest);
    if (reader->alias_nodes > ALIAS_NODES_MAX) {
        return refuse_at(reader, event, "aliases stand for more than 10000 values");
    }
    if (reader->depth + deepest > CODEC_DEPTH_MAX) {
        return refuse_at(reader, event, "more than 64 levels deep");
    }
    put(reader, json_deep_copy(value));
    return true;
}

static bool on_event(struct reader *reader, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return ++reader->documents == 1 || refuse_at(reader, event, "more than one document");
    case FYET_SCALAR:
        return on_scalar(reader, event);
    case FYET_ALIAS:
        return on_alias(reader, event);
    case FYET_MAPPING_START:
        return on_start(reader, event, json_object(), event->mapping_start.anchor,
                        event->mapping_start.tag);
    case FYET_SEQUENCE_START:
        return on_start(reader, event, json_array(), event->sequence_start.anchor,
                        event->sequence_start.tag);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        return on_end(reader);
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        return true;
    }
    return true;
}

/* ---- the whole ---- */

/* What libfyaml has found: the first of its complaints. */
static bool refuse_syntax(struct reader *reader, struct fy_diag *diag)
{
    void *at = NULL;
    const struct fy_diag_error *fault = fy_diag_errors_iterate(diag, &at);
    if (fault == NULL || fault->msg == NULL) {
        return refuse_at(reader, NULL, "this is not YAML");
    }
    return error_set(reader->err, STATUS_INVALID_ARGUMENT, "YAML, line %d, column %d: %s.",
                     fault->line > 0 ? fault->line : 1, fault->column > 0 ? fault->column : 1,
                     fault->msg);
}

static bool read_events(struct reader *reader, struct fy_diag *diag)
{
    for (;;) {
        struct fy_event *event = fy_parser_parse(reader->parser);
        if (event == NULL) {
            break;
        }
        bool good = on_event(reader, event);
        fy_parser_event_free(reader->parser, event);
        if (!good) {
            return false;
        }
    }
    if (fy_parser_get_stream_error(reader->parser)) {
        return refuse_syntax(reader, diag);
    }
    return reader->root != NULL || refuse_at(reader, NULL, "the text is empty");
}

static void no_output(struct fy_diag *diag, void *user, const char *text, size_t len)
{
    (void)diag;
    (void)user;
    (void)text;
    (void)len;
}

static void anchors_free(struct map *anchors)
{
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(anchors, &at, &name, &value)) {
        json_decref(value);
    }
    map_free(anchors);
}

static json_t *read_all(struct reader *reader, struct slice text, struct fy_diag *diag)
{
    const struct fy_parse_cfg config = {
        .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
        .diag = diag,
    };
    reader->parser = fy_parser_create(&config);
    if (reader->parser == NULL) {
        abort(); /* out of memory */
    }
    bool good =
        fy_parser_set_string(reader->parser, text.data, text.len) == 0 && read_events(reader, diag);
    for (size_t i = 0; i < reader->depth; i++) {
        json_decref(reader->levels[i].value);
        json_decref(reader->levels[i].key);
    }
    fy_parser_destroy(reader->parser);
    if (!good) {
        json_decref(reader->root);
        return NULL;
    }
    return reader->root;
}

/* libfyaml takes a byte that is not UTF-8 for the end of the text, so none may get there. */
static bool text_check(struct slice text, struct error *err)
{
    int line = 1, column = 1;
    while (text.len > 0) {
        size_t len = utf8_len(text);
        unsigned char c = (unsigned char)text.data[0];
        if (len == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "YAML, line %d, column %d: %s.", line,
                             column,
                             len == 0 ? "this is not UTF-8"
                                      : "a control character; in double quotes it can be escaped");
        }
        column = c == '\n' ? 1 : column + 1;
        line += c == '\n';
        text = slice_from(text, len);
    }
    return true;
}

json_t *yaml_read(struct slice text, struct error *err)
{
    struct reader reader = {.text = text, .err = err};
    if (text.len == 0) {
        refuse_at(&reader, NULL, "the text is empty");
        return NULL;
    }
    if (text.len > INPUT_MAX) {
        error_set(err, STATUS_INVALID_ARGUMENT, "YAML: more than 1 MiB.");
        return NULL;
    }
    if (!text_check(text, err)) {
        return NULL;
    }
    const struct fy_diag_cfg quiet = {
        .output_fn = no_output, .level = FYET_ERROR, .module_mask = ~0U};
    struct fy_diag *diag = fy_diag_create(&quiet);
    if (diag == NULL) {
        abort(); /* out of memory */
    }
    fy_diag_set_collect_errors(diag, true);
    reader.anchors = map_new();
    json_t *value = read_all(&reader, text, diag);
    anchors_free(reader.anchors);
    arena_done(&reader.arena);
    fy_diag_destroy(diag);
    return value;
}
