/*
 * YAML 1.2.2 to JSON values, by descent: a node knows the column of the collection around it, and
 * what stands further to the right belongs to it. Depth, values and names are counted before
 * anything is built of them, and no byte is looked at more than a few times, so that time and
 * memory are bounded by the length of the text (tests/e2e/cost.py). Of YAML are left out: %TAG,
 * tags but those of JSON's types, names that are no texts, merge keys, and more than one document.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "codec/inside.h"
#include "codec/yaml_scalar.h"
#include "codec/yaml_text.h"

enum {
    INPUT_MAX = 1 << 20,
    ALIAS_NODES_MAX = 10000,
};

struct reader {
    struct yaml_cursor cursor;
    struct arena arena;
    struct map *anchors; /* name → value, which the map holds a reference on */
    int depth;
    size_t values, values_max;
    size_t alias_nodes;
    struct error *err;
};

/* What may stand in front of a node. */
struct properties {
    struct slice anchor, tag; /* .data NULL: none */
};

static json_t *refuse_at(struct reader *reader, const struct yaml_cursor *place, const char *why)
{
    yaml_refuse(reader->err, place, why);
    return NULL;
}

static json_t *refuse(struct reader *reader, const char *why)
{
    return refuse_at(reader, &reader->cursor, why);
}

/* ---- properties: anchors and tags ---- */

static bool property_at(const struct yaml_cursor *cursor)
{
    return yaml_is_at(cursor, 0, '&') || yaml_is_at(cursor, 0, '!');
}

/* An anchor's name or a tag, with its first character. */
static struct slice word_take(struct yaml_cursor *cursor)
{
    const char *start = cursor->at;
    bool verbatim = yaml_is_at(cursor, 0, '!') && yaml_is_at(cursor, 1, '<');
    while (!yaml_blank_ahead(cursor, 0) && (verbatim || !yaml_is_flow_indicator(*cursor->at))) {
        cursor->at++;
    }
    return (struct slice){start, (size_t)(cursor->at - start)};
}

static bool properties_read(struct reader *reader, struct properties *out)
{
    struct yaml_cursor *cursor = &reader->cursor;
    while (property_at(cursor)) {
        struct slice *place = *cursor->at == '&' ? &out->anchor : &out->tag;
        struct yaml_cursor start = *cursor;
        if (place->data != NULL) {
            return yaml_refuse(reader->err, cursor, "a second anchor or tag of one value");
        }
        *place = word_take(cursor);
        if (*place->data == '&') {
            *place = slice_from(*place, 1);
            if (place->len == 0) {
                return yaml_refuse(reader->err, &start, "an anchor without a name");
            }
        }
        yaml_skip_blanks(cursor);
    }
    return true;
}

/* Tags say what is known anyway; all that is of use is !!str before what looks like something else.
 */
static bool tag_check(struct reader *reader, const struct properties *properties,
                      const struct yaml_cursor *place, const char *type)
{
    struct slice tag = properties->tag, core = SLICE("!<tag:yaml.org,2002:");
    if (tag.data == NULL || slice_is(tag, "!")) {
        return true;
    }
    if (slice_starts(tag, core) && slice_ends(tag, SLICE(">"))) {
        tag = slice_from(slice_upto(tag, tag.len - 1), core.len);
    } else if (slice_starts(tag, SLICE("!!"))) {
        tag = slice_from(tag, 2);
    } else {
        tag = SLICE_NONE;
    }
    return slice_is(tag, type) || yaml_refuse(reader->err, place, "this tag is not supported");
}

static json_t *anchored(struct reader *reader, const struct properties *properties, json_t *value)
{
    if (value != NULL && properties->anchor.data != NULL) {
        json_decref(map_put(reader->anchors, properties->anchor, json_incref(value)));
    }
    return value;
}

/* ---- what is counted ---- */

static bool value_count(struct reader *reader)
{
    char why[64];
    if (++reader->values <= reader->values_max) {
        return true;
    }
    snprintf(why, sizeof(why), "more than %zu values", reader->values_max);
    return yaml_refuse(reader->err, &reader->cursor, why);
}

/* Before a collection whose first character is at PLACE. */
static bool enter(struct reader *reader, const struct yaml_cursor *place)
{
    if (reader->depth == CODEC_DEPTH_MAX) {
        return yaml_refuse(reader->err, place, "more than 64 levels deep");
    }
    reader->depth++;
    return value_count(reader);
}

/* Behind it. Takes VALUE, which is given back unless BROKEN. */
static json_t *leave(struct reader *reader, json_t *value, bool broken)
{
    reader->depth--;
    if (broken) {
        json_decref(value);
        return NULL;
    }
    return value;
}

/* ---- scalars, aliases and names ---- */

static json_t *scalar_value(struct reader *reader, const struct yaml_scalar *scalar,
                            const struct properties *properties)
{
    struct slice text = scalar->text;
    bool string = !scalar->plain || properties->tag.data != NULL;
    if (!tag_check(reader, properties, &scalar->place, "str") || !value_count(reader)) {
        return NULL;
    }
    if (slice_find(text, '\0') >= 0) {
        return refuse_at(reader, &scalar->place, "a NUL character is not allowed");
    }
    enum yaml_type type = string ? YAML_STRING : yaml_plain_type(text);
    json_t *value = yaml_plain_value(text, type);
    if (value == NULL) {
        return refuse_at(reader, &scalar->place,
                         type == YAML_STRING ? "this is not UTF-8"
                                             : "this number is out of range; a text needs quotes");
    }
    return anchored(reader, properties, value);
}

static json_t *empty_value(struct reader *reader, const struct properties *properties)
{
    struct yaml_scalar nothing = {.place = reader->cursor, .text = SLICE(""), .plain = true};
    return scalar_value(reader, &nothing, properties);
}

/* Nodes of VALUE, and how deep it is; stops counting once over MAX. */
static size_t measure(const json_t *value, size_t max, int depth, int *deepest)
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

static json_t *alias_value(struct reader *reader, const struct properties *properties)
{
    struct yaml_cursor place = reader->cursor;
    struct slice name = slice_from(word_take(&reader->cursor), 1);
    const json_t *value = map_find(reader->anchors, name);
    int deepest = 0;
    place.at++;
    if (properties->anchor.data != NULL || properties->tag.data != NULL) {
        return refuse_at(reader, &place, "an alias has no anchor or tag of its own");
    }
    if (value == NULL) {
        return refuse_at(reader, &place, "an alias of an anchor that is not known here");
    }
    reader->alias_nodes += measure(value, ALIAS_NODES_MAX, 0, &deepest);
    if (reader->alias_nodes > ALIAS_NODES_MAX) {
        return refuse_at(reader, &place, "aliases stand for more than 10000 values");
    }
    if (reader->depth + deepest > CODEC_DEPTH_MAX) {
        return refuse_at(reader, &place, "more than 64 levels deep");
    }
    return json_deep_copy(value);
}

/* Whether SCALAR can be the next name of OBJECT. */
static bool name_check(struct reader *reader, const json_t *object,
                       const struct yaml_scalar *scalar, const struct properties *properties)
{
    struct slice text = scalar->text;
    bool plain = scalar->plain && properties->tag.data == NULL;
    const char *why = NULL;
    if (!tag_check(reader, properties, &scalar->place, "str")) {
        return false;
    }
    if (plain && slice_is(text, "<<")) {
        why = "merge keys (\"<<\") are not supported";
    } else if (plain && yaml_plain_type(text) == YAML_NULL) {
        why = "a name is missing";
    } else if (slice_find(text, '\0') >= 0) {
        why = "a NUL character is not allowed";
    } else if (json_object_getn(object, text.data, text.len) != NULL) {
        why = arena_printf(&reader->arena, "the name \"%.*s\" is given twice",
                           SLICE_ARG(slice_upto(text, 200)));
    }
    return why == NULL || yaml_refuse(reader->err, &scalar->place, why);
}

/* Takes VALUE, which may be NULL. */
static bool member_put(struct reader *reader, json_t *object, const struct yaml_scalar *name,
                       json_t *value)
{
    return value != NULL &&
           (json_object_setn_new(object, name->text.data, name->text.len, value) == 0 ||
            yaml_refuse(reader->err, &name->place, "this is not UTF-8"));
}

/* A plain text or one in quotes. */
static bool scalar_read(struct reader *reader, const struct yaml_context *context,
                        struct yaml_scalar *out)
{
    struct yaml_cursor *cursor = &reader->cursor;
    if (yaml_is_at(cursor, 0, '"') || yaml_is_at(cursor, 0, '\'')) {
        return yaml_quoted(cursor, &reader->arena, out, reader->err);
    }
    return yaml_plain(cursor, context, &reader->arena, out, reader->err);
}

/* ---- flow collections (YAML 1.2.2 section 7.4) ---- */

static json_t *flow_value(struct reader *reader);

static const struct yaml_context in_flow = {.parent = -1, .flow = true};

/* To the next token within brackets; false, and refused, if the document ends before. */
static bool flow_skip(struct reader *reader)
{
    yaml_skip(&reader->cursor);
    return !yaml_document_ends(&reader->cursor) ||
           yaml_refuse(reader->err, &reader->cursor, "a bracket is not closed");
}

/* ':' behind a name: in flow a quoted one needs no blank behind it, as in JSON. */
static bool flow_colon_at(const struct yaml_cursor *cursor, bool plain)
{
    return plain ? yaml_colon_at(cursor, true) : yaml_is_at(cursor, 0, ':');
}

/* What stands in place of a value, if nothing does. */
static bool flow_value_ends(const struct yaml_cursor *cursor)
{
    return yaml_is_at(cursor, 0, ',') || yaml_is_at(cursor, 0, ']') || yaml_is_at(cursor, 0, '}');
}

/* Over the ',' between two entries, or up to CLOSE. */
static bool flow_next(struct reader *reader, char close)
{
    if (!flow_skip(reader)) {
        return false;
    }
    if (yaml_is_at(&reader->cursor, 0, ',')) {
        reader->cursor.at++;
        return true;
    }
    return yaml_is_at(&reader->cursor, 0, close) ||
           yaml_refuse(reader->err, &reader->cursor,
                       close == ']' ? "a , or ] is missing" : "a , or } is missing");
}

/* A name, and its value if it has one, into OBJECT. */
static bool flow_member(struct reader *reader, json_t *object, const struct yaml_scalar *name,
                        const struct properties *properties)
{
    static const struct properties none;
    if (!name_check(reader, object, name, properties) || !flow_skip(reader)) {
        return false;
    }
    if (!flow_colon_at(&reader->cursor, name->plain)) {
        return member_put(reader, object, name, empty_value(reader, &none));
    }
    reader->cursor.at++;
    return member_put(reader, object, name, flow_value(reader));
}

static bool name_starts(struct reader *reader)
{
    char c = *reader->cursor.at;
    if (c == '[' || c == '{' || c == '*') {
        return yaml_refuse(reader->err, &reader->cursor, "a name must be a scalar");
    }
    return !yaml_colon_at(&reader->cursor, true) ||
           yaml_refuse(reader->err, &reader->cursor, "a name is missing");
}

static bool flow_mapping_entry(struct reader *reader, json_t *object)
{
    struct properties properties = {0};
    struct yaml_scalar name;
    if (yaml_indicator_at(&reader->cursor, '?')) {
        reader->cursor.at++;
        if (!flow_skip(reader)) {
            return false;
        }
    }
    return properties_read(reader, &properties) && flow_skip(reader) && name_starts(reader) &&
           scalar_read(reader, &in_flow, &name) && flow_member(reader, object, &name, &properties);
}

/* "a: b" within [] is a mapping with one name. */
static json_t *flow_pair(struct reader *reader, const struct yaml_scalar *name,
                         const struct properties *properties)
{
    if (!enter(reader, &name->place)) {
        return NULL;
    }
    json_t *object = json_object();
    return leave(reader, object, !flow_member(reader, object, name, properties));
}

static json_t *flow_entry(struct reader *reader)
{
    struct properties properties = {0};
    struct yaml_scalar scalar;
    struct yaml_cursor start = reader->cursor;
    if (yaml_indicator_at(&start, '?')) {
        return refuse(reader, "a name with ? stands in {} alone");
    }
    if (!properties_read(reader, &properties) || !flow_skip(reader)) {
        return NULL;
    }
    char c = *reader->cursor.at;
    if (c == '[' || c == '{' || c == '*' || flow_value_ends(&reader->cursor)) {
        reader->cursor = start;
        json_t *value = flow_value(reader);
        if (value != NULL) {
            yaml_skip_blanks(&reader->cursor);
        }
        if (value != NULL && flow_colon_at(&reader->cursor, false)) {
            json_decref(value);
            return refuse_at(reader, &start, "a name must be a scalar");
        }
        return value;
    }
    if (!name_starts(reader) || !scalar_read(reader, &in_flow, &scalar)) {
        return NULL;
    }
    yaml_skip_blanks(&reader->cursor);
    return flow_colon_at(&reader->cursor, scalar.plain)
               ? flow_pair(reader, &scalar, &properties)
               : scalar_value(reader, &scalar, &properties);
}

static json_t *flow_collection(struct reader *reader, const struct properties *properties)
{
    struct yaml_cursor *cursor = &reader->cursor;
    bool list = *cursor->at == '[';
    char close = list ? ']' : '}';
    if (!tag_check(reader, properties, cursor, list ? "seq" : "map") || !enter(reader, cursor)) {
        return NULL;
    }
    cursor->at++;
    json_t *value = list ? json_array() : json_object();
    bool good = flow_skip(reader);
    while (good && !yaml_is_at(cursor, 0, close)) {
        if (list) {
            json_t *entry = yaml_is_at(cursor, 0, ',') ? refuse(reader, "a value is missing")
                                                       : flow_entry(reader);
            good = entry != NULL && json_array_append_new(value, entry) == 0;
        } else {
            good = flow_mapping_entry(reader, value);
        }
        good = good && flow_next(reader, close) && flow_skip(reader);
    }
    if (good) {
        cursor->at++;
    }
    /* Known from here on only: what contains an alias of itself is unknown, not endless. */
    return anchored(reader, properties, leave(reader, value, !good));
}

static json_t *flow_value(struct reader *reader)
{
    struct properties properties = {0};
    struct yaml_scalar scalar;
    if (!flow_skip(reader) || !properties_read(reader, &properties) || !flow_skip(reader)) {
        return NULL;
    }
    if (flow_value_ends(&reader->cursor)) {
        return empty_value(reader, &properties);
    }
    switch (*reader->cursor.at) {
    case '[':
    case '{':
        return flow_collection(reader, &properties);
    case '*':
        return alias_value(reader, &properties);
    default:
        return scalar_read(reader, &in_flow, &scalar) ? scalar_value(reader, &scalar, &properties)
                                                      : NULL;
    }
}

/* ---- block collections (YAML 1.2.2 section 8.2) ---- */

/* What a place in a block asks of the node in it. */
struct place {
    int parent;    /* column of the collection around it; -1: none */
    bool compact;  /* a collection may begin on this line: behind "- " */
    bool list_too; /* a list may stand at the column of its parent: behind "name:" */
};

static json_t *block_value(struct reader *reader, struct place place);

/*
 * Behind an entry of a collection at COLUMN: whether another one follows. False in *more also where
 * the collection ends. False if something stands where nothing may.
 */
static bool block_next(struct reader *reader, int column, bool *more)
{
    struct yaml_cursor *cursor = &reader->cursor;
    yaml_skip(cursor);
    *more = false;
    if (yaml_document_ends(cursor)) {
        return true;
    }
    if (!yaml_is_first(cursor)) {
        return yaml_refuse(reader->err, cursor, "this does not belong here");
    }
    if (cursor->tab) {
        return yaml_refuse(reader->err, cursor, "a tab indents nothing");
    }
    if (yaml_column(cursor) > column) {
        return yaml_refuse(reader->err, cursor, "this is indented further than what it follows");
    }
    *more = yaml_column(cursor) == column;
    return true;
}

static json_t *block_sequence(struct reader *reader, const struct properties *properties)
{
    struct yaml_cursor *cursor = &reader->cursor;
    int column = yaml_column(cursor);
    if (!tag_check(reader, properties, cursor, "seq") || !enter(reader, cursor)) {
        return NULL;
    }
    json_t *list = json_array();
    bool good = true, more = true;
    while (good && more) {
        cursor->at++;
        json_t *value = block_value(reader, (struct place){.parent = column, .compact = true});
        good = value != NULL && json_array_append_new(list, value) == 0 &&
               block_next(reader, column, &more);
        more = more && yaml_indicator_at(cursor, '-');
    }
    return anchored(reader, properties, leave(reader, list, !good));
}

/* A name and the ':' behind it; with '?' in front the ':' may be on the next line, or missing. */
static bool block_name(struct reader *reader, int column, struct yaml_scalar *name,
                       struct properties *properties, bool *has_value)
{
    struct yaml_cursor *cursor = &reader->cursor;
    struct yaml_context context = {.parent = column};
    bool asked = yaml_indicator_at(cursor, '?'), more = true;
    if (asked) {
        cursor->at++;
        yaml_skip_blanks(cursor);
    }
    if (!properties_read(reader, properties)) {
        return false;
    }
    if (yaml_line_is_over(cursor)) {
        return yaml_refuse(reader->err, cursor, "a name is missing");
    }
    if (yaml_indicator_at(cursor, '-') || yaml_indicator_at(cursor, '?')) {
        return yaml_refuse(reader->err, cursor, "a name must be a scalar");
    }
    if (!name_starts(reader) || !scalar_read(reader, &context, name)) {
        return false;
    }
    yaml_skip_blanks(cursor);
    *has_value = yaml_colon_at(cursor, false);
    if (asked && !*has_value) {
        if (!block_next(reader, column, &more)) {
            return false;
        }
        *has_value = more && yaml_colon_at(cursor, false);
        return true;
    }
    return (*has_value && name->one_line) ||
           yaml_refuse(reader->err, &name->place, "the : behind a name is missing");
}

/* At its first name: COLUMN is that of what stands in front of the name, if anything does. */
static json_t *block_mapping(struct reader *reader, int column, const struct yaml_cursor *start,
                             const struct properties *properties)
{
    struct yaml_cursor *cursor = &reader->cursor;
    if (!tag_check(reader, properties, start, "map") || !enter(reader, start)) {
        return NULL;
    }
    json_t *object = json_object();
    bool good = true, more = true;
    *cursor = *start;
    while (good && more) {
        struct properties own = {0};
        struct yaml_scalar name;
        bool has_value = false;
        good = block_name(reader, column, &name, &own, &has_value) &&
               name_check(reader, object, &name, &own);
        if (good && has_value) {
            cursor->at++;
            struct place place = {.parent = column, .list_too = true};
            good = member_put(reader, object, &name, block_value(reader, place)) &&
                   block_next(reader, column, &more);
        } else if (good) {
            static const struct properties none;
            good = member_put(reader, object, &name, empty_value(reader, &none));
            more = yaml_is_first(cursor) && yaml_column(cursor) == column &&
                   !yaml_document_ends(cursor);
        }
    }
    return anchored(reader, properties, leave(reader, object, !good));
}

/* At a token that is on the line of its place: is it deep enough to be in it? */
static bool belongs(const struct reader *reader, const struct place *place)
{
    const struct yaml_cursor *cursor = &reader->cursor;
    if (yaml_document_ends(cursor)) {
        return false;
    }
    int column = yaml_column(cursor);
    return !yaml_is_first(cursor) || column > place->parent ||
           (place->list_too && column == place->parent && yaml_indicator_at(cursor, '-'));
}

/* The properties IN_FRONT, which begin at START, are the node's. */
static bool merge(struct reader *reader, struct properties *of_node,
                  const struct properties *in_front, const struct yaml_cursor *start)
{
    if ((in_front->anchor.data != NULL && of_node->anchor.data != NULL) ||
        (in_front->tag.data != NULL && of_node->tag.data != NULL)) {
        return yaml_refuse(reader->err, start, "a second anchor or tag of one value");
    }
    of_node->anchor = in_front->anchor.data != NULL ? in_front->anchor : of_node->anchor;
    of_node->tag = in_front->tag.data != NULL ? in_front->tag : of_node->tag;
    return true;
}

/*
 * To the token that the node at PLACE begins with. Properties that are alone on their line are the
 * node's, and go to OF_NODE; those in front of something stay where they are, at *start, as they
 * may be a name's. *found is false if there is no token: the node is empty.
 */
static bool node_find(struct reader *reader, struct place *place, struct properties *of_node,
                      struct properties *in_front, struct yaml_cursor *start, bool *found)
{
    struct yaml_cursor *cursor = &reader->cursor;
    for (;;) {
        yaml_skip(cursor);
        *found = belongs(reader, place);
        if (!*found) {
            return true;
        }
        if (yaml_is_first(cursor) && cursor->tab && place->parent >= 0) {
            return yaml_refuse(reader->err, cursor, "a tab indents nothing");
        }
        place->compact |= yaml_is_first(cursor);
        *start = *cursor;
        *in_front = (struct properties){0};
        if (!properties_read(reader, in_front)) {
            return false;
        }
        if (!yaml_line_is_over(cursor)) {
            return true;
        }
        if (!merge(reader, of_node, in_front, start)) {
            return false;
        }
    }
}

/* Whether a collection may begin at START. */
static bool collection_fits(struct reader *reader, const struct place *place,
                            const struct yaml_cursor *start)
{
    if (!place->compact) {
        return yaml_refuse(reader->err, start,
                           "a list or mapping begins on a line of its own, or behind \"- \"");
    }
    return !start->tab || yaml_refuse(reader->err, start, "a tab indents nothing");
}

/* What cannot be the name of a mapping: refused if ':' makes it one. Takes VALUE. */
static json_t *no_name(struct reader *reader, const struct yaml_cursor *start, json_t *value)
{
    if (value == NULL) {
        return NULL;
    }
    yaml_skip_blanks(&reader->cursor);
    if (yaml_colon_at(&reader->cursor, false)) {
        json_decref(value);
        return refuse_at(reader, start, "a name must be a scalar");
    }
    return value;
}

/* A text, or a mapping whose first name it is. */
static json_t *text_or_mapping(struct reader *reader, const struct place *place,
                               const struct yaml_cursor *start, struct properties *of_node,
                               const struct properties *in_front)
{
    struct yaml_context context = {.parent = place->parent};
    struct yaml_scalar scalar;
    if (yaml_colon_at(&reader->cursor, false)) {
        return refuse(reader, "a name is missing");
    }
    if (!scalar_read(reader, &context, &scalar)) {
        return NULL;
    }
    yaml_skip_blanks(&reader->cursor);
    if (!yaml_colon_at(&reader->cursor, false)) {
        return merge(reader, of_node, in_front, start) ? scalar_value(reader, &scalar, of_node)
                                                       : NULL;
    }
    return collection_fits(reader, place, start)
               ? block_mapping(reader, yaml_column(start), start, of_node)
               : NULL;
}

static json_t *block_value(struct reader *reader, struct place place)
{
    struct yaml_cursor *cursor = &reader->cursor, start;
    struct properties of_node = {0}, in_front = {0};
    struct yaml_scalar scalar;
    bool found;
    if (!node_find(reader, &place, &of_node, &in_front, &start, &found)) {
        return NULL;
    }
    if (!found) {
        return empty_value(reader, &of_node);
    }
    if (yaml_indicator_at(cursor, '-') || yaml_indicator_at(cursor, '?')) {
        if (!collection_fits(reader, &place, &start)) {
            return NULL;
        }
        if (start.at != cursor->at) {
            return refuse(reader,
                          "an anchor or tag of a list or mapping stands on a line of its own");
        }
        return *cursor->at == '-' ? block_sequence(reader, &of_node)
                                  : block_mapping(reader, yaml_column(&start), &start, &of_node);
    }
    switch (*cursor->at) {
    case '|':
    case '>':
        return merge(reader, &of_node, &in_front, &start) &&
                       yaml_block(cursor, &(struct yaml_context){.parent = place.parent},
                                  &reader->arena, &scalar, reader->err)
                   ? scalar_value(reader, &scalar, &of_node)
                   : NULL;
    case '[':
    case '{':
        return merge(reader, &of_node, &in_front, &start)
                   ? no_name(reader, &start, flow_collection(reader, &of_node))
                   : NULL;
    case '*':
        return merge(reader, &of_node, &in_front, &start)
                   ? no_name(reader, &start, alias_value(reader, &of_node))
                   : NULL;
    default:
        return text_or_mapping(reader, &place, &start, &of_node, &in_front);
    }
}

/* ---- the whole ---- */

/* Directives, and the "---" that has to follow them. */
static bool directives_skip(struct reader *reader)
{
    struct yaml_cursor *cursor = &reader->cursor;
    bool any = false;
    yaml_skip(cursor);
    while (cursor->at == cursor->line_start && yaml_is_at(cursor, 0, '%')) {
        const char *over = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));
        struct slice line = {cursor->at,
                             (size_t)((over == NULL ? cursor->end : over) - cursor->at)};
        if (slice_starts(line, SLICE("%TAG"))) {
            return yaml_refuse(reader->err, cursor, "%TAG is not supported");
        }
        cursor->at += line.len;
        yaml_skip(cursor);
        any = true;
    }
    if (yaml_marker_at(cursor, "---")) {
        cursor->at += 3;
        return true;
    }
    return !any || yaml_refuse(reader->err, cursor, "a --- is missing behind what begins with %");
}

static json_t *document_read(struct reader *reader)
{
    struct yaml_cursor *cursor = &reader->cursor, front = *cursor;
    yaml_skip(cursor);
    while (yaml_marker_at(cursor, "...")) {
        cursor->at += 3;
        yaml_skip(cursor);
    }
    if (cursor->at == cursor->end) {
        return refuse_at(reader, &front, "the text is empty");
    }
    if (!directives_skip(reader)) {
        return NULL;
    }
    json_t *value = block_value(reader, (struct place){.parent = -1});
    bool ended = false;
    while (value != NULL) {
        yaml_skip(cursor);
        const char *why = NULL;
        if (cursor->at == cursor->end) {
            return value;
        }
        if (yaml_marker_at(cursor, "...")) {
            ended = true;
            cursor->at += 3;
            why = yaml_line_is_over(cursor) ? NULL : "this does not belong here";
        } else {
            why = ended || yaml_marker_at(cursor, "---") ? "more than one document"
                                                         : "this does not belong here";
        }
        if (why != NULL) {
            json_decref(value);
            return refuse(reader, why);
        }
    }
    return NULL;
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

/* All of the text is characters, and those that YAML has. */
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

/* A copy whose lines end with '\n', whatever ended them (YAML 1.2.2 section 5.4). */
static struct slice lines_of(struct arena *arena, struct slice text)
{
    char *copy = arena_alloc(arena, text.len + 1), *to = copy;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\r' && i + 1 < text.len && text.data[i + 1] == '\n') {
            continue;
        }
        *to++ = c == '\r' ? '\n' : c;
    }
    return (struct slice){copy, (size_t)(to - copy)};
}

json_t *yaml_read(struct slice text, struct error *err)
{
    return yaml_read_at_most(text, CODEC_VALUES_MAX, err);
}

json_t *yaml_read_at_most(struct slice text, size_t values_max, struct error *err)
{
    struct reader reader = {.values_max = values_max, .err = err};
    if (text.len == 0) {
        error_set(err, STATUS_INVALID_ARGUMENT, "YAML, line 1, column 1: the text is empty.");
        return NULL;
    }
    if (text.len > INPUT_MAX) {
        error_set(err, STATUS_INVALID_ARGUMENT, "YAML: more than 1 MiB.");
        return NULL;
    }
    if (!text_check(text, err)) {
        return NULL;
    }
    reader.cursor = yaml_cursor_of(lines_of(&reader.arena, text));
    reader.anchors = map_new();
    json_t *value = document_read(&reader);
    anchors_free(reader.anchors);
    arena_done(&reader.arena);
    return value;
}
