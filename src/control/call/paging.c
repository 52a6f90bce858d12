/*
 * A token is the query that it belongs to (as a number) and the key that its page begins after, so
 * that what is made or deleted meanwhile moves nothing else across the edge of a page.
 */
#include "control/call/paging.h"

#include "base/encode.h"
#include "base/map.h"
#include "http/percent.h"

static const char *asked(struct api_call *call, const char *name)
{
    const char *of_query = api_query(call, name);
    return of_query != NULL ? of_query : json_text_or(call->body, name, "");
}

/* ---- the query that a token belongs to ---- */

/* A number for TEXT. No secret: who makes a token of their own gains nothing by it. */
static uint64_t number_of(struct slice text)
{
    static const uint8_t key[16] = "homerun's pages";
    return siphash(key, text);
}

/* What may differ between the pages of one list: what says where we are, and what is about the
 * form of the answer or about who asks. */
static bool is_passed_over(struct slice name)
{
    static const char *const names[] = {
        "pageSize", "page_size",   "pageToken",    "page_token", "alt",         "prettyPrint",
        "key",      "accessToken", "access_token", "oauthToken", "oauth_token", "quotaUser",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_is(name, names[i])) {
            return true;
        }
    }
    return slice_starts(name, SLICE("$"));
}

/* The same for parameters in another order. */
static uint64_t query_number(struct api_call *call)
{
    struct slice left = call->query, one, name;
    uint64_t sum = 0;
    while (slice_cut(&left, '&', &one)) {
        struct slice rest = one;
        if (slice_cut(&rest, '=', &name) && url_decode(&call->arena, name, true, &name) &&
            !is_passed_over(name)) {
            sum += number_of(one);
        }
    }
    return sum;
}

static uint64_t body_number(struct api_call *call)
{
    if (json_object_size(call->body) == 0) {
        return 0;
    }
    auto_json *body = json_copy(call->body);
    json_object_del(body, "pageSize");
    json_object_del(body, "pageToken");
    char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    uint64_t number = json_object_size(body) == 0 || text == NULL ? 0 : number_of(slice_of(text));
    free(text);
    return number;
}

static uint64_t query_of(struct api_call *call)
{
    return number_of(call->path) + number_of(slice_of(call->region)) + query_number(call) +
           body_number(call);
}

/* ---- a page of anything ---- */

enum { QUERY_BYTES = 8 };

static bool read_token(struct paging *paging, const char *text, struct error *err)
{
    struct arena *arena = &paging->call->arena;
    struct slice token;
    if (!base64url_decode(arena, slice_of(text), &token) || token.len <= QUERY_BYTES ||
        memcmp(token.data, &paging->query, QUERY_BYTES) != 0 ||
        memchr(token.data + QUERY_BYTES, '\0', token.len - QUERY_BYTES) != NULL) {
        return error_field(err, "pageToken",
                           "The page token is not one of this list. A token is good for the same "
                           "list, asked for with the same parameters as before.");
    }
    paging->after = arena_string(arena, slice_from(token, QUERY_BYTES));
    return true;
}

bool paging_init(struct paging *paging, struct api_call *call, size_t usual, size_t most,
                 struct error *err)
{
    uint64_t size = (uint64_t)json_number(call->body, "pageSize", 0);
    const char *token = asked(call, "pageToken");
    const char *of_query = api_query(call, "pageSize");
    if (of_query != NULL && of_query[0] != '\0' && !slice_to_u64(slice_of(of_query), &size)) {
        return error_field(err, "pageSize", "The page size must be a whole number.");
    }
    *paging = (struct paging){.call = call,
                              .after = "",
                              .query = query_of(call),
                              .size = size == 0     ? usual
                                      : size > most ? most
                                                    : size};
    return token[0] == '\0' || read_token(paging, token, err);
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
        struct arena *arena = &paging->call->arena;
        size_t len = strlen(paging->last);
        char *token = arena_alloc(arena, QUERY_BYTES + len);
        memcpy(token, &paging->query, QUERY_BYTES);
        memcpy(token + QUERY_BYTES, paging->last, len);
        struct slice text = base64url_encode(arena, (struct slice){token, QUERY_BYTES + len});
        json_object_set_new(answer, "nextPageToken", json_slice(text));
    }
}

json_t *paging_cut(struct paging *paging, json_t *taken)
{
    auto_json *list = taken;
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *place = arena_printf(&paging->call->arena, "%08zu", i);
        if (paging_step(paging, place) == PAGING_TAKE) {
            json_array_append(out, json_array_get(list, i));
        }
    }
    return out;
}

/* ---- a page of the record ---- */

struct walk {
    const struct page *page;
    struct paging paging;
    json_t *items;
    int64_t total;
    struct error *err;
    bool failed;
};

static bool take_one(const struct store_doc *doc, void *ctx)
{
    struct walk *walk = ctx;
    auto_json *item = NULL;
    if (!walk->page->item(walk->paging.call, doc, walk->page->ctx, &item, walk->err)) {
        walk->failed = true;
        return false;
    }
    if (item == NULL) {
        return true;
    }
    walk->total++;
    enum paging_step step = paging_step(&walk->paging, doc->key);
    if (step == PAGING_TAKE) {
        json_array_append(walk->items, item);
    }
    return step != PAGING_STOP || walk->page->counted;
}

/* The answer: the list and nextPageToken. NULL and *err on failure. */
static json_t *api_page_read(struct api_call *call, const struct page *page, struct error *err)
{
    auto_json *items = json_array();
    struct walk walk = {.page = page, .items = items, .err = err};
    size_t most = page->most == 0 ? PAGE_MOST : page->most;
    if (!paging_init(&walk.paging, call, page->usual == 0 ? most : page->usual, most, err) ||
        /* Who counts all has to see all. */
        !store_next(call->control->store, page->kind, page->prefix,
                    page->counted ? "" : walk.paging.after, take_one, &walk, err) ||
        walk.failed) {
        return NULL;
    }
    json_t *answer = json_object();
    if (json_array_size(items) > 0 || !page->bare) {
        json_object_set(answer, page->list, items);
    }
    if (walk.total > 0 && page->counted) {
        json_object_set_new(answer, "totalSize", json_integer(walk.total));
    }
    paging_put(&walk.paging, answer);
    return answer;
}

void api_reply_page(struct api_call *call, const struct page *page)
{
    struct error err = {0};
    json_t *answer = api_page_read(call, page, &err);
    if (answer == NULL) {
        api_fail(call, &err);
    } else {
        api_reply(call, answer);
    }
}
