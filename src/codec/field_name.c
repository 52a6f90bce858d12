/*
 * Names of fields in either spelling of protobuf's JSON: "maxInstanceCount" and
 * "max_instance_count". A name with '_' is all lower case; a mixture is neither.
 */
#include "codec/inside.h"

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static bool is_snake_part(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool field_name_is(struct slice given, struct slice camel)
{
    if (slice_equal(given, camel)) {
        return true;
    }
    size_t at = 0;
    for (size_t i = 0; i < given.len; i++, at++) {
        char c = given.data[i];
        if (c == '_') {
            if (i == 0 || i + 1 == given.len || !is_snake_part(given.data[i + 1])) {
                return false;
            }
            c = upper(given.data[++i]);
        } else if (!is_snake_part(c)) {
            return false;
        }
        if (at == camel.len || camel.data[at] != c) {
            return false;
        }
    }
    return at == camel.len;
}

const struct field *field_find(const struct field *table, struct slice given)
{
    for (const struct field *row = table; row != NULL && row->name != NULL; row++) {
        if (field_name_is(given, slice_of(row->name))) {
            return row;
        }
    }
    return NULL;
}
