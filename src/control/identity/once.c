/* "once/END/HASH": the marks lie in the order of their ends, so those that are over stand first. */
#include "control/identity/once.h"

#include "base/clock.h"
#include "control/identity/ticket.h"

enum { SWEEP_MAX = 64 };

static const char prefix[] = "once/";

static int64_t kept_until_s(const struct once *once)
{
    return once->end_us / 1000000 + ONCE_KEPT_S;
}

static const char *key_of(struct arena *arena, const struct once *once)
{
    const char *name = arena_printf(arena, "%s %.*s", once->purpose, SLICE_ARG(once->name));
    return ticket_key(arena,
                      arena_printf(arena, "%s%012lld", prefix, (long long)kept_until_s(once)),
                      slice_of(name));
}

struct sweep {
    struct arena *arena;
    const char *now; /* the key of a mark that ends now */
    size_t count;
    const char *over[SWEEP_MAX];
};

static bool sweep_one(const struct store_doc *doc, void *ctx)
{
    struct sweep *sweep = ctx;
    if (strcmp(doc->key, sweep->now) >= 0 || sweep->count == SWEEP_MAX) {
        return false;
    }
    sweep->over[sweep->count++] = arena_string(sweep->arena, slice_of(doc->key));
    return true;
}

static bool sweep_over(struct control *control, struct arena *arena, struct error *err)
{
    struct sweep sweep = {
        .arena = arena,
        .now = arena_printf(arena, "%s%012lld", prefix, (long long)(clock_wall_us() / 1000000)),
    };
    bool good = store_each(control->store, STORE_ONCE, prefix, sweep_one, &sweep, err);
    for (size_t i = 0; i < sweep.count && good; i++) {
        good = store_delete(control->store, STORE_ONCE, sweep.over[i], err);
    }
    return good;
}

bool once_is_used(struct control *control, const struct once *once)
{
    auto_arena arena = {0};
    return store_get(control->store, STORE_ONCE, key_of(&arena, once), NULL, NULL) == STORE_FOUND;
}

bool once_use(struct control *control, const struct once *once, struct error *err)
{
    auto_arena arena = {0};
    const char *key = key_of(&arena, once);
    auto_json *nothing = json_object();
    switch (store_get(control->store, STORE_ONCE, key, NULL, err)) {
    case STORE_FOUND:
        return error_set(err, STATUS_INVALID_ARGUMENT, "This was used already. Begin again.");
    case STORE_FAILED:
        return false;
    case STORE_ABSENT:
        break;
    }
    return sweep_over(control, &arena, err) &&
           store_put(control->store, STORE_ONCE, key, nothing, NULL, NULL, err);
}
