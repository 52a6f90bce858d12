/*
 * A change by v1. A client of v1 sends back all that it has read, in words that cannot say
 * everything the document holds: v2 alone knows a service mesh, a flag of one container among
 * several, the name of a Cloud SQL volume. So a change is what the client sends against what v1
 * had shown: only where the two differ does the document follow the client.
 */
#include "model/service_tables.h"

/* The user's part of OLD as a client of v1 would send it back. */
static json_t *echo_of(struct arena *arena, const struct service_view *old)
{
    struct error err = {0};
    const char *version;
    auto_json *shown = service_to_v1(arena, old);
    return service_from_v1(shown, old->doc, &version, arena, &err);
}

/* v1 shows Cloud SQL's volumes after all others: a copy of VOLUMES in that order. */
static json_t *volumes_in_order(const json_t *volumes)
{
    json_t *others = json_array();
    auto_json *sql = json_array();
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        json_t *volume = json_array_get(volumes, i);
        bool is_sql = json_object_get(volume, "cloudSqlInstance") != NULL;
        json_array_append(is_sql ? sql : others, volume);
    }
    json_array_extend(others, sql);
    return others;
}

/* Where SHOWN has the item of this name, or, if it has none, the item at PLACE. */
static size_t place_of(const json_t *shown, const json_t *item, size_t place)
{
    const char *name = json_text(item, "name");
    for (size_t i = 0; name != NULL && i < json_array_size(shown); i++) {
        if (strcmp(json_text_or(json_array_get(shown, i), "name", ""), name) == 0) {
            return i;
        }
    }
    return name == NULL ? place : SIZE_MAX;
}

static json_t *merge(const json_t *wish, const json_t *shown, const json_t *old);

static json_t *merge_lists(const json_t *wish, const json_t *shown, const json_t *old)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(wish); i++) {
        json_t *item = json_array_get(wish, i);
        size_t at = place_of(shown, item, i);
        const json_t *seen = at == SIZE_MAX ? NULL : json_array_get(shown, at);
        const json_t *kept = at == SIZE_MAX ? NULL : json_array_get(old, at);
        json_array_append_new(out, seen == NULL || kept == NULL ? json_deep_copy(item)
                                                                : merge(item, seen, kept));
    }
    return out;
}

static void merge_field(const char *name, const json_t *wish, const json_t *shown,
                        const json_t *old, json_t *out)
{
    const json_t *asked = json_object_get(wish, name);
    const json_t *seen = json_object_get(shown, name);
    json_t *kept = json_object_get(old, name);
    if (asked == NULL || (seen != NULL && json_same(asked, seen))) {
        if (kept != NULL && (asked != NULL || seen == NULL)) {
            json_object_set(out, name, kept);
        }
        return;
    }
    if (seen == NULL || kept == NULL) {
        json_object_set_new(out, name, json_deep_copy(asked));
    } else if (strcmp(name, "volumes") == 0) {
        auto_json *ordered = volumes_in_order(kept);
        json_object_set_new(out, name, merge(asked, seen, ordered));
    } else {
        json_object_set_new(out, name, merge(asked, seen, kept));
    }
}

/* OLD, and what WISH has otherwise than SHOWN. */
static json_t *merge(const json_t *wish, const json_t *shown, const json_t *old)
{
    if (json_same(wish, shown)) {
        return json_deep_copy(old);
    }
    if (json_is_array(wish) && json_is_array(shown) && json_is_array(old)) {
        return merge_lists(wish, shown, old);
    }
    if (!json_is_object(wish) || !json_is_object(shown) || !json_is_object(old)) {
        return json_deep_copy(wish);
    }
    json_t *out = json_object();
    const char *name;
    json_t *part;
    json_object_foreach(json_lend(old), name, part)
    {
        merge_field(name, wish, shown, old, out);
    }
    json_object_foreach(json_lend(wish), name, part)
    {
        if (json_object_get(old, name) == NULL) {
            merge_field(name, wish, shown, old, out);
        }
    }
    (void)part;
    return out;
}

json_t *service_v1_change(struct arena *arena, const struct service_view *old, const json_t *wish)
{
    auto_json *shown = old->doc == NULL ? NULL : echo_of(arena, old);
    if (shown == NULL) {
        return json_deep_copy(wish);
    }
    auto_json *kept = service_user_part(old->doc);
    return merge(wish, shown, kept);
}
