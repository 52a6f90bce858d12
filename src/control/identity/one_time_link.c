#include "control/identity/one_time_link.h"

#include "base/clock.h"
#include "control/identity/guesses.h"
#include "control/identity/sessions.h"

enum { SWEEP_MAX = 256 };

static const struct {
    const char *name;
    int64_t lasts_s;
} purposes[] = {
    [LINK_CONSOLE] = {"console", 5 * 60},
    [LINK_SIGN_IN] = {"sign-in", 10 * 60},
    [LINK_INVITE] = {"invite", 24 * 60 * 60},
};

/* ---- what is over goes when something new comes ---- */

struct sweep {
    struct arena *arena;
    int64_t now_us;
    size_t count, over_count;
    const char *over[SWEEP_MAX];
};

static bool sweep_one(const struct store_doc *doc, void *ctx)
{
    struct sweep *sweep = ctx;
    if (json_number(doc->body, "expireUs", 0) > sweep->now_us) {
        sweep->count++;
    } else if (sweep->over_count < SWEEP_MAX) {
        sweep->over[sweep->over_count++] = arena_string(sweep->arena, slice_of(doc->key));
    }
    return true;
}

/* In the running change. */
static bool make_room(struct api_call *call, struct error *err)
{
    struct store *store = call->control->store;
    struct sweep sweep = {.arena = &call->arena, .now_us = clock_wall_us()};
    if (!store_each(store, STORE_LINK, "", sweep_one, &sweep, err)) {
        return false;
    }
    for (size_t i = 0; i < sweep.over_count; i++) {
        if (!store_delete(store, STORE_LINK, sweep.over[i], err)) {
            return false;
        }
    }
    return sweep.count < LINKS_MAX ||
           error_set(err, STATUS_RESOURCE_EXHAUSTED,
                     "%d links wait to be used, which is the most that are kept. They end by "
                     "themselves.",
                     LINKS_MAX);
}

bool link_new(struct api_call *call, const struct account *account, const struct link_terms *terms,
              struct slice *code, struct error *err)
{
    struct slice secret = ticket_new(&call->arena);
    int64_t lasts_us = purposes[terms->purpose].lasts_s * 1000000;
    auto_json *body = json_pack(
        "{s:s, s:s, s:I, s:I, s:s, s:I}", "sub", account->sub, "purpose",
        purposes[terms->purpose].name, "sessionS", (json_int_t)terms->session_s, "expireUs",
        (json_int_t)(clock_wall_us() + lasts_us), "boot", clock_boot_id(&call->arena),
        "expireBootUs", (json_int_t)(clock_boot_us() + lasts_us));
    auto_change *change = api_change(call, err);
    *code = secret;
    return change != NULL && make_room(call, err) &&
           store_put(call->control->store, STORE_LINK, ticket_key(&call->arena, "links", secret),
                     body, NULL, NULL, err) &&
           change_audit(change,
                        person_resource(call->control, &call->arena, slice_of(account->email)),
                        "make-sign-in-link", NULL, NULL, err) &&
           change_commit(&change, err);
}

static bool is_over(struct arena *arena, const json_t *body)
{
    bool same_start = strcmp(json_text_or(body, "boot", ""), clock_boot_id(arena)) == 0;
    return json_number(body, "expireUs", 0) <= clock_wall_us() ||
           (same_start && json_number(body, "expireBootUs", 0) <= clock_boot_us());
}

static bool serves(const json_t *body, enum link_purpose purpose)
{
    const char *name = json_text_or(body, "purpose", "");
    return strcmp(name, purposes[purpose].name) == 0 ||
           (purpose == LINK_SIGN_IN && strcmp(name, purposes[LINK_INVITE].name) == 0);
}

static bool refused(struct api_call *call, enum link_purpose purpose, struct error *err)
{
    guesses_count(call->control->guesses, call->peer, clock_mono_us());
    return error_set(err, STATUS_UNAUTHENTICATED,
                     "This sign-in link is not known, was used already, or is too old. "
                     "`homerun %s` makes a new one.",
                     purpose == LINK_CONSOLE ? "console" : "login");
}

bool link_find(struct api_call *call, struct slice code, enum link_purpose purpose,
               struct account *account, struct link_terms *terms, struct error *err)
{
    struct store_doc doc;
    if (guesses_too_many(call->control->guesses, call->peer, clock_mono_us())) {
        return error_set(err, STATUS_RESOURCE_EXHAUSTED,
                         "Too many wrong sign-in links came from your address. Wait a minute.");
    }
    if (!ticket_is_whole(code)) {
        return refused(call, purpose, err);
    }
    switch (store_get(call->control->store, STORE_LINK, ticket_key(&call->arena, "links", code),
                      &doc, err)) {
    case STORE_ABSENT:
        return refused(call, purpose, err);
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    auto_json *body = doc.body;
    *terms = (struct link_terms){.purpose = purpose, .session_s = json_number(body, "sessionS", 0)};
    return (!is_over(&call->arena, body) && serves(body, purpose) &&
            account_by_sub(call->control, &call->arena, slice_of(json_text_or(body, "sub", "")),
                           account) &&
            !account->disabled) ||
           refused(call, purpose, err);
}

bool link_use(struct control *control, struct slice code, struct error *err)
{
    auto_arena arena = {0};
    return store_delete(control->store, STORE_LINK, ticket_key(&arena, "links", code), err);
}
