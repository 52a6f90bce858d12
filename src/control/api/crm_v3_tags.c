/*
 * Tags: keys, values, bindings. Keys and values have numbers that the record has them under;
 * a binding stands under the resource that it is to, so that the tags of a resource are one walk.
 */
#include "control/api/crm_v3_tags.h"

#include "base/clock.h"
#include "base/random.h"
#include "control/access/iam_policy.h"
#include "control/api/crm_operation.h"
#include "control/call/paging.h"
#include "control/record/etag.h"
#include "control/record/projects.h"
#include "control/record/tags.h"
#include "policy/pattern.h"

enum { KEYS_MAX = 1000, VALUES_MAX = 1000 };

static const char type_prefix[] = "google.cloud.resourcemanager.v3.";

static const char *now(struct api_call *call)
{
    return arena_string(&call->arena, time_text(&call->arena, clock_wall_us()));
}

static bool load(struct api_call *call, const char *key, struct store_doc *out, struct error *err)
{
    return store_load(call->control->store, STORE_TAG, key, out, err, "%s was not found.", key);
}

/* "projects/demo" of "projects/NUMBER"; others as they are. */
static const char *node_key(struct api_call *call, const char *node)
{
    const char *id = strncmp(node, "projects/", 9) == 0
                         ? project_id(call->control, &call->arena, node + 9)
                         : NULL;
    return id == NULL ? node : arena_printf(&call->arena, "projects/%s", id);
}

static const char *public_node(struct api_call *call, const char *node)
{
    const char *number = strncmp(node, "projects/", 9) == 0
                             ? project_number(call->control, &call->arena, node + 9)
                             : NULL;
    return number == NULL ? node : arena_printf(&call->arena, "projects/%s", number);
}

/* ---- keys and values alike ---- */

static const struct field tag_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "parent", .kind = FIELD_STRING},
    {.name = "shortName", .kind = FIELD_STRING},
    {.name = "namespacedName", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "description", .kind = FIELD_STRING, .max = 256},
    {.name = "createTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "updateTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "etag", .kind = FIELD_STRING},
    {.name = "allowedValuesRegex", .kind = FIELD_STRING, .max = PATTERN_BYTES_MAX},
    {.name = "purpose", .kind = FIELD_STRING},
    {.name = "purposeData", .kind = FIELD_ANY},
    {0},
};

static json_t *tag_json(struct api_call *call, const struct store_doc *doc)
{
    json_t *out = json_copy(doc->body);
    const char *parent = json_text_or(out, "parent", "");
    json_object_set_new(out, "name", json_string(doc->key));
    json_object_set_new(out, "parent", json_string(public_node(call, parent)));
    json_object_set_new(out, "etag", json_slice(policy_etag(&call->arena, doc->version)));
    return out;
}

static bool short_name_valid(const char *name, struct error *err)
{
    size_t length = strlen(name);
    bool good = length >= 1 && length <= 256;
    for (size_t i = 0; i < length && good; i++) {
        char c = name[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool inner = i > 0 && i + 1 < length && strchr("-_.", c) != NULL;
        good = word || inner;
    }
    return good || error_field(err, "shortName",
                               "A short name has 1 to 256 letters and digits, with dashes, "
                               "underscores and dots between them.");
}

struct search {
    struct api_call *call;
    const char *parent, *short_name, *namespaced; /* NULL: any */
    json_t *items;                                /* what is found, as the API shows it; NULL: only
                                                     counted */
    char key[64];                                 /* of the last */
    size_t count;
};

static bool search_one(const struct store_doc *doc, void *ctx)
{
    struct search *search = ctx;
    const json_t *body = doc->body;
    if ((search->parent != NULL && strcmp(json_text_or(body, "parent", ""), search->parent) != 0) ||
        (search->short_name != NULL &&
         strcmp(json_text_or(body, "shortName", ""), search->short_name) != 0) ||
        (search->namespaced != NULL &&
         strcmp(json_text_or(body, "namespacedName", ""), search->namespaced) != 0)) {
        return true;
    }
    search->count++;
    snprintf(search->key, sizeof(search->key), "%.63s", doc->key);
    if (search->items != NULL) {
        json_array_append_new(search->items, tag_json(search->call, doc));
    }
    return true;
}

static bool find(struct search *search, const char *kind, struct error *err)
{
    return store_each(search->call->control->store, STORE_TAG,
                      arena_printf(&search->call->arena, "%s/", kind), search_one, search, err);
}

/* Puts (or deletes, AFTER NULL) a key, a value or a binding, with the operation that says so. */
static bool store_tag(struct api_call *call, struct store_doc *doc, const json_t *before,
                      const json_t *after, const char *deed, const char *type, json_t **operation,
                      struct error *err)
{
    struct store *store = call->control->store;
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !(after != NULL ? store_put(store, STORE_TAG, doc->key, after, NULL, &doc->version, err)
                        : store_delete(store, STORE_TAG, doc->key, err) &&
                              store_delete(store, STORE_POLICY, doc->key, err))) {
        return false;
    }
    struct store_doc shown = *doc;
    shown.body = (json_t *)(uintptr_t)(after != NULL ? after : before);
    auto_json *response =
        strcmp(type, "TagBinding") == 0 ? json_copy(shown.body) : tag_json(call, &shown);
    json_object_del(response, "resourceId");
    return change_audit(change, doc->key, deed, before, after, err) &&
           crm_operation_new(call, arena_printf(&call->arena, "%s%s", type_prefix, type), response,
                             operation, err) &&
           crm_operation_commit(call, &change, err);
}

struct kind {
    const char *plural, *type, *permissions;
    size_t max;
};

static const struct kind keys = {"tagKeys", "TagKey", "resourcemanager.tagKeys", KEYS_MAX};
static const struct kind values = {"tagValues", "TagValue", "resourcemanager.tagValues",
                                   VALUES_MAX};

static const struct kind *kind_of(const struct api_call *call)
{
    return api_is_of(call, "google.cloud.resourcemanager.v3.TagKeys.") ? &keys : &values;
}

static const char *permission(struct api_call *call, const char *verb)
{
    return arena_printf(&call->arena, "%s.%s", kind_of(call)->permissions, verb);
}

static const char *named(struct api_call *call)
{
    return arena_printf(&call->arena, "%s/%s", kind_of(call)->plural, api_param(call, "tag"));
}

/* "ORG/key" below an organization, "PROJECT-ID/key" below a project, "…/key/value". */
static const char *namespaced(struct api_call *call, const char *parent, const char *short_name)
{
    auto_doc doc = {0};
    const char *space = strchr(parent, '/') + 1;
    if (strncmp(parent, "tagKeys/", 8) == 0 &&
        store_get(call->control->store, STORE_TAG, parent, &doc, NULL) == STORE_FOUND) {
        space = arena_string(&call->arena, slice_of(json_text_or(doc.body, "namespacedName", "")));
    }
    return arena_printf(&call->arena, "%s/%s", space, short_name);
}

static bool check_tag_parent(struct api_call *call, const char *parent, struct error *err)
{
    bool key = kind_of(call) == &keys;
    if (key && strncmp(parent, "organizations/", 14) != 0 && strncmp(parent, "projects/", 9) != 0) {
        return error_field(err, "parent", "A tag key is of an organization or a project.");
    }
    if (!key && strncmp(parent, "tagKeys/", 8) != 0) {
        return error_field(err, "parent", "A tag value is of a tag key: tagKeys/N.");
    }
    if (store_get(call->control->store, key ? STORE_NODE : STORE_TAG, parent, NULL, err) !=
        STORE_FOUND) {
        return error_set(err, STATUS_NOT_FOUND, "%s was not found.", parent);
    }
    return true;
}

/* A key's expression can be read; a value has none. */
static bool check_expression(struct api_call *call, const json_t *asked, struct error *err)
{
    const char *expression = json_text_or(asked, "allowedValuesRegex", "");
    if (expression[0] == '\0') {
        return true;
    }
    if (kind_of(call) != &keys) {
        return error_field(err, "allowedValuesRegex", "Only a tag key has such an expression.");
    }
    return pattern_compile(&call->arena, slice_of(expression), err) != NULL ||
           (error_wrap(err, "allowedValuesRegex"), false);
}

/* The short name of a new value is one that its key allows. */
static bool key_allows(struct api_call *call, const char *parent, const char *name,
                       struct error *err)
{
    struct store_doc doc;
    if (kind_of(call) == &keys) {
        return true;
    }
    if (!load(call, parent, &doc, err)) {
        return false;
    }
    auto_json *key = doc.body;
    const char *expression = json_text_or(key, "allowedValuesRegex", "");
    if (expression[0] == '\0') {
        return true;
    }
    const struct pattern *pattern = pattern_compile(&call->arena, slice_of(expression), err);
    return pattern != NULL && (pattern_find(pattern, slice_of(name), &call->arena) ||
                               error_field(err, "shortName",
                                           "The tag key allows only values that match %s.",
                                           expression));
}

static bool tag_create(struct api_call *call, json_t **operation, struct error *err)
{
    const struct kind *kind = kind_of(call);
    char number[16];
    struct store_doc doc = {0};
    auto_json *body = fields_read(tag_fields, call->body, "", err);
    if (body == NULL) {
        return false;
    }
    /* A copy: the body's own is replaced below. */
    const char *parent =
        arena_string(&call->arena, slice_of(node_key(call, json_text_or(body, "parent", ""))));
    const char *name = json_text_or(body, "shortName", "");
    if (!api_allowed(call, permission(call, "create"), parent, err) ||
        !check_tag_parent(call, parent, err) || !short_name_valid(name, err) ||
        !check_expression(call, body, err) || !key_allows(call, parent, name, err)) {
        return false;
    }
    struct search same = {.call = call, .parent = parent, .short_name = name};
    struct search all = {.call = call, .parent = parent};
    if (!find(&same, kind->plural, err) || !find(&all, kind->plural, err)) {
        return false;
    }
    if (same.count > 0) {
        return error_set(err, STATUS_ALREADY_EXISTS, "%s has a %s \"%s\" already: %s.", parent,
                         kind->type, name, same.key);
    }
    if (all.count >= kind->max) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "%s has %zu of these, the most.", parent,
                         all.count);
    }
    random_text(number, 15, "123456789");
    snprintf(doc.key, sizeof(doc.key), "%s/%s", kind->plural, number);
    json_object_set_new(body, "parent", json_string(parent));
    json_object_set_new(body, "namespacedName", json_string(namespaced(call, parent, name)));
    json_object_set_new(body, "createTime", json_string(now(call)));
    json_object_set_new(body, "updateTime", json_string(now(call)));
    json_object_del(body, "etag");
    return store_tag(call, &doc, NULL, body, "create-tag", kind->type, operation, err);
}

static void tags_create(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    bool good = tag_create(call, &operation, &err);
    api_answer(call, good, operation, &err);
}

static void tags_get(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    const char *name = named(call);
    if (!load(call, name, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, tag_json(call, &doc));
}

static void tags_namespaced(struct api_call *call)
{
    struct error err = {0};
    const char *name = api_query(call, "name");
    struct search search = {.call = call, .namespaced = name, .items = json_array()};
    bool good = name != NULL ? find(&search, kind_of(call)->plural, &err)
                             : error_field(&err, "name", "The query needs name=PARENT/KEY.");
    auto_json *items = search.items;
    if (good && search.count == 0) {
        /* Not to be told from one that the caller may not see. */
        good = error_set(&err, STATUS_PERMISSION_DENIED,
                         "Permission '%s' denied on '%.300s' (or it may not exist).",
                         permission(call, "get"), name);
    }
    if (!good || !api_allowed(call, permission(call, "get"), search.key, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_incref(json_array_get(items, 0)));
}

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    const char *parent = ctx;
    (void)err;
    if (strcmp(json_text_or(doc->body, "parent", ""), parent) == 0) {
        *out = tag_json(call, doc);
    }
    return true;
}

static void tags_list(struct api_call *call)
{
    struct error err = {0};
    const struct kind *kind = kind_of(call);
    const char *given = api_query(call, "parent");
    char *parent = arena_string(&call->arena, slice_of(node_key(call, given == NULL ? "" : given)));
    if (parent[0] == '\0') {
        error_field(&err, "parent", "The query needs parent=%s.",
                    kind == &keys ? "organizations/N or projects/P" : "tagKeys/N");
        api_fail(call, &err);
        return;
    }
    if (!api_allowed(call, permission(call, "list"), parent, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply_page(call, &(struct page){.kind = STORE_TAG,
                                    .prefix = arena_printf(&call->arena, "%s/", kind->plural),
                                    .list = kind->plural,
                                    .item = list_one,
                                    .ctx = parent});
}

static bool check_etag(struct api_call *call, const char *etag, const struct store_doc *doc,
                       struct error *err)
{
    return etag == NULL || etag[0] == '\0' ||
           policy_etag_matches(&call->arena, etag, doc->version) ||
           error_set(err, STATUS_ABORTED, "%s was changed meanwhile: its etag is another.",
                     doc->key);
}

static void put_or_drop(json_t *out, const char *name, const json_t *from)
{
    const char *text = json_text_or(from, name, "");
    if (text[0] == '\0') {
        json_object_del(out, name);
    } else {
        json_object_set_new(out, name, json_string(text));
    }
}

static bool tag_patch(struct api_call *call, json_t **operation, struct error *err)
{
    struct store_doc doc;
    const char *name = named(call);
    auto_json *asked = fields_read(tag_fields, call->body, "", err);
    const char *mask = api_query(call, "updateMask");
    if (asked == NULL || !api_check_mask(call, tag_fields, err) || !load(call, name, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_copy(before);
    if (!check_etag(call, json_text(asked, "etag"), &doc, err) ||
        !check_expression(call, asked, err)) {
        return false;
    }
    if (mask == NULL || mask[0] == '\0' || mask_touches(slice_of(mask), "description")) {
        json_object_set_new(after, "description",
                            json_string(json_text_or(asked, "description", "")));
    }
    if (mask == NULL || mask[0] == '\0' ? json_object_get(asked, "allowedValuesRegex") != NULL
                                        : mask_touches(slice_of(mask), "allowedValuesRegex")) {
        put_or_drop(after, "allowedValuesRegex", asked);
    }
    json_object_set_new(after, "updateTime", json_string(now(call)));
    return store_tag(call, &doc, before, after, "update-tag", kind_of(call)->type, operation, err);
}

static void tags_patch(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    bool good = tag_patch(call, &operation, &err);
    api_answer(call, good, operation, &err);
}

/* A binding that is still in force: what it is to exists, and is not being deleted. Should that be
 * undone, it comes back without the tag. */
struct use {
    struct control *control;
    const char *value;
    bool found;
};

static bool is_use(const struct store_doc *doc, void *ctx)
{
    struct use *use = ctx;
    auto_arena arena = {0};
    struct slice resource;
    if (strcmp(json_text_or(doc->body, "tagValue", ""), use->value) != 0 ||
        !tag_binding_resource(slice_of(doc->key), &resource)) {
        return true;
    }
    const char *key = arena_string(&arena, resource);
    use->found = node_is_live(use->control, &arena, key) &&
                 tag_resource_id(use->control, key) ==
                     (uint64_t)json_number(doc->body, "resourceId", 0);
    return !use->found;
}

/* A key with values, a value with bindings, stay. */
static bool in_use(struct api_call *call, const char *name, bool *out, struct error *err)
{
    struct search children = {.call = call, .parent = name};
    struct use use = {.control = call->control, .value = name};
    if (kind_of(call) == &keys) {
        bool good = find(&children, "tagValues", err);
        *out = children.count > 0;
        return good;
    }
    bool good = store_each(call->control->store, STORE_TAG, "tagBindings/", is_use, &use, err);
    *out = use.found;
    return good;
}

static bool tag_delete(struct api_call *call, json_t **operation, struct error *err)
{
    struct store_doc doc;
    bool used;
    const char *name = named(call);
    if (!load(call, name, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    if (!check_etag(call, api_query(call, "etag"), &doc, err) || !in_use(call, name, &used, err)) {
        return false;
    }
    if (used) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         kind_of(call) == &keys
                             ? "%s still has values: delete them first."
                             : "%s is still bound to resources: delete its bindings first.",
                         name);
    }
    return store_tag(call, &doc, before, NULL, "delete-tag", kind_of(call)->type, operation, err);
}

static void tags_delete(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    bool good = tag_delete(call, &operation, &err);
    api_answer(call, good, operation, &err);
}

#define METHOD "google.cloud.resourcemanager.v3."
#define MAY    "resourcemanager."
#define KIND(kind, method)                                                                         \
    {"POST",                                                                                       \
     "/v3/" kind,                                                                                  \
     NULL,                                                                                         \
     NULL,                                                                                         \
     API_SELF_CHECKED | API_VALIDATE_ONLY,                                                         \
     tags_create,                                                                                  \
     METHOD method "s.Create" method, .why = API_WHY_ASKED},                                                                    \
        {"GET", "/v3/" kind, NULL, NULL, API_SELF_CHECKED, tags_list, METHOD method "s.List" method "s", .why = API_WHY_ASKED},     \
        {"GET",           "/v3/" kind "/namespaced",      NULL, NULL, API_SELF_CHECKED,            \
         tags_namespaced, METHOD method "s.GetNamespaced" method, .why = API_WHY_ASKED},                                        \
        {"GET",    "/v3/" kind "/{tag}", MAY kind ".get", kind "/{tag}", 0, tags_get, METHOD method "s.Get" method},                                                         \
        {"PATCH",    "/v3/" kind "/{tag}", MAY kind ".update", kind "/{tag}", API_VALIDATE_ONLY, tags_patch, METHOD method "s.Update" method},                                                    \
        {"DELETE",    "/v3/" kind "/{tag}", MAY kind ".delete", kind "/{tag}", API_VALIDATE_ONLY, tags_delete, METHOD method "s.Delete" method},                                                   \
        {"POST",                                                                                   \
         "/v3/" kind "/{tag}:getIamPolicy",                                                        \
         MAY kind ".getIamPolicy",                                                                 \
         kind "/{tag}",                                                                            \
         0,                                                                                        \
         iam_get_policy,                                                                           \
         METHOD method "s.GetIamPolicy"},                                                          \
        {"POST",                                                                                   \
         "/v3/" kind "/{tag}:setIamPolicy",                                                        \
         MAY kind ".setIamPolicy",                                                                 \
         kind "/{tag}",                                                                            \
         0,                                                                                        \
         iam_set_policy,                                                                           \
         METHOD method "s.SetIamPolicy"},                                                          \
    {                                                                                              \
        "POST", "/v3/" kind "/{tag}:testIamPermissions", NULL, kind "/{tag}", API_SELF_CHECKED,    \
            iam_test_permissions, METHOD method "s.TestIamPermissions", .why = API_WHY_TEST}

#define HOLDS "/v3/tagValues/{tag}/tagHolds"

const struct api_route crm_v3_tags_routes[] = {
    KIND("tagKeys", "TagKey"),
    KIND("tagValues", "TagValue"),
    {"GET", HOLDS, NULL, NULL, 0, NULL, METHOD "TagHolds.ListTagHolds"},
    {"POST", HOLDS, NULL, NULL, 0, NULL, METHOD "TagHolds.CreateTagHold"},
    {"DELETE", HOLDS "/{hold}", NULL, NULL, 0, NULL,
     METHOD "TagHolds.DeleteTagHold"},
};
const size_t crm_v3_tags_route_count = sizeof(crm_v3_tags_routes) / sizeof(crm_v3_tags_routes[0]);
