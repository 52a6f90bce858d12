#include "control/access/new_tags.h"

static bool load(struct api_call *call, const char *key, json_t **out)
{
    struct store_doc doc;
    *out = NULL;
    if (key == NULL || store_get(call->control->store, STORE_TAG, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    *out = doc.body;
    return true;
}

/* "tagKeys/N" or "tagValues/N" of what has that name; NULL if nothing has. */
static const char *by_name(struct api_call *call, const char *kind, const char *name)
{
    return strncmp(name, kind, strlen(kind)) == 0
               ? name
               : tag_named(call->control, &call->arena, kind, name);
}

/* A value by its number, by its short name below KEY, or by its whole name. */
static const char *value_of(struct api_call *call, const json_t *key, const char *value)
{
    if (strchr(value, '/') != NULL) {
        return by_name(call, "tagValues/", value);
    }
    const char *space = json_text_or(key, "namespacedName", "");
    return by_name(call, "tagValues/", arena_printf(&call->arena, "%s/%s", space, value));
}

static const char *kept(struct api_call *call, const json_t *from, const char *name)
{
    return arena_string(&call->arena, slice_of(json_text_or(from, name, "")));
}

static bool read_one(struct api_call *call, const char *key_name, const char *value_name,
                     struct tag_set *out, struct error *err)
{
    auto_json *key_doc = NULL;
    auto_json *value_doc = NULL;
    const char *key = by_name(call, "tagKeys/", key_name);
    if (!load(call, key, &key_doc)) {
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "There is no tag key '%.100s', or the caller may not use it.", key_name);
    }
    const char *value = value_of(call, key_doc, value_name);
    if (!load(call, value, &value_doc) || strcmp(json_text_or(value_doc, "parent", ""), key) != 0) {
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "The tag key '%.100s' has no value '%.100s', or the caller may not use "
                         "it.",
                         key_name, value_name);
    }
    for (size_t i = 0; i < out->count; i++) {
        if (strcmp(out->items[i].key, key) == 0) {
            return error_field(err, "tags", "The tag key %s is there twice.", key);
        }
    }
    struct tag tag = {
        .key = arena_string(&call->arena, slice_of(key)),
        .value = arena_string(&call->arena, slice_of(value)),
        .key_name = kept(call, key_doc, "namespacedName"),
        .value_name = kept(call, value_doc, "shortName"),
        .key_parent = kept(call, key_doc, "parent"),
    };
    tag_set_add(out, &call->arena, &tag);
    return api_allowed(call, "resourcemanager.tagValueBindings.create", value, err);
}

const struct tag_set *new_tags_read(struct api_call *call, const json_t *tags, const char *bind,
                                    const char *parent, struct error *err)
{
    const char *key;
    json_t *value;
    struct tag_set *out = arena_new(&call->arena, struct tag_set);
    if (json_object_size(tags) > TAGS_BOUND_MAX) {
        error_field(err, "tags", "A resource can have %d tags at most.", TAGS_BOUND_MAX);
        return NULL;
    }
    if (json_object_size(tags) > 0 && !api_allowed(call, bind, parent, err)) {
        return NULL;
    }
    json_object_foreach((json_t *)(uintptr_t)tags, key, value)
    {
        if (!json_is_string(value)) {
            error_field(err, "tags", "The value of the tag '%.100s' must be text.", key);
            return NULL;
        }
        if (!read_one(call, key, json_string_value(value), out, err)) {
            return NULL;
        }
    }
    return out;
}

bool new_tags_put(struct change *change, struct api_call *call, const char *resource, uint64_t id,
                  const struct tag_set *tags, struct error *err)
{
    for (size_t i = 0; i < tags->count; i++) {
        const char *key = tag_binding_key(&call->arena, resource, tags->items[i].value);
        auto_json *body =
            json_pack("{s:s, s:I}", "tagValue", tags->items[i].value, "resourceId", (json_int_t)id);
        if (!store_put(call->control->store, STORE_TAG, key, body, NULL, NULL, err) ||
            !change_audit(change, resource, "bind-tag", NULL, body, err)) {
            return false;
        }
    }
    return tags->count == 0 || change_tags(change, resource, err);
}
