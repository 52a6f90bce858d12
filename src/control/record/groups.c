#include "control/record/groups.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"

enum { GROUP_DEPTH_MAX = 20 };

struct groups {
    struct arena arena;
    struct map *direct; /* member → struct group_list: the groups that name it */
};

struct group_list {
    struct slice group;
    struct group_list *more;
};

static bool collect_group(const struct store_doc *doc, void *ctx)
{
    struct groups *groups = ctx;
    size_t i;
    json_t *one;
    struct slice group =
        slice_of(arena_printf(&groups->arena, "group:%s", json_text_or(doc->body, "email", "")));
    json_array_foreach(json_object_get(doc->body, "members"), i, one)
    {
        struct slice member = slice_of(json_string_value(one));
        struct group_list *entry = arena_new(&groups->arena, struct group_list);
        *entry = (struct group_list){group, map_find(groups->direct, member)};
        map_put(groups->direct, member, entry);
    }
    return true;
}

/* Adds the groups of MEMBER, and theirs, to OUT; a cycle ends at what is there already. */
static size_t flatten(const struct groups *groups, struct slice member, struct slice *out,
                      size_t count, size_t max, int depth)
{
    const struct group_list *at = map_find(groups->direct, member);
    for (; at != NULL && depth < GROUP_DEPTH_MAX; at = at->more) {
        bool known = false;
        for (size_t i = 0; i < count; i++) {
            known = known || slice_equal(out[i], at->group);
        }
        if (!known && count < max) {
            out[count++] = at->group;
            count = flatten(groups, at->group, out, count, max, depth + 1);
        }
    }
    return count;
}

struct groups *groups_load(struct store *store, struct error *err)
{
    struct groups *groups = mem_new(struct groups);
    groups->direct = map_new();
    if (!store_each(store, STORE_GROUP, "", collect_group, groups, err)) {
        groups_free(groups);
        return NULL;
    }
    return groups;
}

void groups_free(struct groups *groups)
{
    if (groups != NULL) {
        map_free(groups->direct);
        arena_done(&groups->arena);
        free(groups);
    }
}

bool groups_next_member(const struct groups *groups, size_t *at, struct slice *member)
{
    void *value;
    return map_next(groups->direct, at, member, &value);
}

size_t groups_find(const struct groups *groups, struct slice member, struct slice out[GROUPS_MAX])
{
    return flatten(groups, member, out, 0, GROUPS_MAX, 0);
}

size_t groups_of(struct control *control, struct arena *arena, struct slice member,
                 struct slice out[GROUPS_MAX])
{
    struct groups *groups = groups_load(control->store, NULL);
    size_t count = groups == NULL ? 0 : groups_find(groups, member, out);
    for (size_t i = 0; i < count; i++) {
        out[i] = arena_slice(arena, out[i]);
    }
    groups_free(groups);
    return count;
}
