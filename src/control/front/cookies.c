#include "control/front/cookies.h"

/* FN for each cookie of REQUEST, in its order. */
static void each_cookie(const struct http_request *request,
                        void (*fn)(struct slice name, struct slice value, void *ctx), void *ctx)
{
    for (unsigned i = 0; i < request->headers.count; i++) {
        const struct http_header *header = &request->headers.items[i];
        struct slice rest = header->value, part, name;
        if (!slice_is(header->name, "cookie")) {
            continue;
        }
        while (slice_cut(&rest, ';', &part)) {
            part = slice_trim(part);
            if (slice_cut(&part, '=', &name)) {
                fn(name, part, ctx);
            }
        }
    }
}

struct wanted {
    const char *name;
    struct slice value;
    unsigned count;
};

static void find_one(struct slice name, struct slice value, void *ctx)
{
    struct wanted *wanted = ctx;
    if (slice_is(name, wanted->name)) {
        wanted->value = value;
        wanted->count++;
    }
}

struct slice cookie_find(const struct http_request *request, const char *name, bool *several)
{
    struct wanted wanted = {.name = name};
    each_cookie(request, find_one, &wanted);
    *several = wanted.count > 1;
    return wanted.count == 1 && wanted.value.len <= COOKIE_VALUE_MAX ? wanted.value : SLICE_NONE;
}

struct surplus {
    struct slice prefix;
    unsigned count;
    struct slice oldest[COOKIES_DROPPED_MAX];
};

/* Browsers send the oldest first (RFC 6265 section 5.4). */
static void count_one(struct slice name, struct slice value, void *ctx)
{
    struct surplus *surplus = ctx;
    (void)value;
    if (slice_starts(name, surplus->prefix)) {
        if (surplus->count < COOKIES_DROPPED_MAX) {
            surplus->oldest[surplus->count] = name;
        }
        surplus->count++;
    }
}

unsigned cookies_drop_oldest(struct api_call *call, const char *prefix, unsigned keep,
                             struct api_header out[COOKIES_DROPPED_MAX])
{
    struct surplus surplus = {.prefix = slice_of(prefix)};
    unsigned dropped = 0;
    each_cookie(exchange_request(call->exchange), count_one, &surplus);
    while (surplus.count > keep + dropped && dropped < COOKIES_DROPPED_MAX) {
        out[dropped] =
            cookie_set(call, arena_string(&call->arena, surplus.oldest[dropped]), SLICE("-"), 0);
        dropped++;
    }
    return dropped;
}

struct api_header cookie_set(struct api_call *call, const char *name, struct slice value,
                             long lasts_s)
{
    return (struct api_header){
        "set-cookie",
        arena_printf(&call->arena, "%s=%.*s; Path=/; Max-Age=%ld; Secure; HttpOnly; SameSite=Lax",
                     name, SLICE_ARG(value), lasts_s)};
}
