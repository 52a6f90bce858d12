#include "control/front/cookies.h"

struct slice cookie_find(const struct http_request *request, const char *name, bool *several)
{
    struct slice found = SLICE_NONE;
    unsigned count = 0;
    for (unsigned i = 0; i < request->headers.count; i++) {
        const struct http_header *header = &request->headers.items[i];
        struct slice rest = header->value, part, one;
        if (!slice_is(header->name, "cookie")) {
            continue;
        }
        while (slice_cut(&rest, ';', &part)) {
            part = slice_trim(part);
            if (slice_cut(&part, '=', &one) && slice_is(one, name)) {
                found = part;
                count++;
            }
        }
    }
    *several = count > 1;
    return count == 1 && found.len <= COOKIE_VALUE_MAX ? found : SLICE_NONE;
}

struct api_header cookie_set(struct api_call *call, const char *name, struct slice value,
                             long lasts_s)
{
    return (struct api_header){
        "set-cookie",
        arena_printf(&call->arena, "%s=%.*s; Path=/; Max-Age=%ld; Secure; HttpOnly; SameSite=Lax",
                     name, SLICE_ARG(value), lasts_s)};
}
