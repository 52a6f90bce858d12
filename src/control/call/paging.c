/* A token is the key that its page begins after, so that what is made or deleted meanwhile moves
 * nothing else across the edge of a page. */
#include "control/call/paging.h"

#include "base/encode.h"

static const char *asked(struct api_call *call, const char *name)
{
    const char *of_query = api_query(call, name);
    return of_query != NULL ? of_query : json_text_or(call->body, name, "");
}

bool paging_init(struct paging *paging, struct api_call *call, size_t most, struct error *err)
{
    struct slice key;
    uint64_t size = (uint64_t)json_number(call->body, "pageSize", 0);
    const char *token = asked(call, "pageToken");
    const char *of_query = api_query(call, "pageSize");
    if (of_query != NULL && of_query[0] != '\0' && !slice_to_u64(slice_of(of_query), &size)) {
        return error_field(err, "pageSize", "The page size must be a whole number.");
    }
    *paging =
        (struct paging){.call = call, .after = "", .size = size == 0 || size > most ? most : size};
    if (token[0] == '\0') {
        return true;
    }
    if (!base64url_decode(&call->arena, slice_of(token), &key) || key.len == 0 ||
        memchr(key.data, '\0', key.len) != NULL) {
        return error_field(err, "pageToken", "The page token is not one of this list.");
    }
    paging->after = arena_string(&call->arena, key);
    return true;
}

enum paging_step paging_step(struct paging *paging, const char *key)
{
    if (strcmp(key, paging->after) <= 0) {
        return PAGING_SKIP;
    }
    if (paging->count == paging->size) {
        paging->more = true;
        return PAGING_STOP;
    }
    paging->count++;
    paging->last = arena_string(&paging->call->arena, slice_of(key));
    return PAGING_TAKE;
}

void paging_put(const struct paging *paging, json_t *answer)
{
    if (paging->more) {
        struct slice token = base64url_encode(&paging->call->arena, slice_of(paging->last));
        json_object_set_new(answer, "nextPageToken", json_slice(token));
    }
}

json_t *paging_cut(struct paging *paging, json_t *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *place = arena_printf(&paging->call->arena, "%08zu", i);
        if (paging_step(paging, place) == PAGING_TAKE) {
            json_array_append(out, json_array_get(list, i));
        }
    }
    json_decref(list);
    return out;
}
