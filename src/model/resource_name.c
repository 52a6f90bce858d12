#include "model/resource_name.h"

#include <stddef.h>
#include <string.h>

enum { NAME_BYTES_MAX = 4096 };

/* The collections, and which may stand below which: by the row's number, -1 at the top. */
static const struct level {
    const char *collection;
    size_t part; /* of struct resource_name */
    int above;
} levels[] = {
    {"projects", offsetof(struct resource_name, project), -1},
    {"locations", offsetof(struct resource_name, location), 0},
    {"services", offsetof(struct resource_name, service), 1},
    {"revisions", offsetof(struct resource_name, revision), 2},
    {"operations", offsetof(struct resource_name, operation), 1},
};

enum { LEVELS = sizeof(levels) / sizeof(levels[0]) };

static const char **part_of(struct resource_name *name, const struct level *level)
{
    return (const char **)(void *)((char *)name + level->part);
}

static int level_below(int above, struct slice collection)
{
    for (int i = 0; i < LEVELS; i++) {
        if (levels[i].above == above && slice_is(collection, levels[i].collection)) {
            return i;
        }
    }
    return -1;
}

bool resource_name_read(struct arena *arena, struct slice text, struct resource_name *out)
{
    struct resource_name name = {0};
    struct slice collection, id;
    bool slash_at_end = text.len > 0 && text.data[text.len - 1] == '/';
    int level = -1;
    if (text.len == 0 || text.len > NAME_BYTES_MAX || slash_at_end) {
        return false;
    }
    while (slice_cut(&text, '/', &collection)) {
        level = level_below(level, collection);
        if (level < 0 || !slice_cut(&text, '/', &id) || id.len == 0) {
            return false;
        }
        *part_of(&name, &levels[level]) = arena_string(arena, id);
    }
    *out = name;
    return true;
}

const char *resource_name_text(struct arena *arena, const struct resource_name *name)
{
    const char *text = "";
    for (int i = 0; i < LEVELS; i++) {
        struct resource_name copy = *name;
        const char *id = *part_of(&copy, &levels[i]);
        if (id != NULL) {
            text = arena_printf(arena, "%s%s%s/%s", text, text[0] == '\0' ? "" : "/",
                                levels[i].collection, id);
        }
    }
    return text;
}

const char *resource_name_prefix(struct arena *arena, const struct resource_name *name,
                                 const char *collection)
{
    return arena_printf(arena, "%s/%s/", resource_name_text(arena, name), collection);
}
