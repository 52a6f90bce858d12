#include "control/record/custom_json.h"

struct custom_value custom_value_of(struct arena *arena, json_t *json)
{
    struct custom_value out = {.kind = CUSTOM_NULL};
    size_t i = 0;
    const char *name;
    json_t *part;
    if (json_is_string(json)) {
        out.kind = CUSTOM_STRING;
        out.text = (struct slice){json_string_value(json), json_string_length(json)};
    } else if (json_is_integer(json)) {
        out.kind = CUSTOM_INT;
        out.number = json_integer_value(json);
    } else if (json_is_real(json)) {
        out.kind = CUSTOM_DOUBLE;
        out.real = json_real_value(json);
    } else if (json_is_boolean(json)) {
        out.kind = CUSTOM_BOOL;
        out.number = json_is_true(json);
    } else if (json_is_array(json)) {
        struct custom_value *items = arena_array(arena, struct custom_value, json_array_size(json));
        out.kind = CUSTOM_LIST;
        json_array_foreach(json, i, part)
        {
            items[i] = custom_value_of(arena, part);
        }
        out.items = items;
        out.count = json_array_size(json);
    } else if (json_is_object(json)) {
        struct custom_value *items =
            arena_array(arena, struct custom_value, json_object_size(json));
        struct slice *names = arena_array(arena, struct slice, json_object_size(json));
        out.kind = CUSTOM_MAP;
        json_object_foreach(json, name, part)
        {
            names[out.count] = slice_of(name);
            items[out.count++] = custom_value_of(arena, part);
        }
        out.items = items;
        out.names = names;
    }
    return out;
}
