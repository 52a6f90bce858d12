#include "ingress/site_data.h"

/* What browsers keep, and clear, by origin. What is not known here may reach further. */
static const struct slice own[] = {
    SLICE_INIT("\"cache\""),         SLICE_INIT("\"storage\""),
    SLICE_INIT("\"prefetchCache\""), SLICE_INIT("\"prerenderCache\""),
    SLICE_INIT("\"clientHints\""),   SLICE_INIT("\"executionContexts\""),
};

struct slice site_data_of_host(struct arena *arena, struct slice value)
{
    static const struct slice all = SLICE_INIT("\"cache\", \"storage\", \"executionContexts\"");
    struct slice rest = value, type;
    char *out = arena_alloc(arena, 2 * value.len + 1); /* "," may become ", " */
    size_t len = 0;
    while (slice_cut(&rest, ',', &type)) {
        type = slice_trim(type);
        if (slice_is(type, "\"*\"")) {
            return all;
        }
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
            if (slice_equal(type, own[i])) {
                memcpy(out + len, ", ", 2);
                memcpy(out + len + 2, type.data, type.len);
                len += type.len + 2;
            }
        }
    }
    return len == 0 ? SLICE("") : (struct slice){out + 2, len - 2};
}
