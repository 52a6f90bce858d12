/* iam.googleapis.com/v1: service accounts, their keys, and roles. */
#include "control/api/iam_v1.h"

#include "control/api/iam_v1_inside.h"

#include "control/access/iam_policy.h"
#include "control/access/orgpolicy.h"
#include "control/call/paging.h"
#include "control/identity/account_life.h"
#include "control/identity/accounts.h"
#include "control/record/etag.h"

enum { PAGE_DEFAULT = 100 };

/* ---- accounts ---- */

static const struct field account_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "projectId", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "uniqueId", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "email", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "displayName", .kind = FIELD_STRING, .max = 100},
    {.name = "description", .kind = FIELD_STRING, .max = 256},
    {.name = "etag", .kind = FIELD_BYTES, .flags = FIELD_OUTPUT_ONLY},
    {.name = "oauth2ClientId", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "disabled", .kind = FIELD_BOOL, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

static const struct field create_fields[] = {
    {.name = "accountId", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "serviceAccount", .kind = FIELD_OBJECT, .fields = account_fields},
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

static const struct field patch_fields[] = {
    {.name = "serviceAccount",
     .kind = FIELD_OBJECT,
     .fields = account_fields,
     .flags = FIELD_REQUIRED},
    {.name = "updateMask", .kind = FIELD_STRING},
    {0},
};

static json_t *account_json(struct arena *arena, const struct store_doc *doc)
{
    static const char *const kept[] = {"projectId", "uniqueId", "email"};
    static const char *const optional[] = {"displayName", "description"};
    json_t *out = json_object();
    json_object_set_new(out, "name", json_string(doc->key));
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        json_object_set(out, kept[i], json_object_get(doc->body, kept[i]));
    }
    for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
        const char *text = json_text_or(doc->body, optional[i], "");
        if (text[0] != '\0') {
            json_object_set_new(out, optional[i], json_string(text));
        }
    }
    json_object_set_new(out, "etag", json_slice(policy_etag(arena, doc->version)));
    json_object_set(out, "oauth2ClientId", json_object_get(doc->body, "uniqueId"));
    if (json_flag(doc->body, "disabled", false)) {
        json_object_set_new(out, "disabled", json_true());
    }
    return out;
}

/*
 * Store key of the account that the path names, by address or unique ID, in its project or "-". In
 * rows of this file {account} is turned into this before permissions are asked; so `on` is NULL and
 * the handlers ask themselves.
 */
static const char *account_key(struct api_call *call, struct error *err)
{
    (void)err;
    const char *named = api_param(call, "account");
    struct account account;
    if (strchr(named, '@') == NULL &&
        account_by_sub(call->control, &call->arena, slice_of(named), &account)) {
        return account.key;
    }
    const char *key = account_key_of(call->control, &call->arena, slice_of(named));
    const char *project = api_param(call, "project");
    if (key != NULL && strcmp(project, "-") != 0 && project[0] != '\0') {
        const char *wanted = arena_printf(&call->arena, "projects/%s/", project);
        if (strncmp(key, wanted, strlen(wanted)) != 0) {
            key = NULL;
        }
    }
    return key != NULL
               ? key
               : arena_printf(&call->arena, "projects/%s/serviceAccounts/%s", project, named);
}

bool iam_load_account(struct api_call *call, struct store_doc *out, struct error *err)
{
    return store_load(call->control->store, STORE_ACCOUNT, account_key(call, err), out, err,
                      "Unknown service account: %s.", api_param(call, "account"));
}

static bool account_id_valid(const char *id, struct error *err)
{
    size_t length = strlen(id);
    bool good =
        length >= 6 && length <= 30 && id[0] >= 'a' && id[0] <= 'z' && id[length - 1] != '-';
    for (size_t i = 0; i < length && good; i++) {
        good = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= '0' && id[i] <= '9') || id[i] == '-';
    }
    return good || error_field(err, "accountId",
                               "The account ID \"%.64s\" must have 6 to 30 characters: lower-case "
                               "letters, digits and hyphens, beginning with a letter.",
                               id);
}

static bool create_account(struct api_call *call, struct store_doc *out, struct error *err)
{
    const char *project = api_param(call, "project");
    auto_json *asked = fields_read(create_fields, call->body, "", err);
    const char *id = asked == NULL ? "" : json_text_or(asked, "accountId", "");
    if (asked == NULL || !account_id_valid(id, err)) {
        return false;
    }
    const char *email = arena_printf(&call->arena, "%s@%s.iam.gserviceaccount.com", id, project);
    const char *key = arena_printf(&call->arena, "projects/%s/serviceAccounts/%s", project, email);
    if (!orgpolicy_check_flag(call, "iam.disableServiceAccountCreation",
                              arena_printf(&call->arena, "projects/%s", project), err)) {
        return false;
    }
    switch (store_get(call->control->store, STORE_ACCOUNT, key, out, err)) {
    case STORE_FOUND:
        store_doc_done(out);
        return error_set(err, STATUS_ALREADY_EXISTS,
                         "Service account %s already exists within project projects/%s.", id,
                         project);
    case STORE_FAILED:
        return false;
    case STORE_ABSENT:
        break;
    }
    auto_json *body = NULL;
    auto_change *change = api_change(call, err);
    return change != NULL &&
           account_create(change, call->control, &call->arena, project, email,
                          json_text_or(asked, "serviceAccount.displayName", ""),
                          json_text_or(asked, "serviceAccount.description", ""), &body, err) &&
           change_audit(change, key, "create-service-account", NULL, body, err) &&
           change_commit(&change, err) &&
           store_get(call->control->store, STORE_ACCOUNT, key, out, err) == STORE_FOUND;
}

static void accounts_create(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    if (!create_account(call, &doc, &err)) {
        orgpolicy_fail(call, &err);
        return;
    }
    api_reply(call, account_json(&call->arena, &doc));
}

static void accounts_get(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    if (!iam_load_account(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, account_json(&call->arena, &doc));
}

static bool list_account(struct api_call *call, const struct store_doc *doc, void *ctx,
                         json_t **out, struct error *err)
{
    (void)ctx;
    (void)err;
    *out = account_json(&call->arena, doc);
    return true;
}

static void accounts_list(struct api_call *call)
{
    const char *prefix =
        arena_printf(&call->arena, "projects/%s/serviceAccounts/", api_param(call, "project"));
    api_reply_page(call, &(struct page){.kind = STORE_ACCOUNT,
                                        .prefix = prefix,
                                        .list = "accounts",
                                        .usual = PAGE_DEFAULT,
                                        .item = list_account});
}

/* Puts a changed document of an account; DEED for the audit log. */
static bool store_account(struct api_call *call, struct store_doc *doc, const json_t *before,
                          const char *deed, struct error *err)
{
    auto_change *change = api_change(call, err);
    return change != NULL &&
           store_put(call->control->store, STORE_ACCOUNT, doc->key, doc->body, NULL, &doc->version,
                     err) &&
           change_account(change, doc->key, err) &&
           change_audit(change, doc->key, deed, before, doc->body, err) &&
           change_commit(&change, err);
}

static void set_disabled(struct api_call *call, bool disabled)
{
    struct error err;
    auto_doc doc = {0};
    if (!iam_load_account(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    auto_json *before = json_copy(doc.body);
    json_object_set_new(doc.body, "disabled", json_boolean(disabled));
    bool good = store_account(
        call, &doc, before, disabled ? "disable-service-account" : "enable-service-account", &err);
    if (good) {
        api_reply(call, json_object());
    } else {
        api_fail(call, &err);
    }
}

static void accounts_disable(struct api_call *call)
{
    set_disabled(call, true);
}

static void accounts_enable(struct api_call *call)
{
    set_disabled(call, false);
}

static bool patch_account(struct api_call *call, struct store_doc *doc, struct error *err)
{
    auto_json *asked = fields_read(patch_fields, call->body, "", err);
    if (asked == NULL) {
        return false;
    }
    const json_t *given = json_object_get(asked, "serviceAccount");
    const char *mask = json_text_or(asked, "updateMask", "displayName,description");
    auto_json *before = json_copy(doc->body);
    static const char *const names[] = {"displayName", "description"};
    for (size_t i = 0; i < 2; i++) {
        if (mask_touches(slice_of(mask), names[i])) {
            json_object_set_new(doc->body, names[i],
                                json_string(json_text_or(given, names[i], "")));
        }
    }
    return store_account(call, doc, before, "update-service-account", err);
}

static void accounts_patch(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    if (!iam_load_account(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    bool good = patch_account(call, &doc, &err);
    json_t *answer = good ? account_json(&call->arena, &doc) : NULL;
    if (good) {
        api_reply(call, answer);
    } else {
        api_fail(call, &err);
    }
}

static void accounts_delete(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    if (!iam_load_account(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    auto_change *change = api_change(call, &err);
    bool good = change != NULL && account_delete(change, call->control, &call->arena, &doc, &err) &&
                change_audit(change, doc.key, "delete-service-account", doc.body, NULL, &err) &&
                change_commit(&change, &err);
    if (good) {
        api_reply(call, json_object());
    } else {
        api_fail(call, &err);
    }
}

/*
 * The permission is asked for on the deleted account itself, by its own policy and those above it:
 * neither the project that the path names nor a successor of the same name decides.
 */
static bool undelete_account(struct api_call *call, const struct store_doc *deleted,
                             struct store_doc *out, struct error *err)
{
    if (!api_allowed(call, "iam.serviceAccounts.undelete", deleted->key, err)) {
        return false;
    }
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !account_undelete(change, call->control, &call->arena, deleted, out, err)) {
        return false;
    }
    if (!change_audit(change, out->key, "undelete-service-account", NULL, out->body, err) ||
        !change_commit(&change, err)) {
        store_doc_done(out);
        return false;
    }
    return true;
}

static void accounts_undelete(struct api_call *call)
{
    struct error err;
    auto_doc deleted = {0};
    auto_doc restored = {0};
    const char *sub = api_param(call, "account");
    const char *project = api_param(call, "project");
    bool found = account_find_deleted(call->control, &call->arena, sub, &deleted);
    if (found && strcmp(project, "-") != 0 &&
        strcmp(project, json_text_or(deleted.body, "projectId", "")) != 0) {
        found = false;
    }
    if (!found) {
        const char *on = arena_printf(&call->arena, "projects/%s", project);
        if (api_allowed(call, "iam.serviceAccounts.undelete", on, &err)) {
            error_set(&err, STATUS_NOT_FOUND, "No deleted service account has the unique ID %s.",
                      sub);
        }
        api_fail(call, &err);
        return;
    }
    if (!undelete_account(call, &deleted, &restored, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:o}", "restoredAccount", account_json(&call->arena, &restored)));
}

/* The IAM methods of an account: the path's "-" is resolved first, so that the row's `on` can be
 * expanded. */
static void with_account(struct api_call *call, void (*handle)(struct api_call *))
{
    const char *key = account_key(call, NULL);
    struct slice parts[4];
    struct slice left = slice_of(key);
    for (int i = 0; i < 4; i++) {
        slice_cut(&left, '/', &parts[i]);
    }
    for (size_t i = 0; i < call->param_count; i++) {
        if (strcmp(call->params[i].name, "project") == 0) {
            call->params[i].value = arena_string(&call->arena, parts[1]);
        } else if (strcmp(call->params[i].name, "account") == 0) {
            call->params[i].value = arena_string(&call->arena, parts[3]);
        }
    }
    handle(call);
}

static void accounts_get_policy(struct api_call *call)
{
    with_account(call, iam_get_policy);
}

static void accounts_set_policy(struct api_call *call)
{
    with_account(call, iam_set_policy);
}

static void accounts_test_permissions(struct api_call *call)
{
    with_account(call, iam_test_permissions);
}

#define ACCOUNTS "/v1/projects/{project}/serviceAccounts"
#define ACCOUNT  ACCOUNTS "/{account}"
#define ON       "projects/{project}/serviceAccounts/{account}"
#define METHOD   "google.iam.admin.v1."

const struct api_route iam_v1_routes[] = {
    {"POST", ACCOUNTS, "iam.serviceAccounts.create", "projects/{project}", 0, accounts_create,
     METHOD "CreateServiceAccount"},
    {"GET", ACCOUNTS, "iam.serviceAccounts.list", "projects/{project}", 0, accounts_list,
     METHOD "ListServiceAccounts"},
    {"GET", ACCOUNT, "iam.serviceAccounts.get", ON, 0, accounts_get, METHOD "GetServiceAccount",
     .resource = account_key},
    {"PATCH", ACCOUNT, "iam.serviceAccounts.update", ON, 0, accounts_patch,
     METHOD "PatchServiceAccount", .resource = account_key},
    {"PUT", ACCOUNT, "iam.serviceAccounts.update", ON, 0, NULL, METHOD "UpdateServiceAccount"},
    {"DELETE", ACCOUNT, "iam.serviceAccounts.delete", ON, 0, accounts_delete,
     METHOD "DeleteServiceAccount", .resource = account_key},
    {"POST", ACCOUNT ":disable", "iam.serviceAccounts.disable", ON, 0, accounts_disable,
     METHOD "DisableServiceAccount", api_no_fields, .resource = account_key},
    {"POST", ACCOUNT ":enable", "iam.serviceAccounts.enable", ON, 0, accounts_enable,
     METHOD "EnableServiceAccount", api_no_fields, .resource = account_key},
    {"POST", ACCOUNT ":undelete", "iam.serviceAccounts.undelete", ON, API_SELF_CHECKED,
     accounts_undelete, METHOD "UndeleteServiceAccount", api_no_fields, .why = API_WHY_BEFORE},
    {"POST", ACCOUNT ":getIamPolicy", "iam.serviceAccounts.getIamPolicy", ON, 0,
     accounts_get_policy, METHOD "GetIamPolicy", .resource = account_key},
    {"POST", ACCOUNT ":setIamPolicy", "iam.serviceAccounts.setIamPolicy", ON, 0,
     accounts_set_policy, METHOD "SetIamPolicy", .resource = account_key},
    {"POST", ACCOUNT ":testIamPermissions", NULL, ON, API_SELF_CHECKED, accounts_test_permissions,
     METHOD "TestIamPermissions", .why = API_WHY_TEST},
    {"POST", ACCOUNT "/keys", "iam.serviceAccountKeys.create", ON, 0, iam_keys_create,
     METHOD "CreateServiceAccountKey", .resource = account_key},
    {"POST", ACCOUNT "/keys:upload", "iam.serviceAccountKeys.create", ON, 0, iam_keys_upload,
     METHOD "UploadServiceAccountKey", .resource = account_key},
    {"GET", ACCOUNT "/keys", "iam.serviceAccountKeys.list", ON, 0, iam_keys_list,
     METHOD "ListServiceAccountKeys", .resource = account_key},
    {"GET", ACCOUNT "/keys/{key}", "iam.serviceAccountKeys.get", ON, 0, iam_keys_get,
     METHOD "GetServiceAccountKey", .resource = account_key},
    {"DELETE", ACCOUNT "/keys/{key}", "iam.serviceAccountKeys.delete", ON, 0, iam_keys_delete,
     METHOD "DeleteServiceAccountKey", .resource = account_key},
    {"POST", ACCOUNT "/keys/{key}:disable", "iam.serviceAccountKeys.disable", ON, 0,
     iam_keys_disable, METHOD "DisableServiceAccountKey", iam_key_disable_fields,
     .resource = account_key},
    {"POST", ACCOUNT "/keys/{key}:enable", "iam.serviceAccountKeys.enable", ON, 0, iam_keys_enable,
     METHOD "EnableServiceAccountKey", api_no_fields, .resource = account_key},
};
const size_t iam_v1_route_count = sizeof(iam_v1_routes) / sizeof(iam_v1_routes[0]);
