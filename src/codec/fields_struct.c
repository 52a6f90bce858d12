/*
 * Structs by the same tables. A struct keeps the value that it was read from as its `source`, so
 * that writing can begin with it: nothing needs to be remembered of which fields were there, nor of
 * those that no member stands for.
 */
#include "codec/inside.h"

static const json_t *source_of(const void *part)
{
    return *(const json_t *const *)part;
}

/* Pointers of any type, without looking at one as another. */
static void *pointer_at(const void *at)
{
    void *pointer;
    memcpy(&pointer, at, sizeof(pointer));
    return pointer;
}

static void pointer_set(void *at, void *pointer)
{
    memcpy(at, &pointer, sizeof(pointer));
}

static bool ends(const struct field *row)
{
    return row->name == NULL && row->fields == NULL;
}

/* The row after ROW: a table may go on in another one. */
static const struct field *row_next(const struct field *row)
{
    row++;
    return row->name == NULL && row->fields != NULL ? row->fields : row;
}

const char *pair_find(const struct text_pair *pairs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i].name, name) == 0) {
            return pairs[i].value;
        }
    }
    return NULL;
}

/* ---- in ---- */

static const char *text_get(const struct field *row, const json_t *value)
{
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    return row->absent == NULL ? "" : row->absent;
}

static int64_t number_get(const struct field *row, const json_t *value)
{
    int64_t number;
    bool is_text = json_is_string(value);
    if (json_is_integer(value)) {
        return json_integer_value(value);
    }
    bool known =
        is_text && (row->kind == FIELD_DURATION ? duration_read(json_string_slice(value), &number)
                    : row->kind == FIELD_TIME   ? time_read(json_string_slice(value), &number)
                                                : int64_read(json_string_slice(value), &number));
    return known ? number : row->absent_whole;
}

static bool flag_get(const struct field *row, const json_t *value)
{
    return json_is_boolean(value) ? json_is_true(value) : row->absent_whole != 0;
}

static int word_get(const struct field *row, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL) {
        return (int)row->absent_whole;
    }
    for (int i = 0; row->names[i] != NULL; i++) {
        if (strcmp(row->names[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

static const char **texts_get(struct arena *arena, const json_t *list)
{
    const char **texts = arena_array(arena, const char *, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        texts[i] = text == NULL ? "" : text;
    }
    return texts;
}

static struct text_pair *pairs_get(struct arena *arena, const json_t *map)
{
    struct text_pair *pairs = arena_array(arena, struct text_pair, json_object_size(map));
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach(json_unconst(map), key, value)
    {
        pairs[i].name = key;
        pairs[i++].value = json_is_string(value) ? json_string_value(value) : "";
    }
    return pairs;
}

static void *items_get(struct arena *arena, const struct field *row, const json_t *list)
{
    char *items = arena_calloc(arena, json_array_size(list), row->size);
    for (size_t i = 0; i < json_array_size(list); i++) {
        fields_get(arena, row->fields, json_array_get(list, i), items + i * row->size);
    }
    return items;
}

static void *pointer_get(struct arena *arena, const struct field *row, const json_t *value)
{
    if (!json_is_object(value)) {
        return NULL;
    }
    void *part = arena_alloc(arena, row->size);
    fields_get(arena, row->fields, value, part);
    return part;
}

static void member_get(struct arena *arena, const struct field *row, const json_t *value,
                       char *into)
{
    void *at = into + row->at;
    size_t *count = (size_t *)(into + row->count_at);
    switch (row->as) {
    case AS_NONE:
        return;
    case AS_TEXT:
        *(const char **)at = text_get(row, value);
        return;
    case AS_FLAG:
        *(bool *)at = flag_get(row, value);
        return;
    case AS_NUMBER:
        *(int64_t *)at = number_get(row, value);
        return;
    case AS_WORD:
        *(int *)at = word_get(row, value);
        return;
    case AS_STRUCT:
        fields_get(arena, row->fields, value, at);
        return;
    case AS_POINTER:
        pointer_set(at, pointer_get(arena, row, value));
        return;
    case AS_TEXTS:
        *count = json_array_size(value);
        pointer_set(at, texts_get(arena, value));
        return;
    case AS_PAIRS:
        *count = json_object_size(value);
        pointer_set(at, pairs_get(arena, value));
        return;
    case AS_ITEMS:
        *count = json_array_size(value);
        pointer_set(at, items_get(arena, row, value));
        return;
    }
}

void *fields_get(struct arena *arena, const struct field *table, const json_t *doc, void *into)
{
    *(const json_t **)into = doc;
    for (const struct field *row = table; !ends(row); row = row_next(row)) {
        member_get(arena, row, json_object_get(doc, row->name), into);
    }
    return into;
}

/* ---- out ---- */

static json_t *number_put(const struct field *row, int64_t number)
{
    auto_arena arena = {0};
    switch (row->kind) {
    case FIELD_DURATION:
        return json_slice(duration_text(&arena, number));
    case FIELD_TIME:
        return json_slice(time_text(&arena, number));
    default:
        return json_integer(number);
    }
}

static bool same_texts(const json_t *list, const char *const *texts, size_t count)
{
    bool same = json_array_size(list) == count;
    for (size_t i = 0; same && i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        same = strcmp(text == NULL ? "" : text, texts[i]) == 0;
    }
    return same;
}

static json_t *texts_put(const char *const *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_slice(slice_of(texts[i])));
    }
    return list;
}

static bool same_pairs(const json_t *map, const struct text_pair *pairs, size_t count)
{
    bool same = json_object_size(map) == count;
    for (size_t i = 0; same && i < count; i++) {
        const json_t *value = json_object_get(map, pairs[i].name);
        same = value != NULL &&
               strcmp(json_is_string(value) ? json_string_value(value) : "", pairs[i].value) == 0;
    }
    return same;
}

static json_t *pairs_put(const struct text_pair *pairs, size_t count)
{
    json_t *map = json_object();
    for (size_t i = 0; i < count; i++) {
        json_object_set_new(map, pairs[i].name, json_slice(slice_of(pairs[i].value)));
    }
    return map;
}

/* Items were read from objects, but for what a stranger wrote: that stays as it is. */
static json_t *part_put(const struct field *row, const void *part)
{
    const json_t *source = source_of(part);
    return source == NULL || json_is_object(source) ? fields_put(row->fields, part)
                                                    : json_deep_copy(source);
}

static json_t *items_put(const struct field *row, const char *items, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, part_put(row, items + i * row->size));
    }
    return list;
}

/* Whether the member of ROW in the struct FROM is what OLD is read as. */
static bool is_same(const struct field *row, const json_t *old, const char *from)
{
    const void *at = from + row->at;
    size_t count = row->count_at == 0 ? 0 : *(const size_t *)(from + row->count_at);
    switch (row->as) {
    case AS_TEXT: {
        const char *text = pointer_at(at);
        return strcmp(text_get(row, old), text == NULL ? text_get(row, NULL) : text) == 0;
    }
    case AS_FLAG:
        return flag_get(row, old) == *(const bool *)at;
    case AS_NUMBER:
        return number_get(row, old) == *(const int64_t *)at;
    case AS_WORD:
        return word_get(row, old) == *(const int *)at;
    case AS_TEXTS:
        return same_texts(old, pointer_at(at), count);
    case AS_PAIRS:
        return same_pairs(old, pointer_at(at), count);
    case AS_POINTER:
        return pointer_at(at) == NULL && !json_is_object(old);
    case AS_ITEMS:
        return count == 0 && json_array_size(old) == 0;
    case AS_STRUCT:
        return false; /* it has a source of its own */
    case AS_NONE:
        break;
    }
    return true;
}

/* A struct that is always there is not written if nothing is in it. */
static json_t *inside_put(const struct field *row, const json_t *old, const void *part)
{
    json_t *value = part_put(row, part);
    if (old == NULL && json_object_size(value) == 0) {
        json_decref(value);
        return NULL;
    }
    return value;
}

static json_t *value_put(const struct field *row, const char *from)
{
    const void *at = from + row->at;
    size_t count = row->count_at == 0 ? 0 : *(const size_t *)(from + row->count_at);
    switch (row->as) {
    case AS_TEXT:
        return json_slice(slice_of(pointer_at(at)));
    case AS_FLAG:
        return json_boolean(*(const bool *)at);
    case AS_NUMBER:
        return number_put(row, *(const int64_t *)at);
    case AS_WORD:
        return *(const int *)at < 0 ? NULL : json_string(row->names[*(const int *)at]);
    case AS_POINTER:
        return part_put(row, pointer_at(at));
    case AS_TEXTS:
        return texts_put(pointer_at(at), count);
    case AS_PAIRS:
        return pairs_put(pointer_at(at), count);
    case AS_ITEMS:
        return items_put(row, pointer_at(at), count);
    case AS_STRUCT:
    case AS_NONE:
        break;
    }
    return NULL;
}

/* What stands for the member where OLD, of the source, stands or would stand; NULL: nothing, as for
 * what says no more than that it is absent. The caller owns it. */
static json_t *member_put(const struct field *row, const json_t *old, const char *from)
{
    if (row->as == AS_STRUCT) {
        return inside_put(row, old, from + row->at);
    }
    if (is_same(row, old, from)) {
        return old == NULL ? NULL : json_deep_copy(old);
    }
    return is_same(row, NULL, from) ? NULL : value_put(row, from);
}

static void row_put(const struct field *row, const json_t *old, const void *from, json_t *out)
{
    json_t *value = member_put(row, old, from);
    if (value != NULL) {
        json_object_set_new(out, row->name, value);
    }
}

static const struct field *row_find(const struct field *table, const char *name)
{
    for (const struct field *row = table; !ends(row); row = row_next(row)) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

json_t *fields_put(const struct field *table, const void *from)
{
    const json_t *source = source_of(from);
    json_t *out = json_object();
    const char *name;
    json_t *old;
    /* First what was there, in its order. */
    json_object_foreach(json_unconst(source), name, old)
    {
        const struct field *row = row_find(table, name);
        if (row == NULL) {
            json_object_set_new(out, name, json_deep_copy(old));
        } else {
            row_put(row, old, from, out);
        }
    }
    for (const struct field *row = table; !ends(row); row = row_next(row)) {
        if (json_object_get(source, row->name) == NULL) {
            row_put(row, NULL, from, out);
        }
    }
    return out;
}
