#include "http/html.h"

struct slice html_escape(struct arena *arena, struct slice text)
{
    static const char *const entities[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
    enum { ENTITY_MAX = 6 };
    char *out = arena_alloc(arena, text.len * ENTITY_MAX + 1);
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        const char *entity = c < 128 ? entities[c] : NULL;
        if (entity == NULL) {
            out[count++] = (char)c;
            continue;
        }
        memcpy(out + count, entity, strlen(entity));
        count += strlen(entity);
    }
    return (struct slice){out, count};
}
