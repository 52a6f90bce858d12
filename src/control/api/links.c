/*
 * A sign-in link is a token for somebody, so making one takes what tokens for anybody take: to own
 * the installation. Were it enough to be somebody, a stolen token of minutes would make a session
 * of hours.
 */
#include "control/api/links.h"

#include "control/call/answer.h"
#include "control/identity/sessions.h"

static const struct field link_fields[] = {
    {.name = "member", .kind = FIELD_STRING}, /* "" for the caller */
    {0},
};

static void links_create(struct api_call *call)
{
    struct error err;
    struct account account;
    struct slice code;
    const char *member = json_text_or(call->body, "member", "");
    if (call->caller.federated) {
        error_set(&err, STATUS_PERMISSION_DENIED,
                  "A federated identity has no account here, and makes no sign-in links.");
        api_fail(call, &err);
        return;
    }
    if (member[0] == '\0') {
        member = arena_string(&call->arena, call->caller.member);
    }
    if (!account_of_member(call->control, &call->arena, member, &account, &err) ||
        !session_link_new(call, &account, &code, &err)) {
        api_fail(call, &err);
        return;
    }
    const char *path = arena_printf(&call->arena, "/console/#code=%.*s", SLICE_ARG(code));
    api_reply(call, json_pack("{s:s, s:o, s:s}", "member", member, "code", json_slice(code), "uri",
                              arena_printf(&call->arena, "%s%s", call->control->url, path)));
}

const struct api_route link_routes[] = {
    {"POST", "/homerun/v1/links", "resourcemanager.organizations.setIamPolicy", "organization", 0,
     links_create, "homerun.v1.CreateLink", link_fields},
};
const size_t link_route_count = sizeof(link_routes) / sizeof(link_routes[0]);
