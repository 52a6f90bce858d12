#include "control/record/tags.h"

#include <stdio.h>

#include "control/control.h"
#include "control/record/resource_tree.h"

enum { DEPTH_MAX = 16 };

const char *tag_binding_prefix(struct arena *arena, const char *resource)
{
    return arena_printf(arena, "tagBindings/%s/tagValues/", resource);
}

const char *tag_binding_key(struct arena *arena, const char *resource, const char *value)
{
    return arena_printf(arena, "tagBindings/%s/%s", resource, value);
}

bool tag_binding_resource(struct slice key, struct slice *out)
{
    static const struct slice bindings = SLICE_INIT("tagBindings/");
    ptrdiff_t end = slice_find_slice(key, SLICE("/tagValues/"));
    if (!slice_starts(key, bindings) || end < (ptrdiff_t)bindings.len) {
        return false;
    }
    *out = slice_from(slice_upto(key, (size_t)end), bindings.len);
    return true;
}

uint64_t tag_resource_id(struct control *control, const char *resource)
{
    auto_doc doc = {0};
    const char *kind = policy_node_of(resource) == POLICY_SERVICE ? STORE_SERVICE : STORE_NODE;
    if (store_get(control->store, kind, resource, &doc, NULL) != STORE_FOUND) {
        return 0;
    }
    return doc.id;
}

void tag_set_add(struct tag_set *set, struct arena *arena, const struct tag *tag)
{
    if (set->count == TAGS_MAX) {
        return;
    }
    if (set->count == set->room) {
        set->room = set->room == 0 ? 4 : 2 * set->room;
        struct tag *more = arena_array(arena, struct tag, set->room);
        for (size_t i = 0; i < set->count; i++) {
            more[i] = set->items[i];
        }
        set->items = more;
    }
    set->items[set->count++] = *tag;
}

struct collecting {
    struct control *control;
    struct arena *arena;
    struct tag_set *out;
    uint64_t resource_id;
    bool inherited;
};

static bool knows_key(const struct tag_set *set, const char *key)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->items[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static bool load(struct collecting *collecting, const char *key, json_t **out)
{
    struct store_doc doc;
    if (store_get(collecting->control->store, STORE_TAG, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    *out = doc.body;
    return true;
}

static const char *kept(struct collecting *collecting, const json_t *from, const char *name)
{
    return arena_string(collecting->arena, slice_of(json_text_or(from, name, "")));
}

static bool collect(const struct store_doc *doc, void *ctx)
{
    struct collecting *collecting = ctx;
    struct tag_set *out = collecting->out;
    auto_json *value = NULL;
    auto_json *key = NULL;
    const char *value_id = json_text_or(doc->body, "tagValue", "");
    if (json_number(doc->body, "resourceId", 0) != (int64_t)collecting->resource_id ||
        !load(collecting, value_id, &value) ||
        !load(collecting, json_text_or(value, "parent", ""), &key) ||
        knows_key(out, json_text_or(value, "parent", ""))) {
        return true;
    }
    struct tag tag = {
        .key = kept(collecting, value, "parent"),
        .value = arena_string(collecting->arena, slice_of(value_id)),
        .key_name = kept(collecting, key, "namespacedName"),
        .value_name = kept(collecting, value, "shortName"),
        .key_parent = kept(collecting, key, "parent"),
        .inherited = collecting->inherited,
    };
    tag_set_add(out, collecting->arena, &tag);
    return out->count < TAGS_MAX;
}

static bool collect_own(struct collecting *collecting, const char *resource, uint64_t id,
                        struct error *err)
{
    collecting->resource_id = id;
    return id == 0 ||
           store_each(collecting->control->store, STORE_TAG,
                      tag_binding_prefix(collecting->arena, resource), collect, collecting, err);
}

bool tags_own(struct control *control, struct arena *arena, const char *resource, uint64_t id,
              struct tag_set *out, struct error *err)
{
    struct collecting collecting = {.control = control, .arena = arena, .out = out};
    out->count = 0;
    return collect_own(&collecting, resource, id, err);
}

bool tags_effective(struct control *control, struct arena *arena, const char *resource,
                    struct tag_set *out, struct error *err)
{
    struct collecting collecting = {.control = control, .arena = arena, .out = out};
    const char *node = resource;
    out->count = 0;
    for (int depth = 0; depth < DEPTH_MAX && out->count < TAGS_MAX; depth++) {
        if (!collect_own(&collecting, node, tag_resource_id(control, node), err)) {
            return false;
        }
        if (!resource_parent(control->store, arena, node, &node)) {
            break;
        }
        collecting.inherited = true;
    }
    return true;
}

void tags_overlay(struct tag_set *set, struct arena *arena, const struct tag_set *nearer)
{
    struct tag_set both = {0};
    for (size_t i = 0; i < nearer->count; i++) {
        tag_set_add(&both, arena, &nearer->items[i]);
    }
    for (size_t i = 0; i < set->count; i++) {
        if (!knows_key(&both, set->items[i].key)) {
            tag_set_add(&both, arena, &set->items[i]);
        }
    }
    *set = both;
}

struct named {
    const char *name;
    char key[64];
};

static bool is_named(const struct store_doc *doc, void *ctx)
{
    struct named *named = ctx;
    if (strcmp(json_text_or(doc->body, "namespacedName", ""), named->name) != 0) {
        return true;
    }
    snprintf(named->key, sizeof(named->key), "%.63s", doc->key);
    return false;
}

const char *tag_named(struct control *control, struct arena *arena, const char *kind,
                      const char *name)
{
    struct named named = {.name = name};
    store_look(control->store, STORE_TAG, kind, is_named, &named);
    return named.key[0] == '\0' ? NULL : arena_string(arena, slice_of(named.key));
}

enum cel_tag tags_match(void *ctx, bool by_id, struct slice key, struct slice value)
{
    const struct tag_set *set = ctx;
    for (size_t i = 0; i < set->count; i++) {
        const struct tag *tag = &set->items[i];
        if (slice_is(key, by_id ? tag->key : tag->key_name) &&
            (value.len == 0 || slice_is(value, by_id ? tag->value : tag->value_name))) {
            return CEL_TAG_HELD;
        }
    }
    return CEL_TAG_ABSENT;
}

enum cel_tag lazy_tags_match(void *ctx, bool by_id, struct slice key, struct slice value)
{
    struct lazy_tags *lazy = ctx;
    if (lazy->set == NULL) {
        lazy->set = arena_new(lazy->arena, struct tag_set);
        lazy->unreadable =
            !tags_effective(lazy->control, lazy->arena, lazy->resource, lazy->set, NULL);
    }
    return lazy->unreadable ? CEL_TAG_UNREADABLE : tags_match(lazy->set, by_id, key, value);
}
