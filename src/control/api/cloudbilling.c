/*
 * cloudbilling.googleapis.com/v1: which billing account a project is linked to. Nobody is billed
 * here, so every well-formed account exists and is open; what is said about one is kept. Terraform
 * asks for a project's account whenever it reads a project.
 */
#include "control/api/cloudbilling.h"

#include "base/random.h"
#include "control/call/paging.h"
#include "control/record/projects.h"

enum { ID_BYTES = 20, PAGE_MAX = 100 };

static const char accounts_prefix[] = "billingAccounts/";

/* Who may use billing accounts: callers who may make projects in the organization. */
#define MAY_BILL "resourcemanager.projects.create"

static const char *organization_of(struct api_call *call)
{
    return organization_node(call->control, &call->arena);
}

/* "billingAccounts/0123AB-456789-CDEF01" */
static bool account_valid(const char *name, struct error *err)
{
    const char *id = name + sizeof(accounts_prefix) - 1;
    bool good =
        strncmp(name, accounts_prefix, sizeof(accounts_prefix) - 1) == 0 && strlen(id) == ID_BYTES;
    for (size_t i = 0; i < ID_BYTES && good; i++) {
        bool digit = (id[i] >= '0' && id[i] <= '9') || (id[i] >= 'A' && id[i] <= 'F');
        good = i == 6 || i == 13 ? id[i] == '-' : digit;
    }
    return good || error_field(err, "billingAccountName",
                               "\"%.64s\" is no billing account: billingAccounts/ and three times "
                               "six of 0 to 9 and A to F, with dashes between.",
                               name);
}

static json_t *account_json(struct api_call *call, const char *name)
{
    struct store_doc doc;
    bool kept = store_get(call->control->store, STORE_SETTING, name, &doc, NULL) == STORE_FOUND;
    json_t *out = kept ? doc.body : json_object();
    if (!kept) {
        json_object_set_new(out, "displayName", json_string(name + sizeof(accounts_prefix) - 1));
    }
    json_object_set_new(out, "name", json_string(name));
    json_object_set_new(out, "open", json_true());
    return out;
}

/* The account that the path names. */
static const char *named(struct api_call *call, struct error *err)
{
    const char *name =
        arena_printf(&call->arena, "%s%s", accounts_prefix, api_param(call, "billing"));
    return account_valid(name, err) ? name : NULL;
}

static void accounts_get(struct api_call *call)
{
    struct error err = {0};
    const char *name = named(call, &err);
    if (name == NULL) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, account_json(call, name));
}

static void accounts_test(struct api_call *call)
{
    struct error err = {0};
    const char *name =
        arena_printf(&call->arena, "%s%s", accounts_prefix, api_param(call, "billing"));
    if (!account_valid(name, &err)) {
        api_fail(call, &err);
        return;
    }
    json_t *answer = json_object();
    if (api_holds(call, MAY_BILL, organization_of(call))) {
        json_object_set(answer, "permissions", json_object_get(call->body, "permissions"));
    }
    api_reply(call, answer);
}

static bool list_account(struct api_call *call, const struct store_doc *doc, void *ctx,
                         json_t **out, struct error *err)
{
    (void)ctx;
    (void)err;
    *out = account_json(call, doc->key);
    return true;
}

static json_t *info_json(struct api_call *call, const char *project, const json_t *node)
{
    const char *account = json_text_or(node, "billingAccount", "");
    return json_pack("{ss ss ss sb}", "name",
                     arena_printf(&call->arena, "projects/%s/billingInfo", project), "projectId",
                     project, "billingAccountName", account, "billingEnabled", account[0] != '\0');
}

static bool list_project(struct api_call *call, const struct store_doc *doc, void *ctx,
                         json_t **out, struct error *err)
{
    const char *account = ctx;
    (void)err;
    if (strcmp(json_text_or(doc->body, "billingAccount", ""), account) == 0 &&
        api_holds(call, "resourcemanager.projects.get", doc->key)) {
        *out = info_json(call, doc->key + strlen("projects/"), doc->body);
    }
    return true;
}

/* Those that a project was linked to, or that were made here. */
static void accounts_list(struct api_call *call)
{
    if (!api_holds(call, MAY_BILL, organization_of(call))) {
        api_reply(call, json_pack("{s:[]}", "billingAccounts"));
        return;
    }
    api_reply_page(call, &(struct page){.kind = STORE_SETTING,
                                        .prefix = accounts_prefix,
                                        .list = "billingAccounts",
                                        .most = PAGE_MAX,
                                        .item = list_account});
}

static void projects_list(struct api_call *call)
{
    struct error err = {0};
    const char *account = named(call, &err);
    if (account == NULL) {
        api_fail(call, &err);
        return;
    }
    api_reply_page(call, &(struct page){.kind = STORE_NODE,
                                        .prefix = "projects/",
                                        .list = "projectBillingInfo",
                                        .most = PAGE_MAX,
                                        .item = list_project,
                                        .ctx = arena_string(&call->arena, slice_of(account))});
}

/* ---- changing ---- */

static const struct field info_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "projectId", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "billingAccountName", .kind = FIELD_STRING},
    {.name = "billingEnabled", .kind = FIELD_BOOL, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

/* Keeps an account that is spoken of for the first time, in the running change. */
static bool keep_account(struct api_call *call, const char *name, struct error *err)
{
    enum store_result found = store_get(call->control->store, STORE_SETTING, name, NULL, err);
    auto_json *body = json_pack("{s:s}", "displayName", name + sizeof(accounts_prefix) - 1);
    return found == STORE_FOUND ||
           (found == STORE_ABSENT &&
            store_put(call->control->store, STORE_SETTING, name, body, NULL, NULL, err));
}

static bool link_project(struct api_call *call, const char *account, json_t **answer,
                         struct error *err)
{
    struct store_doc doc;
    struct store *store = call->control->store;
    const char *project = api_param(call, "project");
    const char *node = api_expand(call, "projects/{project}");
    bool unlink = account[0] == '\0';
    if (!api_allowed(call,
                     unlink ? "resourcemanager.projects.deleteBillingAssignment"
                            : "resourcemanager.projects.createBillingAssignment",
                     node, err) ||
        !(unlink || (account_valid(account, err) &&
                     api_allowed(call, MAY_BILL, organization_of(call), err))) ||
        !store_load(store, STORE_NODE, node, &doc, err, "%s was not found.", node)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_copy(before);
    json_object_set_new(after, "billingAccount", json_string(account));
    auto_change *change = api_change(call, err);
    if (change == NULL || !(unlink || keep_account(call, account, err)) ||
        !store_put(store, STORE_NODE, node, after, NULL, NULL, err) ||
        !change_audit(change, node, "link-billing-account", before, after, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    *answer = info_json(call, project, after);
    return true;
}

static void answer(struct api_call *call, bool good, json_t *body, const struct error *err)
{
    if (good) {
        api_reply(call, body);
    } else {
        api_fail(call, err);
    }
}

static void billing_info_update(struct api_call *call)
{
    struct error err = {0};
    json_t *body = NULL;
    bool good = link_project(call, json_text_or(call->body, "billingAccountName", ""), &body, &err);
    answer(call, good, body, &err);
}

static void billing_info_get(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    const char *node = api_expand(call, "projects/{project}");
    if (!store_load(call->control->store, STORE_NODE, node, &doc, &err, "%s was not found.",
                    node)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, info_json(call, api_param(call, "project"), doc.body));
}

static const struct field account_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "displayName", .kind = FIELD_STRING, .max = 256},
    {.name = "masterBillingAccount", .kind = FIELD_STRING},
    {.name = "open", .kind = FIELD_BOOL, .flags = FIELD_OUTPUT_ONLY},
    {.name = "parent", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "currencyCode", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

static bool store_account(struct api_call *call, const char *name, const json_t *body,
                          const char *deed, json_t **answer, struct error *err)
{
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !store_put(call->control->store, STORE_SETTING, name, body, NULL, NULL, err) ||
        !change_audit(change, name, deed, NULL, body, err) || !change_commit(&change, err)) {
        return false;
    }
    *answer = account_json(call, name);
    return true;
}

static bool account_create(struct api_call *call, json_t **out, struct error *err)
{
    const char *master = json_text_or(call->body, "masterBillingAccount", "");
    char digits[ID_BYTES - 1];
    if (!account_valid(master, err)) {
        return false;
    }
    random_text(digits, 18, "0123456789ABCDEF");
    const char *name = arena_printf(&call->arena, "%s%.6s-%.6s-%.6s", accounts_prefix, digits,
                                    digits + 6, digits + 12);
    auto_json *body =
        json_pack("{s:s, s:s}", "displayName", json_text_or(call->body, "displayName", ""),
                  "masterBillingAccount", master);
    return store_account(call, name, body, "create-billing-account", out, err);
}

static void accounts_create(struct api_call *call)
{
    struct error err = {0};
    json_t *body = NULL;
    bool good = account_create(call, &body, &err);
    answer(call, good, body, &err);
}

static bool account_patch(struct api_call *call, json_t **out, struct error *err)
{
    const char *name = named(call, err);
    if (name == NULL || !api_check_mask(call, account_fields, err)) {
        return false;
    }
    auto_json *body = account_json(call, name);
    json_object_set_new(body, "displayName",
                        json_string(json_text_or(call->body, "displayName", "")));
    return store_account(call, name, body, "update-billing-account", out, err);
}

static void accounts_patch(struct api_call *call)
{
    struct error err = {0};
    json_t *body = NULL;
    bool good = account_patch(call, &body, &err);
    answer(call, good, body, &err);
}

static const struct field test_fields[] = {
    {.name = "resource", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "permissions", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};

#define ACCOUNT "/v1/billingAccounts/{billing}"
#define METHOD  "google.cloud.billing.v1.CloudBilling."

const struct api_route cloudbilling_routes[] = {
    {"GET", "/v1/projects/{project}/billingInfo", "resourcemanager.projects.get",
     "projects/{project}", API_NO_BODY, billing_info_get, METHOD "GetProjectBillingInfo"},
    {"PUT", "/v1/projects/{project}/billingInfo", NULL, NULL, API_SELF_CHECKED, billing_info_update,
     METHOD "UpdateProjectBillingInfo", info_fields, .why = API_WHY_TWO},
    {"GET", "/v1/billingAccounts", NULL, NULL, API_SELF_CHECKED, accounts_list,
     METHOD "ListBillingAccounts", .why = API_WHY_LIST},
    {"POST", "/v1/billingAccounts", MAY_BILL, "organization", 0, accounts_create,
     METHOD "CreateBillingAccount", account_fields},
    {"GET", ACCOUNT, MAY_BILL, "organization", 0, accounts_get, METHOD "GetBillingAccount"},
    {"PATCH", ACCOUNT, MAY_BILL, "organization", 0, accounts_patch, METHOD "UpdateBillingAccount",
     account_fields},
    {"GET", ACCOUNT "/projects", MAY_BILL, "organization", 0, projects_list,
     METHOD "ListProjectBillingInfo"},
    {"POST", ACCOUNT ":testIamPermissions", NULL, NULL, API_SELF_CHECKED, accounts_test,
     METHOD "TestIamPermissions", test_fields, .why = API_WHY_TEST},
    {"GET", ACCOUNT ":getIamPolicy", NULL, NULL, 0, NULL, METHOD "GetIamPolicy"},
    {"POST", ACCOUNT ":setIamPolicy", NULL, NULL, 0, NULL, METHOD "SetIamPolicy"},
};
const size_t cloudbilling_route_count =
    sizeof(cloudbilling_routes) / sizeof(cloudbilling_routes[0]);
