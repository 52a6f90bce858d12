/* The door of services: who stands where, and which settings count. */
#include "control/record/door.h"
#include "control/publish/change.h"
#include "control/publish/publish.h"

/* The levels above a service's door that have a policy: only there can be grants. */
static bool add_levels(struct store *store, struct arena *arena, const char *door,
                       struct index_door *out, struct error *err)
{
    for (const char *level = door_parent(arena, door); door_is(level);
         level = door_parent(arena, level)) {
        auto_doc policy = {0};
        switch (store_get(store, STORE_POLICY, level, &policy, err)) {
        case STORE_FAILED:
            return false;
        case STORE_ABSENT:
            break;
        case STORE_FOUND:
            out->nodes[out->node_count++] = policy.id;
            break;
        }
    }
    return true;
}

bool publish_door_of(struct store *store, struct arena *arena, const char *key,
                     const struct service_view *view, const uint64_t *nodes, size_t node_count,
                     struct index_door *out, struct error *err)
{
    struct door_settings settings;
    const char *door = door_of_service(arena, key);
    *out = (struct index_door){.on = true};
    if (!door_settings_load(store, arena, door, &settings, err)) {
        return false;
    }
    out->allow_http_options = settings.allow_http_options;
    out->max_age_s = settings.max_age_s;
    out->audience = slice_of(arena_printf(arena, "/projects/%s/locations/%s/services/%s",
                                          view->project_number, view->region, view->name));
    out->agent =
        slice_of(arena_printf(arena, "serviceAccount:%s", door_agent(arena, view->project_number)));
    out->domains_limited = settings.domains_limited;
    out->denied_page = settings.denied_page;
    for (size_t i = 0; i < settings.client_count; i++) {
        out->clients[out->client_count++] = settings.clients[i];
    }
    for (size_t i = 0; i < settings.domain_count; i++) {
        out->domains[out->domain_count++] = settings.domains[i];
    }
    out->nodes[out->node_count++] = nodes[0];
    if (!add_levels(store, arena, door, out, err)) {
        return false;
    }
    for (size_t i = 1; i < node_count; i++) {
        out->nodes[out->node_count++] = nodes[i];
    }
    return true;
}

static bool collect_open(const struct store_doc *doc, void *keys)
{
    auto_arena arena = {0};
    if (service_from_doc(&arena, doc->body)->iap_enabled) {
        json_array_append_new(keys, json_string(doc->key));
    }
    return true;
}

bool change_door(struct change *change, const char *door, struct error *err)
{
    auto_json *keys = json_array();
    const char *service = door_is(door) ? door_service(&change->arena, door) : NULL;
    if (service != NULL) {
        return change_service(change, service, err);
    }
    const char *prefix = door_services_prefix(&change->arena, door);
    if (!store_each(change->control->store, STORE_SERVICE, prefix, collect_open, keys, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (!change_service(change, json_string_value(json_array_get(keys, i)), err)) {
            return false;
        }
    }
    return true;
}
