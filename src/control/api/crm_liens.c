/*
 * Liens of projects. One kind is known, as in Resource Manager: against deletion
 * (resourcemanager.projects.delete). v1 and v3 are alike.
 */
#include "control/api/crm_liens.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"
#include "control/call/paging.h"
#include "control/record/projects.h"

enum { PAGE_MAX = 1000, LIENS_MAX = 100 };

static const char deletion[] = "resourcemanager.projects.delete";
static const char may_change[] = "resourcemanager.projects.updateLiens";

static const struct field lien_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "parent", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "restrictions", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "reason", .kind = FIELD_STRING, .max = 200},
    {.name = "origin", .kind = FIELD_STRING, .max = 200},
    {.name = "createTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

/* "projects/ID" of a parent that names a project by ID or number; as it is otherwise. */
static const char *node_of(struct api_call *call, const char *parent)
{
    const char *id = strncmp(parent, "projects/", 9) == 0
                         ? project_id(call->control, &call->arena, parent + 9)
                         : NULL;
    return id == NULL ? parent : arena_printf(&call->arena, "projects/%s", id);
}

static json_t *lien_json(struct api_call *call, const struct store_doc *doc)
{
    const char *node = json_text_or(doc->body, "parent", "");
    const char *number = project_number(call->control, &call->arena, node + strlen("projects/"));
    json_t *out = json_copy(doc->body);
    json_object_set_new(out, "name", json_string(doc->key));
    if (number != NULL) {
        json_object_set_new(out, "parent",
                            json_string(arena_printf(&call->arena, "projects/%s", number)));
    }
    return out;
}

static bool load(struct api_call *call, const char *permission, struct store_doc *out,
                 struct error *err)
{
    const char *name = arena_printf(&call->arena, "liens/%s", api_param(call, "lien"));
    if (!store_load(call->control->store, STORE_SETTING, name, out, err, "%s was not found.",
                    name)) {
        return false;
    }
    if (api_allowed(call, permission, json_text_or(out->body, "parent", ""), err)) {
        return true;
    }
    store_doc_done(out);
    return false;
}

static void liens_get(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    if (!load(call, "resourcemanager.projects.get", &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, lien_json(call, &doc));
}

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    const char *node = ctx;
    (void)err;
    if (strcmp(json_text_or(doc->body, "parent", ""), node) == 0) {
        *out = lien_json(call, doc);
    }
    return true;
}

static void liens_list(struct api_call *call)
{
    struct error err = {0};
    const char *parent = api_query(call, "parent");
    char *node = arena_string(&call->arena, slice_of(node_of(call, parent == NULL ? "" : parent)));
    if (!api_allowed(call, "resourcemanager.projects.get", node, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply_page(call, &(struct page){.kind = STORE_SETTING,
                                    .prefix = "liens/",
                                    .list = "liens",
                                    .item = list_one,
                                    .ctx = node});
}

struct finding {
    const char *node;
    json_t *items;
};

static bool is_lien(const struct store_doc *doc, void *ctx)
{
    struct finding *finding = ctx;
    if (strcmp(json_text_or(doc->body, "parent", ""), finding->node) == 0) {
        json_array_append(finding->items, doc->body);
    }
    return true;
}

bool crm_liens_allow_deletion(struct api_call *call, const char *node, struct error *err)
{
    auto_json *found = json_array();
    struct finding finding = {.node = node, .items = found};
    if (!store_each(call->control->store, STORE_SETTING, "liens/", is_lien, &finding, err)) {
        return false;
    }
    const json_t *lien = json_array_get(found, 0);
    return lien == NULL ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "A lien to prevent deletion was placed on the project by [%.200s]: %.200s. "
                     "Remove the lien to allow deletion.",
                     json_text_or(lien, "origin", ""), json_text_or(lien, "reason", ""));
}

static bool restrictions_valid(const json_t *asked, struct error *err)
{
    const json_t *list = json_object_get(asked, "restrictions");
    bool good = json_array_size(list) > 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        good = good && strcmp(json_string_value(json_array_get(list, i)), deletion) == 0;
    }
    return good || error_field(err, "restrictions",
                               "A lien restricts resourcemanager.projects.delete, and nothing "
                               "else.");
}

static bool lien_create(struct api_call *call, json_t **answer, struct error *err)
{
    struct store_doc doc = {0};
    char digits[20];
    const char *node = node_of(call, json_text_or(call->body, "parent", ""));
    auto_json *found = json_array();
    struct finding finding = {.node = node, .items = found};
    if (!api_allowed(call, may_change, node, err) ||
        !store_load(call->control->store, STORE_NODE, node, NULL, err, "%s was not found.", node) ||
        !project_must_live(call->control, &call->arena, node, err) ||
        !restrictions_valid(call->body, err) ||
        !store_each(call->control->store, STORE_SETTING, "liens/", is_lien, &finding, err)) {
        return false;
    }
    if (json_array_size(found) >= LIENS_MAX) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "%s has %d liens, the most.", node,
                         LIENS_MAX);
    }
    random_text(digits, 19, "123456789");
    snprintf(doc.key, sizeof(doc.key), "liens/p%s", digits);
    auto_json *body = json_copy(call->body);
    json_object_set_new(body, "parent", json_string(node));
    json_object_set_new(body, "createTime", json_slice(time_text(&call->arena, clock_wall_us())));
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !store_put(call->control->store, STORE_SETTING, doc.key, body, NULL, NULL, err) ||
        !change_audit(change, node, "create-lien", NULL, body, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    doc.body = body;
    *answer = lien_json(call, &doc);
    return true;
}

static bool lien_delete(struct api_call *call, json_t **answer, struct error *err)
{
    struct store_doc doc;
    if (!load(call, may_change, &doc, err)) {
        return false;
    }
    auto_json *body = doc.body;
    auto_change *change = api_change(call, err);
    if (change == NULL || !store_delete(call->control->store, STORE_SETTING, doc.key, err) ||
        !change_audit(change, json_text_or(body, "parent", ""), "delete-lien", body, NULL, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    *answer = json_object();
    return true;
}

static void answer(struct api_call *call,
                   bool (*change)(struct api_call *, json_t **, struct error *))
{
    struct error err = {0};
    json_t *body = NULL;
    if (change(call, &body, &err)) {
        api_reply(call, body);
    } else {
        api_fail(call, &err);
    }
}

static void liens_create(struct api_call *call)
{
    answer(call, lien_create);
}

static void liens_delete(struct api_call *call)
{
    answer(call, lien_delete);
}

#define ROWS(version, method)                                                                       \
    {"GET", version "liens", NULL, NULL, API_SELF_CHECKED, liens_list, method "ListLiens", .why = API_WHY_ASKED},         \
        {"POST",       version "liens",     NULL,       NULL, API_SELF_CHECKED,                     \
         liens_create, method "CreateLien", lien_fields, .why = API_WHY_ASKED},                                           \
        {"GET", version "liens/{lien}", NULL, NULL, API_SELF_CHECKED, liens_get, method "GetLien", .why = API_WHY_ASKED}, \
    {                                                                                               \
        "DELETE", version "liens/{lien}", NULL, NULL, API_SELF_CHECKED, liens_delete,               \
            method "DeleteLien", .why = API_WHY_ASKED}

const struct api_route crm_liens_routes[] = {
    ROWS("/v1/", "google.cloud.resourcemanager.v1.Liens."),
    ROWS("/v3/", "google.cloud.resourcemanager.v3.Liens."),
};
const size_t crm_liens_route_count = sizeof(crm_liens_routes) / sizeof(crm_liens_routes[0]);
