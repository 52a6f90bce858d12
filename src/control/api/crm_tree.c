/*
 * The resource tree: organization, folders, projects. v3 is the newest form; gcloud still uses v1
 * for projects and organizations and v2 for folders, so that handlers write the form of the row
 * that they were called by.
 */
#include "control/api/crm_tree.h"

#include "base/clock.h"
#include "control/access/orgpolicy.h"
#include "control/api/crm_filter.h"
#include "control/api/crm_operation.h"
#include "control/call/paging.h"
#include "control/record/etag.h"
#include "control/record/resource_tree.h"

enum { DEPTH_MAX = 10 };

const char *crm_now(struct api_call *call)
{
    return arena_string(&call->arena, time_text(&call->arena, clock_wall_us()));
}

void crm_copy(json_t *out, const char *name, const json_t *from, const char *from_name)
{
    json_t *value = json_object_get(from, from_name);
    if (value != NULL) {
        json_object_set(out, name, value);
    }
}

const char crm_bind[] = "resourcemanager.hierarchyNodes.createTagBinding";

bool crm_no_tags(const json_t *asked, struct error *err)
{
    return json_object_size(json_object_get(asked, "tags")) == 0 ||
           error_field(err, "tags",
                       "Tags can be given only when the resource is made; tagBindings bind them "
                       "later.");
}

void crm_set_parent(json_t *node, const char *parent)
{
    json_object_set_new(node, "parent", json_string(parent));
    json_object_del(node, "parentUnasked");
}

static void put_etag(struct api_call *call, json_t *out, int64_t version)
{
    json_object_set_new(out, "etag", json_slice(policy_etag(&call->arena, version)));
}

/* "organizations/1" → {"type": "organization", "id": "1"}. */
static json_t *parent_v1(const char *parent)
{
    const char *slash = strchr(parent, '/');
    bool folder = strncmp(parent, "folders/", 8) == 0;
    return json_pack("{s:s, s:s}", "type", folder ? "folder" : "organization", "id",
                     slash == NULL ? "" : slash + 1);
}

static json_t *project_json(struct api_call *call, const struct store_doc *doc)
{
    json_t *out = json_object();
    const json_t *body = doc->body;
    bool shown = !json_flag(body, "parentUnasked", false);
    crm_copy(out, "projectId", body, "projectId");
    crm_copy(out, "createTime", body, "createTime");
    crm_copy(out, "labels", body, "labels");
    if (api_version(call) == 1) {
        crm_copy(out, "projectNumber", body, "projectNumber");
        crm_copy(out, "name", body, "name");
        crm_copy(out, "lifecycleState", body, "lifecycleState");
        if (shown) {
            json_object_set_new(out, "parent", parent_v1(json_text_or(body, "parent", "")));
        }
        return out;
    }
    json_object_set_new(out, "name",
                        json_string(arena_printf(&call->arena, "projects/%s",
                                                 json_text_or(body, "projectNumber", ""))));
    crm_copy(out, "displayName", body, "name");
    crm_copy(out, "state", body, "lifecycleState");
    if (shown) {
        crm_copy(out, "parent", body, "parent");
    }
    crm_copy(out, "updateTime", body,
             json_object_get(body, "updateTime") != NULL ? "updateTime" : "createTime");
    crm_copy(out, "deleteTime", body, "deleteTime");
    put_etag(call, out, doc->version);
    return out;
}

static json_t *folder_json(struct api_call *call, const struct store_doc *doc)
{
    json_t *out = json_object();
    json_object_set_new(out, "name", json_string(doc->key));
    crm_copy(out, "parent", doc->body, "parent");
    crm_copy(out, "displayName", doc->body, "displayName");
    crm_copy(out, api_version(call) == 2 ? "lifecycleState" : "state", doc->body, "lifecycleState");
    crm_copy(out, "createTime", doc->body, "createTime");
    crm_copy(out, "updateTime", doc->body, "updateTime");
    if (api_version(call) != 2) {
        crm_copy(out, "deleteTime", doc->body, "deleteTime");
    }
    put_etag(call, out, doc->version);
    return out;
}

static json_t *organization_json(struct api_call *call, const struct store_doc *doc)
{
    json_t *out = json_object();
    json_object_set_new(out, "name", json_string(doc->key));
    crm_copy(out, "displayName", doc->body, "displayName");
    if (api_version(call) == 1) {
        crm_copy(out, "creationTime", doc->body, "createTime");
        crm_copy(out, "lifecycleState", doc->body, "lifecycleState");
        json_object_set_new(out, "owner",
                            json_pack("{s:O}", "directoryCustomerId",
                                      json_object_get(doc->body, "directoryCustomerId")));
        return out;
    }
    crm_copy(out, "directoryCustomerId", doc->body, "directoryCustomerId");
    crm_copy(out, "state", doc->body, "lifecycleState");
    crm_copy(out, "createTime", doc->body, "createTime");
    put_etag(call, out, doc->version);
    return out;
}

json_t *crm_json(struct api_call *call, const struct store_doc *doc)
{
    return strncmp(doc->key, "projects/", 9) == 0  ? project_json(call, doc)
           : strncmp(doc->key, "folders/", 8) == 0 ? folder_json(call, doc)
                                                   : organization_json(call, doc);
}

/* ---- reading ---- */

bool crm_is_live(const json_t *node)
{
    return strcmp(json_text_or(node, "lifecycleState", "ACTIVE"), "ACTIVE") == 0;
}

bool crm_load(struct api_call *call, const char *key, struct store_doc *out, struct error *err)
{
    return store_load(call->control->store, STORE_NODE, key, out, err, "%s was not found.", key);
}

bool crm_load_live(struct api_call *call, const char *key, struct store_doc *out, struct error *err)
{
    if (!crm_load(call, key, out, err)) {
        return false;
    }
    if (crm_is_live(out->body)) {
        return true;
    }
    store_doc_done(out);
    return error_set(err, STATUS_FAILED_PRECONDITION, "%s is being deleted: undelete it first.",
                     key);
}

void crm_node_get(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    const char *key = api_expand(call, call->route->on);
    if (!crm_load(call, key, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, crm_json(call, &doc));
}

struct listing {
    const char *permission; /* on each; NULL: it was asked for on the parent */
    const char *parent;     /* NULL: any */
    const char *filter;
    bool live; /* only what is not being deleted */
};

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    const struct listing *listing = ctx;
    (void)err;
    if ((listing->parent == NULL ||
         strcmp(json_text_or(doc->body, "parent", ""), listing->parent) == 0) &&
        (!listing->live || crm_is_live(doc->body)) && crm_filter_holds(listing->filter, doc) &&
        (listing->permission == NULL || api_holds(call, listing->permission, doc->key))) {
        *out = crm_json(call, doc);
    }
    return true;
}

static void list(struct api_call *call, const char *kind, struct listing *listing)
{
    struct error err = {0};
    if (!crm_filter_check(listing->filter, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply_page(call, &(struct page){.kind = STORE_NODE,
                                        .prefix = arena_printf(&call->arena, "%s/", kind),
                                        .list = kind,
                                        .item = list_one,
                                        .ctx = listing});
}

/* Those below ?parent=, for who may list there. */
static void list_below(struct api_call *call, const char *kind, const char *permission)
{
    struct error err;
    struct listing listing = {.parent = api_query(call, "parent"),
                              .filter = "",
                              .live = !api_query_flag(call, "showDeleted")};
    if (listing.parent == NULL) {
        error_field(&err, "parent", "The query needs parent=organizations/N or folders/N.");
        api_fail(call, &err);
        return;
    }
    if (!api_allowed(call, permission, listing.parent, &err)) {
        api_fail(call, &err);
        return;
    }
    list(call, kind, &listing);
}

/* Those that the caller may see, anywhere. */
static void search(struct api_call *call, const char *kind, const char *permission)
{
    static const char *const names[] = {"query", "filter"}; /* of v3 and v2; of v1 */
    struct listing listing = {.permission = permission, .filter = ""};
    for (size_t i = 0; i < 2; i++) {
        const char *given = api_query(call, names[i]);
        given = given != NULL ? given : json_text(call->body, names[i]); /* v2 posts it */
        listing.filter = given != NULL ? given : listing.filter;
    }
    list(call, kind, &listing);
}

void crm_projects_list(struct api_call *call)
{
    list_below(call, "projects", "resourcemanager.projects.list");
}

void crm_projects_search(struct api_call *call)
{
    search(call, "projects", "resourcemanager.projects.get");
}

void crm_folders_list(struct api_call *call)
{
    list_below(call, "folders", "resourcemanager.folders.list");
}

void crm_folders_search(struct api_call *call)
{
    search(call, "folders", "resourcemanager.folders.get");
}

void crm_organizations_search(struct api_call *call)
{
    search(call, "organizations", "resourcemanager.organizations.get");
}

void crm_project_ancestry(struct api_call *call)
{
    json_t *ancestors = json_array();
    const char *node = api_expand(call, call->route->on);
    do {
        struct slice left = slice_of(node);
        struct slice kind;
        slice_cut(&left, '/', &kind);
        kind.len--; /* "projects" → "project" */
        json_array_append_new(ancestors, json_pack("{s:{s:o, s:o}}", "resourceId", "type",
                                                   json_slice(kind), "id", json_slice(left)));
    } while (resource_parent(call->control->store, &call->arena, node, &node));
    api_reply(call, json_pack("{s:o}", "ancestor", ancestors));
}

/* ---- common to changes ---- */

const char *crm_type(struct api_call *call, const char *what)
{
    return arena_printf(&call->arena, "google.cloud.resourcemanager.v%u.%s", api_version(call),
                        what);
}

/* A node that projects and folders can be below. */
bool crm_check_parent(struct api_call *call, const char *parent, struct error *err)
{
    auto_doc doc = {0};
    int depth = 0;
    if (strncmp(parent, "organizations/", 14) != 0 && strncmp(parent, "folders/", 8) != 0) {
        return error_field(err, "parent", "The parent is organizations/N or folders/N.");
    }
    if (!crm_load_live(call, parent, &doc, err)) {
        return false;
    }
    while (resource_parent(call->control->store, &call->arena, parent, &parent)) {
        if (++depth >= DEPTH_MAX) {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "Folders can be nested %d deep at most.", DEPTH_MAX);
        }
    }
    return true;
}

bool crm_collect_key(const struct store_doc *doc, void *ctx)
{
    json_array_append_new(ctx, json_string(doc->key));
    return true;
}

/* What stands above services has changed: their grants come from other nodes now. */
static bool republish(struct api_call *call, struct change *change, const char *prefix,
                      struct error *err)
{
    auto_json *keys = json_array();
    if (!store_each(call->control->store, STORE_SERVICE, prefix, crm_collect_key, keys, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(keys); i++) {
        if (!change_service(change, json_string_value(json_array_get(keys, i)), err)) {
            return false;
        }
    }
    return true;
}

/* Puts DOC in a change of its own. MOVED: prefix of the services that it moves; NULL: none. */
bool crm_store(struct api_call *call, struct store_doc *doc, const json_t *before, const char *deed,
               const char *type, const char *moved, json_t **operation, struct error *err)
{
    auto_change *change = api_change(call, err);
    if (change == NULL || !store_put(call->control->store, STORE_NODE, doc->key, doc->body, NULL,
                                     &doc->version, err)) {
        return false;
    }
    auto_json *response = crm_json(call, doc);
    return (moved == NULL || republish(call, change, moved, err)) &&
           change_audit(change, doc->key, deed, before, doc->body, err) &&
           crm_operation_new(call, crm_type(call, type), response, operation, err) &&
           change_commit(&change, err);
}

void crm_answer(struct api_call *call, bool good, json_t *operation, const struct error *err)
{
    if (good) {
        api_reply(call, operation);
        return;
    }
    json_decref(operation);
    orgpolicy_fail(call, err);
}

/* Moving a node takes the permission on it, on its old parent and on its new one. */
bool crm_may_move(struct api_call *call, const char *permission, const char *node, const char *from,
                  const char *to, struct error *err)
{
    return api_allowed(call, permission, node, err) && api_allowed(call, permission, from, err) &&
           api_allowed(call, permission, to, err) && crm_check_parent(call, to, err);
}
