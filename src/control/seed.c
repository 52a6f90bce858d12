#include "control/seed.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "control/identity/account_keys.h"
#include "control/identity/accounts.h"
#include "control/publish/publish.h"
#include "control/record/owner.h"
#include "control/record/projects.h"

static const char organization_setting[] = "organization";
static const char owner_file[] = "owner.json";

/* Grants ROLE to MEMBER on RESOURCE, in the running change, beside what is there. */
static bool grant(struct change *change, struct control *control, const char *resource,
                  const char *role, const char *member, struct error *err)
{
    auto_doc doc = {0};
    switch (store_get(control->store, STORE_POLICY, resource, &doc, err)) {
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    case STORE_ABSENT:
        doc.body = json_pack("{s:i, s:[]}", "version", 1, "bindings");
        break;
    }
    json_array_append_new(json_object_get(doc.body, "bindings"),
                          json_pack("{s:s, s:[s]}", "role", role, "members", member));
    return store_put(control->store, STORE_POLICY, resource, doc.body, NULL, NULL, err) &&
           change_policy(change, resource, err);
}

static bool absent(struct control *control, const char *kind, const char *key, bool *out,
                   struct error *err)
{
    enum store_result result = store_get(control->store, kind, key, NULL, err);
    *out = result == STORE_ABSENT;
    return result != STORE_FAILED;
}

static bool seed_organization(struct control *control, struct arena *arena, const char **node,
                              struct error *err)
{
    auto_doc doc = {0};
    char id[32];
    char customer[10] = "C0";
    switch (store_get(control->store, STORE_SETTING, organization_setting, &doc, err)) {
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        *node = arena_string(arena, slice_of(json_text_or(doc.body, "node", "")));
        return true;
    case STORE_ABSENT:
        break;
    }
    if (control->settings.organization[0] != '\0') {
        snprintf(id, sizeof(id), "%s", control->settings.organization);
    } else {
        random_text(id, 12, "123456789");
    }
    random_text(customer + 2, 7, "abcdefghijklmnopqrstuvwxyz0123456789");
    *node = arena_printf(arena, "organizations/%s", id);
    auto_json *organization =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", *node, "displayName", "homerun",
                  "directoryCustomerId", customer, "lifecycleState", "ACTIVE", "createTime",
                  json_slice(time_text(arena, clock_wall_us())));
    auto_json *setting = json_pack("{s:s, s:s}", "node", *node, "customer", customer);
    return store_put(control->store, STORE_NODE, *node, organization, NULL, NULL, err) &&
           store_put(control->store, STORE_SETTING, organization_setting, setting, NULL, NULL, err);
}

static bool seed_owner(struct change *change, struct control *control, struct arena *arena,
                       const char *project, const char *organization, struct error *err)
{
    /* Everything that the tree, its tags and its policies take: the organization is theirs. */
    static const char *const organization_roles[] = {
        "roles/resourcemanager.organizationAdmin", "roles/orgpolicy.policyAdmin",
        "roles/resourcemanager.projectCreator",    "roles/resourcemanager.projectDeleter",
        "roles/resourcemanager.folderAdmin",       "roles/resourcemanager.tagAdmin",
        "roles/resourcemanager.tagUser",           "roles/iam.organizationRoleAdmin",
    };
    const char *email = arena_printf(arena, "owner@%s.iam.gserviceaccount.com", project);
    const char *member = arena_printf(arena, "serviceAccount:%s", email);
    const char *node = arena_printf(arena, "projects/%s", project);
    struct account account = {.key = arena_printf(arena, "%s/serviceAccounts/%s", node, email),
                              .email = email};
    auto_json *body = NULL;
    auto_json *key = NULL;
    struct slice file;
    if (!account_create(change, control, arena, project, email, "Owner",
                        "The owner of this installation", &body, err)) {
        return false;
    }
    account.sub = json_text_or(body, "uniqueId", "");
    if (!owner_put(control, account.sub, err) ||
        !account_new_key(change, control, arena, &account, &key, &file, err) ||
        !grant(change, control, node, "roles/owner", member, err) ||
        /* What the owner of a laptop expects: to get tokens for the accounts that they make. */
        !grant(change, control, node, "roles/iam.serviceAccountTokenCreator", member, err)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(organization_roles) / sizeof(organization_roles[0]); i++) {
        if (!grant(change, control, organization, organization_roles[i], member, err)) {
            return false;
        }
    }
    return file_write(settings_path(&control->settings, arena, owner_file), file, 0600, err);
}

/* The default runtime account; Editor, as on Cloud Run. */
static bool seed_compute(struct change *change, struct control *control, struct arena *arena,
                         const char *project, const char *number, struct error *err)
{
    auto_json *body = NULL;
    const char *email = arena_printf(arena, "%s-compute@developer.gserviceaccount.com", number);
    return account_create(change, control, arena, project, email,
                          "Compute Engine default service account", "", &body, err) &&
           grant(change, control, arena_printf(arena, "projects/%s", project), "roles/editor",
                 arena_printf(arena, "serviceAccount:%s", email), err);
}

static bool seed_project(struct change *change, struct control *control, struct arena *arena,
                         const char *organization, struct error *err)
{
    const char *id = control->settings.project;
    char number[32];
    if (control->settings.project_number[0] != '\0') {
        snprintf(number, sizeof(number), "%s", control->settings.project_number);
    } else {
        random_text(number, 12, "123456789");
    }
    const char *now = arena_string(arena, time_text(arena, clock_wall_us()));
    return project_put(control, arena, id, number, id, organization, now, err) &&
           seed_owner(change, control, arena, id, organization, err) &&
           seed_compute(change, control, arena, id, number, err);
}

/* Data of older versions do not say who the owner is: the account that their first start named
 * "owner". If that was deleted, nobody is. */
static bool note_owner(struct control *control, struct arena *arena, struct error *err)
{
    struct account account;
    const char *email =
        arena_printf(arena, "owner@%s.iam.gserviceaccount.com", control->settings.project);
    if (!owner_load(control, err)) {
        return false;
    }
    if (control->owner_sub[0] != '\0' ||
        !account_by_email(control, arena, slice_of(email), &account)) {
        return true;
    }
    auto_change *change = change_begin(control, NULL, err);
    return change != NULL && owner_put(control, account.sub, err) &&
           change_audit(change, account.key, "note-owner", NULL, NULL, err) &&
           change_commit(&change, err);
}

bool seed(struct control *control, struct error *err)
{
    auto_arena arena = {0};
    const char *organization;
    bool missing;
    const char *node = arena_printf(&arena, "projects/%s", control->settings.project);
    if (!absent(control, STORE_NODE, node, &missing, err)) {
        return false;
    }
    if (!missing) {
        return note_owner(control, &arena, err);
    }
    const char *file = settings_path(&control->settings, &arena, owner_file);
    bool had_file = access(file, F_OK) == 0;
    auto_change *change = change_begin(control, NULL, err);
    if (change != NULL && seed_organization(control, &arena, &organization, err) &&
        seed_project(change, control, &arena, organization, err) &&
        change_audit(change, node, "first-start", NULL, NULL, err) && change_commit(&change, err)) {
        return true;
    }
    if (!had_file && store_was_outrun(control->store)) {
        unlink(file); /* a key of an account that there is not */
    }
    return false;
}
