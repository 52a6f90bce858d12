/*
 * Tags, as conditions of grants ask for them at the gate. Each node has in the index what is bound
 * to it alone: a service has its nodes there, nearest first, so that what it inherits is found at
 * the decision. A binding that comes or goes is one record then, however many services are below;
 * what moves below another node has another's tags with its new nodes.
 */
#include "control/record/tags.h"
#include "control/publish/change.h"
#include "control/publish/publish.h"

bool publish_tags(struct change *change, const char *resource, uint64_t id, struct error *err)
{
    struct arena *arena = &change->arena;
    struct tag_set *set = arena_new(arena, struct tag_set);
    bool stands = tag_resource_id(change->control, resource) == id;
    if (stands && !tags_own(change->control, arena, resource, id, set, err)) {
        return false;
    }
    struct index_tag *tags = arena_array(arena, struct index_tag, set->count);
    for (size_t i = 0; i < set->count; i++) {
        const struct tag *tag = &set->items[i];
        tags[i] = (struct index_tag){
            .key = slice_of(tag->key),
            .value = slice_of(tag->value),
            .key_name = slice_of(tag->key_name),
            .value_name = slice_of(tag->value_name),
        };
    }
    return index_txn_put_tags(change->txn, id, tags, set->count, err);
}

bool change_tags(struct change *change, const char *resource, struct error *err)
{
    uint64_t id = tag_resource_id(change->control, resource);
    return id == 0 || publish_tags(change, resource, id, err);
}

bool publish_tag_binding(struct change *change, const char *key, struct error *err)
{
    struct slice resource;
    return !tag_binding_resource(slice_of(key), &resource) ||
           change_tags(change, arena_string(&change->arena, resource), err);
}
