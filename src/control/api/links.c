/*
 * A sign-in link is a token for somebody, so making one takes what tokens for anybody take: to own
 * the installation. Were it enough to be somebody, a stolen token of minutes would make a session
 * of hours.
 */
#include "control/api/links.h"

#include "control/identity/one_time_link.h"
#include "control/identity/passkeys.h"
#include "control/identity/sessions.h"
#include "policy/members.h"

enum { DAYS_MAX = 90, DAY_S = 24 * 60 * 60 };

static const char *const purpose_names[] = {"CONSOLE", "SIGN_IN", "INVITE", NULL};

static const struct field link_fields[] = {
    {.name = "member", .kind = FIELD_STRING},                         /* "" for the caller */
    {.name = "purpose", .kind = FIELD_ENUM, .names = purpose_names},  /* CONSOLE if absent */
    {.name = "days", .kind = FIELD_INT32, .min = 1, .max = DAYS_MAX}, /* of the session, at most */
    {0},
};

static const struct field sign_out_fields[] = {
    {.name = "email", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "passkeys", .kind = FIELD_BOOL}, /* remove them too */
    {0},
};

static enum link_purpose purpose_of(const json_t *body)
{
    const char *asked = json_text_or(body, "purpose", "CONSOLE");
    for (size_t i = 0; purpose_names[i] != NULL; i++) {
        if (strcmp(asked, purpose_names[i]) == 0) {
            return (enum link_purpose)i;
        }
    }
    return LINK_CONSOLE;
}

static bool caller_has_account(struct api_call *call, struct error *err)
{
    return !call->caller.federated ||
           error_set(err, STATUS_PERMISSION_DENIED,
                     "A federated identity has no account here, and makes no sign-in links.");
}

static void links_create(struct api_call *call)
{
    struct error err;
    struct account account;
    struct slice code;
    const char *member = json_text_or(call->body, "member", "");
    const struct link_terms terms = {
        .purpose = purpose_of(call->body),
        .session_s = json_number(call->body, "days", 0) * DAY_S,
    };
    if (member[0] == '\0') {
        member = arena_string(&call->arena, call->caller.member);
    }
    if (!caller_has_account(call, &err) ||
        !account_of_member(call->control, &call->arena, member, &account, &err) ||
        !link_new(call, &account, &terms, &code, &err)) {
        api_fail(call, &err);
        return;
    }
    const char *url =
        terms.purpose == LINK_CONSOLE
            ? arena_printf(&call->arena, "%s/console/#code=%.*s", call->control->url,
                           SLICE_ARG(code))
            : arena_printf(&call->arena, "%s/_homerun/auth/link#%.*s",
                           settings_own_url(&call->control->settings, &call->arena, "auth"),
                           SLICE_ARG(code));
    api_reply(call,
              json_pack("{s:s, s:o, s:s}", "member", member, "code", json_slice(code), "uri", url));
}

/* ---- the end of all sessions of a person ---- */

struct wanted {
    struct slice email, sub;
};

/* By the account, and by the address that a provider may speak for. */
static bool is_wanted(const json_t *body, void *ctx)
{
    const struct wanted *wanted = ctx;
    return (wanted->sub.len > 0 && slice_is(wanted->sub, json_text_or(body, "sub", ""))) ||
           slice_is(wanted->email, json_text_or(body, "email", "")) ||
           slice_is(wanted->email, json_text_or(body, "shown", ""));
}

/* What would sign them in again without anybody. */
static bool remove_passkeys(struct api_call *call, struct slice sub, struct slice shown,
                            size_t *count, struct error *err)
{
    struct passkey known[PASSKEYS_MAX];
    *count = passkeys_list(call->control, &call->arena, arena_string(&call->arena, sub), known,
                           PASSKEYS_MAX);
    for (size_t i = 0; i < *count; i++) {
        if (!passkey_remove(call, &known[i], shown, err)) {
            return false;
        }
    }
    return true;
}

static void sessions_sign_out(struct api_call *call)
{
    struct error err;
    struct account account;
    struct member member;
    unsigned count = 0;
    size_t passkeys = 0;
    const char *email = json_text_or(call->body, "email", "");
    if (!member_parse(&call->arena, slice_of(arena_printf(&call->arena, "user:%s", email)), &member,
                      &err)) {
        error_field(&err, "email", "%.200s is no e-mail address.", email);
        api_fail(call, &err);
        return;
    }
    struct wanted wanted = {.email = member.value};
    if (account_by_email(call->control, &call->arena, member.value, &account)) {
        wanted.sub = slice_of(account.sub);
    }
    const char *resource = person_resource(call->control, &call->arena, member.value);
    if (json_flag(call->body, "passkeys", false) && wanted.sub.len > 0 &&
        !remove_passkeys(call, wanted.sub, member.value, &passkeys, &err)) {
        api_fail(call, &err);
        return;
    }
    if (!session_end_all(call, resource, "sign-out-everywhere", NULL, is_wanted, &wanted, &count,
                         &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:o, s:i, s:i}", "email", json_slice(member.value), "sessions",
                              (int)count, "passkeys", (int)passkeys));
}

const struct api_route link_routes[] = {
    {"POST", "/homerun/v1/links", "resourcemanager.organizations.setIamPolicy", "organization", 0,
     links_create, "homerun.v1.CreateLink", link_fields},
    {"POST", "/homerun/v1/sessions:signOut", "resourcemanager.organizations.setIamPolicy",
     "organization", 0, sessions_sign_out, "homerun.v1.SignOutPerson", sign_out_fields},
};
const size_t link_route_count = sizeof(link_routes) / sizeof(link_routes[0]);
