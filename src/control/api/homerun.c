/*
 * Our own API, /homerun/v1: what Cloud Run has elsewhere (a directory of groups) or leaves to
 * others (which OpenID issuers to believe), and tokens from the local root of trust. Guarded by the
 * roles on the installation's project.
 */
#include "control/api/homerun.h"

#include "control/identity/accounts.h"
#include "control/identity/issuer.h"
#include "control/identity/issuer_mint.h"
#include "policy/members.h"

enum { GROUP_MEMBERS_MAX = 10000 };

/* ---- groups ---- */

static const struct field group_fields[] = {
    {.name = "email", .kind = FIELD_STRING},
    {.name = "members", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};

static const char *group_key(struct api_call *call, const char *email, struct error *err)
{
    struct member member;
    if (!member_parse(&call->arena, slice_of(arena_printf(&call->arena, "group:%s", email)),
                      &member, err)) {
        return NULL;
    }
    return arena_printf(&call->arena, "groups/%.*s", SLICE_ARG(member.value));
}

static bool holds_text(const json_t *list, struct slice text)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        if (slice_is(text, json_string_value(one))) {
            return true;
        }
    }
    return false;
}

/*
 * Members in their normal form: users, service accounts and groups; nothing else can be in a group.
 * BEFORE: the members that it has, of which those that were deleted may stay.
 */
static json_t *group_members(struct api_call *call, const json_t *asked, const json_t *before,
                             struct error *err)
{
    size_t i;
    json_t *one;
    auto_json *out = json_array();
    if (json_array_size(asked) > GROUP_MEMBERS_MAX) {
        error_field(err, "members", "A group can have %d members at most.", GROUP_MEMBERS_MAX);
        return NULL;
    }
    json_array_foreach(asked, i, one)
    {
        struct member member;
        bool good = member_parse(&call->arena, slice_of(json_string_value(one)), &member, err);
        if (good && member.kind != MEMBER_USER && member.kind != MEMBER_GROUP &&
            member.kind != MEMBER_SERVICE_ACCOUNT && !holds_text(before, member.text)) {
            good = error_field(err, "members",
                               "%s cannot be in a group; user:, serviceAccount: and group: can.",
                               json_string_value(one));
        }
        if (!good) {
            return NULL;
        }
        json_array_append_new(out, json_slice(member.text));
    }
    return json_steal(&out);
}

static bool collect_body(const struct store_doc *doc, void *ctx)
{
    json_array_append(ctx, doc->body);
    return true;
}

static void list(struct api_call *call, const char *kind, const char *name)
{
    struct error err;
    json_t *all = json_array();
    bool good = store_each(call->control->store, kind, "", collect_body, all, &err);
    api_answer(call, good, json_pack("{s:o}", name, all), &err);
}

static void groups_list(struct api_call *call)
{
    list(call, STORE_GROUP, "groups");
}

/* Puts or, with BODY NULL, deletes; in force for every service when this answers. */
static bool change_group(struct api_call *call, const char *key, const char *deed,
                         const json_t *body, struct error *err)
{
    auto_change *change = api_change(call, err);
    struct store *store = call->control->store;
    return change != NULL &&
           (body != NULL ? store_put(store, STORE_GROUP, key, body, NULL, NULL, err)
                         : store_delete(store, STORE_GROUP, key, err)) &&
           change_groups(change, err) && change_audit(change, key, deed, NULL, body, err) &&
           change_commit(&change, err);
}

static bool group_exists(struct api_call *call, const char *key, bool wanted, struct error *err)
{
    switch (store_get(call->control->store, STORE_GROUP, key, NULL, err)) {
    case STORE_FOUND:
        return wanted || error_set(err, STATUS_ALREADY_EXISTS, "The group %s exists already.", key);
    case STORE_ABSENT:
        return !wanted || error_set(err, STATUS_NOT_FOUND, "There is no group %s.", key);
    case STORE_FAILED:
        return false;
    }
    return false;
}

static void put_group(struct api_call *call, bool create)
{
    struct error err;
    auto_json *asked = fields_read(group_fields, call->body, "", &err);
    const char *email = create ? json_text_or(asked, "email", "") : api_param(call, "group");
    const char *key = asked == NULL ? NULL : group_key(call, email, &err);
    struct store_doc old = {0};
    if (key == NULL || !group_exists(call, key, !create, &err) ||
        (!create && store_get(call->control->store, STORE_GROUP, key, &old, &err) != STORE_FOUND)) {
        api_fail(call, &err);
        return;
    }
    auto_json *before = old.body;
    auto_json *members = group_members(call, json_object_get(asked, "members"),
                                       json_object_get(before, "members"), &err);
    if (members == NULL) {
        api_fail(call, &err);
        return;
    }
    auto_json *body = json_pack("{s:s, s:O}", "email", key + strlen("groups/"), "members", members);
    if (!change_group(call, key, create ? "create-group" : "update-group", body, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_incref(body));
}

static void groups_create(struct api_call *call)
{
    put_group(call, true);
}

static void groups_update(struct api_call *call)
{
    put_group(call, false);
}

static void groups_get(struct api_call *call)
{
    struct error err;
    struct store_doc doc;
    const char *key = group_key(call, api_param(call, "group"), &err);
    if (key == NULL || !group_exists(call, key, true, &err) ||
        store_get(call->control->store, STORE_GROUP, key, &doc, &err) != STORE_FOUND) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, doc.body);
}

static void groups_delete(struct api_call *call)
{
    struct error err;
    const char *key = group_key(call, api_param(call, "group"), &err);
    if (key == NULL || !group_exists(call, key, true, &err) ||
        !change_group(call, key, "delete-group", NULL, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_object());
}

/* ---- tokens ---- */

static const struct field token_fields[] = {
    {.name = "kind", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "member", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "audience", .kind = FIELD_STRING},
    {0},
};

static void tokens_create(struct api_call *call)
{
    struct error err;
    struct account account;
    struct slice token;
    if (call->caller.federated) {
        error_set(&err, STATUS_PERMISSION_DENIED,
                  "A federated identity has no account here, and makes no tokens for others.");
        api_fail(call, &err);
        return;
    }
    auto_json *asked = fields_read(token_fields, call->body, "", &err);
    if (asked == NULL || !account_of_member(call->control, &call->arena,
                                            json_text_or(asked, "member", ""), &account, &err)) {
        api_fail(call, &err);
        return;
    }
    struct token_grant grant = {
        .sub = account.sub,
        .email = account.email,
        .audience = json_text_or(asked, "audience", GCLOUD_CLIENT_ID),
    };
    static const struct {
        const char *kind;
        bool (*mint)(struct control *, struct arena *, const struct token_grant *, struct slice *,
                     struct error *);
    } kinds[] = {
        {"identity", issuer_id_token},
        {"access", issuer_access_token},
        {"refresh", issuer_refresh_token},
    };
    const char *kind = json_text_or(asked, "kind", "");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            if (!kinds[i].mint(call->control, &call->arena, &grant, &token, &err)) {
                api_fail(call, &err);
                return;
            }
            api_reply(call, json_pack("{s:o}", "token", json_slice(token)));
            return;
        }
    }
    error_field(&err, "kind", "The kind is identity, access or refresh.");
    api_fail(call, &err);
}

/* ---- the issuer's keys ---- */

static void keys_rotate(struct api_call *call)
{
    struct error err;
    if (!issuer_rotate(call, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply_text(call, 200, "application/json; charset=UTF-8", call->control->issuer->jwks);
}

static void keys_forget(struct api_call *call)
{
    struct error err;
    if (!issuer_forget(call, api_param(call, "key"), &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply_text(call, 200, "application/json; charset=UTF-8", call->control->issuer->jwks);
}

/*
 * Who may call these methods: the directory, the issuers and the tokens for others can make their
 * caller any person, in every project. So they ask for the permission that nothing is above: to set
 * the policy of the organization, which only its owner holds at first. A caller who may set the
 * policy of one project must not gain more by a token or a group.
 */
#define ROOT   "resourcemanager.organizations.setIamPolicy", "organization"
#define READ   "resourcemanager.projects.getIamPolicy", "installation"
#define METHOD "homerun.v1."

const struct api_route homerun_routes[] = {
    {"GET", "/homerun/v1/groups", READ, 0, groups_list, METHOD "ListGroups"},
    {"POST", "/homerun/v1/groups", ROOT, 0, groups_create, METHOD "CreateGroup"},
    {"GET", "/homerun/v1/groups/{group}", READ, 0, groups_get, METHOD "GetGroup"},
    {"PUT", "/homerun/v1/groups/{group}", ROOT, 0, groups_update, METHOD "UpdateGroup"},
    {"DELETE", "/homerun/v1/groups/{group}", ROOT, 0, groups_delete, METHOD "DeleteGroup"},
    {"POST", "/homerun/v1/tokens", ROOT, 0, tokens_create, METHOD "CreateToken"},
    {"POST", "/homerun/v1/keys:rotate", ROOT, 0, keys_rotate, METHOD "RotateKey", api_no_fields},
    {"DELETE", "/homerun/v1/keys/{key}", ROOT, 0, keys_forget, METHOD "ForgetKey"},
};
const size_t homerun_route_count = sizeof(homerun_routes) / sizeof(homerun_routes[0]);
