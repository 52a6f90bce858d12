#include "control/identity/accounts.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"
#include "control/record/groups.h"
#include "control/record/projects.h"

/* "NAME@PROJECT.iam.gserviceaccount.com", or the default account
 * "NUMBER-compute@developer.gserviceaccount.com". */
const char *account_key_of(struct control *control, struct arena *arena, struct slice email)
{
    static const struct slice own = SLICE_INIT(".iam.gserviceaccount.com");
    static const struct slice compute = SLICE_INIT("-compute@developer.gserviceaccount.com");
    ptrdiff_t at = slice_find(email, '@');
    const char *project = NULL;
    if (at <= 0 || email.len > 300) {
        return NULL;
    }
    if (slice_ends(email, compute)) {
        struct slice number = slice_upto(email, email.len - compute.len);
        project = project_id(control, arena, arena_string(arena, number));
    } else if (slice_ends(email, own)) {
        struct slice domain = slice_from(email, (size_t)at + 1);
        project = project_id(control, arena,
                             arena_string(arena, slice_upto(domain, domain.len - own.len)));
    }
    if (project == NULL) {
        return NULL;
    }
    return arena_printf(arena, "projects/%s/serviceAccounts/%.*s", project, SLICE_ARG(email));
}

static bool load(struct control *control, struct arena *arena, const char *kind, const char *key,
                 struct account *out)
{
    auto_doc doc = {0};
    if (store_get(control->store, kind, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    *out = (struct account){
        .key = arena_string(arena, slice_of(key)),
        .email = arena_string(arena, slice_of(json_text_or(doc.body, "email", ""))),
        .sub = arena_string(arena, slice_of(json_text_or(doc.body, "uniqueId", ""))),
        .user = strcmp(kind, STORE_USER) == 0,
        .disabled = json_flag(doc.body, "disabled", false),
    };
    return true;
}

bool account_by_sub(struct control *control, struct arena *arena, struct slice sub,
                    struct account *out)
{
    auto_doc doc = {0};
    if (sub.len == 0 || sub.len > 64 ||
        store_get(control->store, STORE_SUBJECT, arena_string(arena, sub), &doc, NULL) !=
            STORE_FOUND) {
        return false;
    }
    const char *key = arena_string(arena, slice_of(json_text_or(doc.body, "key", "")));
    bool user = strncmp(key, "users/", 6) == 0;
    return load(control, arena, user ? STORE_USER : STORE_ACCOUNT, key, out) &&
           slice_is(sub, out->sub);
}

bool account_by_email(struct control *control, struct arena *arena, struct slice email,
                      struct account *out)
{
    const char *key = account_key_of(control, arena, email);
    if (key != NULL) {
        return load(control, arena, STORE_ACCOUNT, key, out);
    }
    return email.len < 300 && load(control, arena, STORE_USER,
                                   arena_printf(arena, "users/%.*s", SLICE_ARG(email)), out);
}

/* A fresh unique ID. */
static void account_new_sub(char out[22])
{
    out[0] = '1';
    random_text(out + 1, 20, "0123456789");
}

static bool put_subject(struct control *control, const char *sub, const char *key,
                        struct error *err)
{
    auto_json *subject = json_pack("{s:s}", "key", key);
    return store_put(control->store, STORE_SUBJECT, sub, subject, NULL, NULL, err);
}

/* A user of that address: made on first use. */
static bool account_user(struct control *control, struct arena *arena, const char *email,
                         struct account *out, struct error *err)
{
    struct member member;
    if (!member_parse(arena, slice_of(arena_printf(arena, "user:%s", email)), &member, err)) {
        return false;
    }
    const char *address = arena_string(arena, member.value);
    const char *key = arena_printf(arena, "users/%s", address);
    if (load(control, arena, STORE_USER, key, out)) {
        return true;
    }
    char sub[22];
    account_new_sub(sub);
    auto_json *body = json_pack("{s:s, s:s, s:o}", "email", address, "uniqueId", sub, "createTime",
                                json_slice(time_text(arena, clock_wall_us())));
    auto_change *change = change_begin(control, NULL, err);
    return change != NULL && store_put(control->store, STORE_USER, key, body, NULL, NULL, err) &&
           put_subject(control, sub, key, err) && change_account(change, key, err) &&
           change_audit(change, key, "create-user", NULL, NULL, err) &&
           change_commit(&change, err) && load(control, arena, STORE_USER, key, out);
}

bool account_of_member(struct control *control, struct arena *arena, const char *text,
                       struct account *out, struct error *err)
{
    struct member member;
    if (!member_parse(arena, slice_of(text), &member, err)) {
        return false;
    }
    const char *email = arena_string(arena, member.value);
    if (member.kind == MEMBER_USER) {
        return account_user(control, arena, email, out, err);
    }
    if (member.kind != MEMBER_SERVICE_ACCOUNT) {
        return error_field(err, "member", "Name a user: or a serviceAccount:, nobody can be %s.",
                           text);
    }
    return account_by_email(control, arena, member.value, out) ||
           error_set(err, STATUS_NOT_FOUND, "Service account %s does not exist.", email);
}

void account_caller(struct control *control, struct arena *arena, const struct account *account,
                    struct caller *out)
{
    struct slice groups[GROUPS_MAX];
    struct slice *members = arena_array(arena, struct slice, GROUPS_MAX + 4);
    size_t count = 0;
    const char *at = strchr(account->email, '@');
    struct slice member = slice_of(
        arena_printf(arena, "%s:%s", account->user ? "user" : "serviceAccount", account->email));
    members[count++] = member;
    size_t group_count = groups_of(control, arena, member, groups);
    memcpy(members + count, groups, group_count * sizeof(groups[0]));
    count += group_count;
    if (account->user && at != NULL) {
        members[count++] = slice_of(arena_printf(arena, "domain:%s", at + 1));
    }
    members[count++] = SLICE("allAuthenticatedUsers");
    members[count++] = SLICE("allUsers");
    *out = (struct caller){
        .authenticated = true,
        .sub = slice_of(account->sub),
        .email = slice_of(account->email),
        .member = member,
        .principals = {.members = members, .count = count},
    };
}

/* ---- keys ---- */

bool account_create(struct change *change, struct control *control, struct arena *arena,
                    const char *project, const char *email, const char *display_name,
                    const char *description, json_t **body, struct error *err)
{
    char sub[22];
    account_new_sub(sub);
    const char *key = arena_printf(arena, "projects/%s/serviceAccounts/%s", project, email);
    *body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "email", email, "uniqueId", sub,
                      "projectId", project, "displayName", display_name, "description", description,
                      "createTime", json_slice(time_text(arena, clock_wall_us())));
    return store_put(control->store, STORE_ACCOUNT, key, *body, NULL, NULL, err) &&
           put_subject(control, sub, key, err) && change_account(change, key, err);
}
