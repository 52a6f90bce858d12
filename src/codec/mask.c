/*
 * Field masks. A mask is walked along the table, so that a path is known or refused whatever the
 * values have; what it names is then copied whole.
 */
#include "codec/inside.h"

enum { SEGMENTS_MAX = 32 };

/* One path, resolved: camelCase names from the root; the last may be the key of a map. */
struct route {
    struct slice names[SEGMENTS_MAX];
    size_t count;
    bool output_only;
};

/* `a.b` in back quotes is one key. */
static struct slice key_read(struct slice text)
{
    bool quoted = text.len >= 2 && text.data[0] == '`' && text.data[text.len - 1] == '`';
    return quoted ? slice_from(slice_upto(text, text.len - 1), 1) : text;
}

/* Follows PATH through TABLE. False when it leads nowhere. */
static bool route_read(const struct field *table, struct slice path, struct route *out)
{
    struct slice rest = path, name;
    *out = (struct route){0};
    while (slice_cut(&rest, '.', &name)) {
        if (slice_is(name, "*") && rest.len == 0 && out->count > 0) {
            return true; /* "a.*" is "a" */
        }
        const struct field *row = field_find(table, name);
        if (row == NULL || out->count + 2 > SEGMENTS_MAX) {
            return false;
        }
        out->names[out->count++] = slice_of(row->name);
        out->output_only |= (row->flags & FIELD_OUTPUT_ONLY) != 0;
        if (rest.len == 0) {
            break;
        }
        if (row->kind == FIELD_MAP) {
            out->names[out->count++] = key_read(rest);
            return true;
        }
        if (row->kind != FIELD_OBJECT || row->fields == NULL) {
            return false;
        }
        table = row->fields;
    }
    return out->count > 0 && !slice_ends(path, SLICE("."));
}

static json_t *object_at(json_t *value, struct slice name)
{
    json_t *inner = json_object_getn(value, name.data, name.len);
    return json_is_object(inner) ? inner : NULL;
}

/* Copies, or removes, the one thing that ROUTE leads to. */
static void route_merge(const struct route *route, json_t *into, const json_t *from)
{
    const json_t *part = from;
    for (size_t i = 0; i < route->count && part != NULL; i++) {
        part = json_object_getn(part, route->names[i].data, route->names[i].len);
    }
    for (size_t i = 0; i + 1 < route->count; i++) {
        json_t *inner = object_at(into, route->names[i]);
        if (inner == NULL && part == NULL) {
            return;
        }
        if (inner == NULL) {
            inner = json_object();
            json_object_setn_new(into, route->names[i].data, route->names[i].len, inner);
        }
        into = inner;
    }
    struct slice last = route->names[route->count - 1];
    if (part == NULL) {
        json_object_deln(into, last.data, last.len);
    } else {
        json_object_setn_new(into, last.data, last.len, json_deep_copy(part));
    }
}

static void merge_all(const struct field *table, json_t *into, const json_t *from)
{
    for (const struct field *row = table; row->name != NULL; row++) {
        if ((row->flags & FIELD_OUTPUT_ONLY) == 0) {
            route_merge(&(struct route){.names = {slice_of(row->name)}, .count = 1}, into, from);
        }
    }
}

bool mask_merge(const struct field *table, struct slice mask, json_t *into, const json_t *from,
                struct error *err)
{
    struct slice rest = mask, path;
    struct route route;
    /* Every path is checked before any of them changes anything. */
    while (slice_cut(&rest, ',', &path)) {
        path = slice_trim(path);
        if (!slice_is(path, "*") && !route_read(table, path, &route)) {
            auto_arena arena = {0};
            const char *text = arena_string(&arena, slice_upto(path, 200));
            return error_field(err, text, "The field mask names \"%s\", which is not a field.",
                               text);
        }
    }
    rest = mask;
    while (slice_cut(&rest, ',', &path)) {
        path = slice_trim(path);
        if (slice_is(path, "*")) {
            merge_all(table, into, from);
        } else if (route_read(table, path, &route) && !route.output_only) {
            route_merge(&route, into, from);
        }
    }
    return true;
}

bool mask_touches(struct slice mask, const char *path)
{
    struct slice rest = mask, named;
    while (slice_cut(&rest, ',', &named)) {
        named = slice_trim(named);
        if (slice_is(named, "*")) {
            return true;
        }
        struct slice asked = slice_of(path), a, b;
        bool apart = named.len == 0;
        while (!apart && named.len > 0 && asked.len > 0) {
            slice_cut(&named, '.', &a);
            slice_cut(&asked, '.', &b);
            apart = !slice_is(a, "*") && !field_name_is(a, b);
        }
        if (!apart) {
            return true;
        }
    }
    return false;
}
