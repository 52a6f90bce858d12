/*
 * Custom roles: a document each, under the name that bindings have them by. A change of one is a
 * change of every policy that names it: those are published anew in the same change.
 */
#include "control/api/custom_roles.h"

#include "control/call/paging.h"
#include "control/record/etag.h"

enum {
    ROLES_MAX = 300,
    PERMISSIONS_MAX = 3000,
    ID_MIN = 3,
    ID_MAX = 64,
    PAGE_DEFAULT = 300,
};

static const char *const stages[] = {"ALPHA",      "BETA",     "GA",  "",
                                     "DEPRECATED", "DISABLED", "EAP", NULL};

static const struct field role_fields[] = {
    {.name = "name", .kind = FIELD_STRING},
    {.name = "title", .kind = FIELD_STRING, .max = 100},
    {.name = "description", .kind = FIELD_STRING, .max = 300},
    {.name = "includedPermissions", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "stage", .kind = FIELD_ENUM, .names = stages},
    {.name = "etag", .kind = FIELD_STRING},
    {.name = "deleted", .kind = FIELD_BOOL, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

static const struct field create_fields[] = {
    {.name = "roleId", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "role", .kind = FIELD_OBJECT, .fields = role_fields},
    {0},
};

static json_t *role_json(struct api_call *call, const struct store_doc *doc, bool full)
{
    static const char *const kept[] = {"title", "description", "stage", "deleted"};
    json_t *out = json_pack("{s:s}", "name", doc->key);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        json_t *value = json_object_get(doc->body, kept[i]);
        if (value != NULL) {
            json_object_set(out, kept[i], value);
        }
    }
    json_t *permissions = json_object_get(doc->body, "includedPermissions");
    if (full && json_array_size(permissions) > 0) {
        json_object_set(out, "includedPermissions", permissions);
    }
    json_object_set_new(out, "etag", json_slice(policy_etag(&call->arena, doc->version)));
    return out;
}

static const char *role_key(struct api_call *call, const char *id)
{
    return arena_printf(&call->arena, "%s/roles/%s", api_expand(call, call->route->on), id);
}

static bool load(struct api_call *call, struct store_doc *out, struct error *err)
{
    const char *key = role_key(call, api_param(call, "role"));
    return store_load(call->control->store, STORE_ROLE, key, out, err,
                      "The role named %s was not found.", key);
}

/* ---- reading ---- */

static void roles_get(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    if (!load(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, role_json(call, &doc, true));
}

struct listing {
    bool full, deleted;
};

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    const struct listing *listing = ctx;
    (void)err;
    if (listing->deleted || !json_flag(doc->body, "deleted", false)) {
        *out = role_json(call, doc, listing->full);
    }
    return true;
}

static void roles_list(struct api_call *call)
{
    const char *view = api_query(call, "view");
    struct listing listing = {
        .full = view != NULL && strcmp(view, "FULL") == 0,
        .deleted = api_query_flag(call, "showDeleted"),
    };
    api_reply_page(call, &(struct page){.kind = STORE_ROLE,
                                        .prefix = role_key(call, ""),
                                        .list = "roles",
                                        .usual = PAGE_DEFAULT,
                                        .item = list_one,
                                        .ctx = &listing});
}

/* ---- checking ---- */

static bool id_valid(const char *id, struct error *err)
{
    size_t length = strlen(id);
    bool good = length >= ID_MIN && length <= ID_MAX;
    for (size_t i = 0; i < length && good; i++) {
        char c = id[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.';
    }
    return good || error_field(err, "roleId",
                               "The role ID has %d to %d letters, digits, underscores and periods.",
                               ID_MIN, ID_MAX);
}

/* Those that some predefined role has; others would grant nothing, and be a mistake. */
static bool permissions_valid(const char *node, const json_t *list, struct error *err)
{
    bool project = strncmp(node, "projects/", 9) == 0;
    if (json_array_size(list) > PERMISSIONS_MAX) {
        return error_field(err, "role.includedPermissions", "A role has at most %d permissions.",
                           PERMISSIONS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        bool above = strncmp(one, "resourcemanager.organizations.", 30) == 0 ||
                     strncmp(one, "resourcemanager.folders.", 24) == 0;
        if (permission_number(slice_of(one)) < 0 || (project && above)) {
            return error_field(err, "role.includedPermissions", "Permission %.100s is not valid%s.",
                               one, above ? " in a role of a project" : "");
        }
    }
    return true;
}

static json_t *sorted_unique(const json_t *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *one = json_array_get(list, i);
        size_t at = 0;
        int order = -1;
        while (at < json_array_size(out) &&
               (order = strcmp(json_string_value(json_array_get(out, at)),
                               json_string_value(one))) < 0) {
            at++;
        }
        if (at == json_array_size(out) || order != 0) {
            json_array_insert(out, at, one);
        }
    }
    return out;
}

/* ---- changing ---- */

struct policies {
    const char *role;
    json_t *keys;
};

static bool names_role(const struct store_doc *doc, void *ctx)
{
    struct policies *policies = ctx;
    const json_t *bindings = json_object_get(doc->body, "bindings");
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        if (strcmp(json_text_or(json_array_get(bindings, i), "role", ""), policies->role) == 0) {
            json_array_append_new(policies->keys, json_string(doc->key));
            break;
        }
    }
    return true;
}

/* Every policy that names the role now means something else. */
static bool republish(struct api_call *call, struct change *change, const char *role,
                      struct error *err)
{
    auto_json *keys = json_array();
    struct policies policies = {role, keys};
    if (!store_each(call->control->store, STORE_POLICY, "", names_role, &policies, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (!change_policy(change, json_string_value(json_array_get(keys, i)), err)) {
            return false;
        }
    }
    return true;
}

static bool store_role(struct api_call *call, struct store_doc *doc, const json_t *before,
                       const char *deed, struct error *err)
{
    auto_change *change = api_change(call, err);
    return change != NULL &&
           store_put(call->control->store, STORE_ROLE, doc->key, doc->body, NULL, &doc->version,
                     err) &&
           republish(call, change, doc->key, err) &&
           change_audit(change, doc->key, deed, before, doc->body, err) &&
           change_commit(&change, err);
}

static bool count_one(const struct store_doc *doc, void *ctx)
{
    (void)doc;
    ++*(size_t *)ctx;
    return true;
}

static bool check_new(struct api_call *call, const char *id, struct error *err)
{
    size_t count = 0;
    auto_doc doc = {0};
    if (!id_valid(id, err) ||
        !store_each(call->control->store, STORE_ROLE, role_key(call, ""), count_one, &count, err)) {
        return false;
    }
    if (count >= ROLES_MAX) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "There are %d custom roles, the most.",
                         ROLES_MAX);
    }
    switch (store_get(call->control->store, STORE_ROLE, role_key(call, id), &doc, err)) {
    case STORE_ABSENT:
        return true;
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    bool deleted = json_flag(doc.body, "deleted", false);
    return error_set(err, STATUS_ALREADY_EXISTS, "A role named %s in %s already exists%s.", id,
                     api_expand(call, call->route->on),
                     deleted ? ": it is deleted, and can be brought back with undelete" : "");
}

static bool create(struct api_call *call, struct store_doc *doc, struct error *err)
{
    auto_json *asked = fields_read(create_fields, call->body, "", err);
    const char *id = json_text_or(asked, "roleId", "");
    const char *node = api_expand(call, call->route->on);
    const json_t *role = json_object_get(asked, "role");
    const json_t *permissions = json_object_get(role, "includedPermissions");
    if (asked == NULL || !check_new(call, id, err) || !permissions_valid(node, permissions, err)) {
        return false;
    }
    json_t *body = role == NULL ? json_object() : json_copy((json_t *)(uintptr_t)role);
    json_object_del(body, "name");
    json_object_del(body, "etag");
    json_object_set_new(body, "includedPermissions", sorted_unique(permissions));
    if (json_object_get(body, "stage") == NULL) {
        json_object_set_new(body, "stage", json_string("ALPHA"));
    }
    snprintf(doc->key, sizeof(doc->key), "%s", role_key(call, id));
    doc->body = body;
    return store_role(call, doc, NULL, "create-role", err);
}

static void answer(struct api_call *call, bool good, struct store_doc *doc, const struct error *err)
{
    json_t *out = good ? role_json(call, doc, true) : NULL;
    store_doc_done(doc);
    if (good) {
        api_reply(call, out);
    } else {
        api_fail(call, err);
    }
}

static void roles_create(struct api_call *call)
{
    struct error err = {0};
    struct store_doc doc = {0};
    bool good = create(call, &doc, &err);
    answer(call, good, &doc, &err);
}

static bool check_etag(struct api_call *call, const char *etag, const struct store_doc *doc,
                       struct error *err)
{
    return etag == NULL || etag[0] == '\0' ||
           policy_etag_matches(&call->arena, etag, doc->version) ||
           error_set(err, STATUS_ABORTED,
                     "There were concurrent changes of the role. Read it again and repeat.");
}

static bool patch(struct api_call *call, struct store_doc *doc, struct error *err)
{
    static const char *const names[] = {"title", "description", "stage", "includedPermissions"};
    const char *mask = api_query(call, "updateMask");
    const char *node = api_expand(call, call->route->on);
    auto_json *asked = fields_read(role_fields, call->body, "", err);
    const json_t *permissions = json_object_get(asked, "includedPermissions");
    if (asked == NULL || !api_check_mask(call, role_fields, err) || !load(call, doc, err)) {
        return false;
    }
    auto_json *before = doc->body;
    doc->body = json_copy(before);
    if (json_flag(before, "deleted", false)) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "The role %s is deleted: undelete it before you change it.", doc->key);
    }
    if (!check_etag(call, json_text(asked, "etag"), doc, err) ||
        !permissions_valid(node, permissions, err)) {
        return false;
    }
    for (size_t i = 0; i < 4; i++) {
        json_t *value = json_object_get(asked, names[i]);
        bool list = i == 3;
        if (mask == NULL ? value == NULL : !mask_touches(slice_of(mask), names[i])) {
            continue;
        }
        if (value == NULL && !list) {
            json_object_del(doc->body, names[i]);
        } else {
            json_object_set_new(doc->body, names[i],
                                list ? sorted_unique(value) : json_incref(value));
        }
    }
    return store_role(call, doc, before, "update-role", err);
}

static void roles_patch(struct api_call *call)
{
    struct error err = {0};
    struct store_doc doc = {0};
    bool good = patch(call, &doc, &err);
    answer(call, good, &doc, &err);
}

/* A deleted role grants nothing, stays for a while, and can be brought back. */
static bool set_deleted(struct api_call *call, bool deleted, const char *etag,
                        struct store_doc *doc, struct error *err)
{
    if (!load(call, doc, err)) {
        return false;
    }
    auto_json *before = doc->body;
    doc->body = json_copy(before);
    if (!check_etag(call, etag, doc, err)) {
        return false;
    }
    if (json_flag(before, "deleted", false) == deleted) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "The role %s is %sdeleted.", doc->key,
                         deleted ? "already " : "not ");
    }
    if (deleted) {
        json_object_set_new(doc->body, "deleted", json_true());
    } else {
        json_object_del(doc->body, "deleted");
    }
    return store_role(call, doc, before, deleted ? "delete-role" : "undelete-role", err);
}

static void roles_delete(struct api_call *call)
{
    struct error err = {0};
    struct store_doc doc = {0};
    bool good = set_deleted(call, true, api_query(call, "etag"), &doc, &err);
    answer(call, good, &doc, &err);
}

static void roles_undelete(struct api_call *call)
{
    struct error err = {0};
    struct store_doc doc = {0};
    bool good = set_deleted(call, false, json_text(call->body, "etag"), &doc, &err);
    answer(call, good, &doc, &err);
}

static const struct field undelete_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY}, /* the path's, once more */
    {.name = "etag", .kind = FIELD_BYTES},
    {0},
};

static const struct field query_fields[] = {
    {.name = "fullResourceName", .kind = FIELD_STRING},
    {.name = "pageSize", .kind = FIELD_INT32, .max = INT32_MAX},
    {.name = "pageToken", .kind = FIELD_STRING},
    {0},
};

/* All that a role can have, by number: gcloud reads it before it makes one. */
static void permissions_query(struct api_call *call)
{
    struct error err = {0};
    struct paging paging;
    const char *name;
    if (!paging_init(&paging, call, PAGE_DEFAULT, PAGE_MOST, &err)) {
        api_fail(call, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; (name = permission_name(i)) != NULL; i++) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "stage", "GA"));
    }
    json_t *answer = json_pack("{s:o}", "permissions", paging_cut(&paging, list));
    paging_put(&paging, answer);
    api_reply(call, answer);
}

#define METHOD "google.iam.admin.v1."
#define NODE(on)                                                                                    \
    {"GET", "/v1/" on "/roles", "iam.roles.list", on, 0, roles_list, METHOD "ListRoles (custom)"},  \
        {"POST", "/v1/" on "/roles", "iam.roles.create", on, 0, roles_create, METHOD "CreateRole"}, \
        {"GET",     "/v1/" on "/roles/{role}", "iam.roles.get", on, 0,                              \
         roles_get, METHOD "GetRole (custom)"},                                                     \
        {"PATCH",     "/v1/" on "/roles/{role}", "iam.roles.update", on, 0,                         \
         roles_patch, METHOD "UpdateRole"},                                                         \
        {"DELETE",     "/v1/" on "/roles/{role}", "iam.roles.delete", on, 0,                        \
         roles_delete, METHOD "DeleteRole"},                                                        \
    {                                                                                               \
        "POST", "/v1/" on "/roles/{role}:undelete", "iam.roles.undelete", on, 0, roles_undelete,    \
            METHOD "UndeleteRole", undelete_fields                                                  \
    }

const struct api_route custom_roles_routes[] = {
    NODE("projects/{project}"),
    NODE("organizations/{organization}"),
    {"POST", "/v1/permissions:queryTestablePermissions", NULL, NULL, API_SELF_CHECKED,
     permissions_query, METHOD "QueryTestablePermissions", query_fields, .why = API_WHY_ALL},
};
const size_t custom_roles_route_count =
    sizeof(custom_roles_routes) / sizeof(custom_roles_routes[0]);
