/* The words of violations: three families, as clients know them. */
#include "policy/orgpolicy.h"

const char *orgpolicy_text_annotation(struct arena *arena,
                                      const struct orgpolicy_constraint *constraint,
                                      const char *method, struct slice value, bool by_default)
{
    if (value.data == NULL) {
        value = SLICE("null");
    }
    return arena_printf(arena,
                        "Constraint constraints/%s violated for attempting %s with annotation "
                        "\"%s\" set to %s%.*s.",
                        constraint->name, method, constraint->annotation,
                        by_default ? "the default value " : "", SLICE_ARG(value));
}

const char *orgpolicy_text_value(struct arena *arena, const char *name, const char *resource,
                                 struct slice value)
{
    return arena_printf(arena, "'%.*s' violates constraint 'constraints/%s' on the resource '%s'.",
                        SLICE_ARG(value), name, resource);
}

const char *orgpolicy_text_name(struct arena *arena, const char *name)
{
    bool custom = slice_starts(slice_of(name), SLICE("custom."));
    return arena_printf(arena, "%s/%s", custom ? "customConstraints" : "constraints", name);
}

const char *orgpolicy_text_managed(struct arena *arena, const char *name, const char *description)
{
    return arena_printf(arena, "\"%s\": \"%s\"", orgpolicy_text_name(arena, name), description);
}

const char *orgpolicy_text_denied(struct arena *arena, const char *resource, const char *list)
{
    return arena_printf(arena, "Operation denied by org policy on resource '%s': [%s].", resource,
                        list);
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

const char *orgpolicy_text_subject(struct arena *arena, const char *scheme, const char *resource,
                                   struct slice value)
{
    static const char digits[] = "0123456789ABCDEF";
    char *encoded = arena_alloc(arena, 3 * value.len + 1);
    size_t used = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if (is_plain(value.data[i])) {
            encoded[used++] = value.data[i];
            continue;
        }
        encoded[used++] = '%';
        encoded[used++] = digits[byte >> 4];
        encoded[used++] = digits[byte & 15];
    }
    return arena_printf(arena, "%s%s?configvalue=%.*s", scheme, resource, (int)used, encoded);
}
