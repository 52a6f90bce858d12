#include "control/record/custom_json.h"

struct cel_value custom_value_of(struct arena *arena, json_t *json)
{
    struct cel_value out = {.kind = VALUE_NULL};
    size_t i = 0;
    const char *name;
    json_t *part;
    if (json_is_string(json)) {
        out.kind = VALUE_STRING;
        out.text = (struct slice){json_string_value(json), json_string_length(json)};
    } else if (json_is_integer(json)) {
        out.kind = VALUE_INT;
        out.number = json_integer_value(json);
    } else if (json_is_real(json)) {
        out.kind = VALUE_DOUBLE;
        out.real = json_real_value(json);
    } else if (json_is_boolean(json)) {
        out.kind = VALUE_BOOL;
        out.number = json_is_true(json);
    } else if (json_is_array(json)) {
        struct cel_value *items = arena_array(arena, struct cel_value, json_array_size(json));
        out.kind = VALUE_LIST;
        json_array_foreach(json, i, part)
        {
            items[i] = custom_value_of(arena, part);
        }
        out.items = items;
        out.count = json_array_size(json);
    } else if (json_is_object(json)) {
        struct cel_value *items = arena_array(arena, struct cel_value, json_object_size(json));
        struct slice *names = arena_array(arena, struct slice, json_object_size(json));
        out.kind = VALUE_MAP;
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
