/*
 * Who a session is when it calls the API: an account of ours, or a person of a provider by the
 * names that the gate knows them by (policy/facts_caller.c). Nobody becomes an account by having
 * its address: a provider's person is granted what policies grant to "user:E", and has none of what
 * belongs to an account itself.
 */
#include "control/identity/accounts.h"
#include "control/identity/sessions.h"
#include "control/record/groups.h"

enum { OWN_NAMES_MAX = 5, GROUPS_OF_PROVIDER_MAX = 200, WORDS_FOR_ALL = 2 };

struct names {
    struct arena *arena;
    struct slice *items;
    size_t count;
};

static void add(struct names *names, const char *before, struct slice value)
{
    names->items[names->count++] =
        slice_of(arena_printf(names->arena, "%s%.*s", before, SLICE_ARG(value)));
}

static bool speaks_for(const json_t *issuer, struct slice domain)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(issuer, "domains"), i, one)
    {
        if (slice_equal_nocase(domain, slice_of(json_string_value(one)))) {
            return true;
        }
    }
    return false;
}

/* The principal's own name first: their address, if the provider still may speak for it. */
static void add_own(struct names *names, const json_t *issuer, const struct person *person)
{
    struct slice pool = slice_of(json_text_or(issuer, "pool", ""));
    ptrdiff_t at = slice_find(person->email, '@');
    struct slice domain = at < 0 ? SLICE("") : slice_from(person->email, (size_t)at + 1);
    if (domain.len > 0 && speaks_for(issuer, domain)) {
        add(names, "user:", person->email);
        add(names, "domain:", domain);
    }
    if (pool.len > 0) {
        const char *subject =
            arena_printf(names->arena, "principal://%.*s/subject/", SLICE_ARG(pool));
        const char *all = arena_printf(names->arena, "principalSet://%.*s/", SLICE_ARG(pool));
        add(names, subject, person->subject);
        add(names, all, SLICE("*"));
    }
}

/* Groups of ours that have one of the names; then those that the provider names. */
static void add_groups(struct control *control, struct names *names, const json_t *issuer,
                       const struct person *person)
{
    struct slice found[GROUPS_MAX];
    struct slice pool = slice_of(json_text_or(issuer, "pool", ""));
    size_t own = names->count;
    size_t i;
    json_t *one;
    for (size_t k = 0; k < own; k++) {
        size_t count = groups_of(control, names->arena, names->items[k], found);
        memcpy(names->items + names->count, found, count * sizeof(found[0]));
        names->count += count;
    }
    const char *before = arena_printf(names->arena, "principalSet://%.*s/group/", SLICE_ARG(pool));
    json_array_foreach(person->groups, i, one)
    {
        if (i < GROUPS_OF_PROVIDER_MAX && pool.len > 0 && json_is_string(one)) {
            add(names, before, slice_of(json_string_value(one)));
        }
    }
}

static bool caller_of_provider(struct control *control, struct arena *arena,
                               const struct session *session, struct caller *out, struct error *err)
{
    struct store_doc doc;
    struct names names = {
        .arena = arena,
        .items =
            arena_array(arena, struct slice,
                        OWN_NAMES_MAX * (1 + GROUPS_MAX) + GROUPS_OF_PROVIDER_MAX + WORDS_FOR_ALL),
    };
    const char *key = arena_string(arena, session->person.provider);
    if (store_get(control->store, STORE_ISSUER, key, &doc, err) != STORE_FOUND) {
        return error_set(err, STATUS_UNAUTHENTICATED, "The identity provider is gone.");
    }
    auto_json *issuer = doc.body;
    add_own(&names, issuer, &session->person);
    if (names.count == 0) {
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "The identity provider names nobody whom a policy could name.");
    }
    add_groups(control, &names, issuer, &session->person);
    if (json_flag(issuer, "googleLike", false)) {
        add(&names, "allAuthenticatedUsers", SLICE(""));
    }
    add(&names, "allUsers", SLICE(""));
    *out = (struct caller){
        .authenticated = true,
        .federated = true,
        .sub = slice_of(arena_printf(arena, "%s/%.*s", key, SLICE_ARG(session->person.subject))),
        .email = arena_slice(arena, session->person.email),
        .member = names.items[0],
        .principals = {.members = names.items, .count = names.count},
    };
    return true;
}

bool session_caller(struct control *control, struct arena *arena, const struct session *session,
                    struct caller *out, struct error *err)
{
    struct account account;
    if (session->person.sub.len == 0) {
        return caller_of_provider(control, arena, session, out, err);
    }
    if (!account_by_sub(control, arena, session->person.sub, &account)) {
        return error_set(err, STATUS_UNAUTHENTICATED, "The session has ended. Sign in again.");
    }
    account_caller(control, arena, &account, out);
    return true;
}
