/*
 * Tags on resources: organization, folders, projects and single services. A binding remembers the
 * record's number of what it is to, so that a service made anew under an old name starts without
 * the old one's tags.
 */
#include "control/api/crm_v3_bindings.h"

#include "control/api/crm_operation.h"
#include "control/api/crm_v3_bindings_inside.h"
#include "control/call/paging.h"
#include "control/record/projects.h"
#include "control/record/resource_tree.h"
#include "control/record/tags.h"
#include "http/percent.h"

static const char tree_prefix[] = "//cloudresourcemanager.googleapis.com/";
static const char run_prefix[] = "//run.googleapis.com/";

static const char *with_project(struct api_call *call, const char *name, bool number)
{
    struct slice left = slice_of(name), kind, id;
    if (!slice_cut(&left, '/', &kind) || !slice_is(kind, "projects") ||
        !slice_cut(&left, '/', &id)) {
        return name;
    }
    const char *text = arena_string(&call->arena, id);
    const char *known = number ? project_number(call->control, &call->arena, text)
                               : project_id(call->control, &call->arena, text);
    return arena_printf(&call->arena, "projects/%s%s%.*s", known == NULL ? text : known,
                        left.len > 0 ? "/" : "", SLICE_ARG(left));
}

/* Store key of a full resource name; NULL if it is of no kind that can have tags. */
static const char *resource_of(struct api_call *call, const char *full)
{
    if (strncmp(full, run_prefix, sizeof(run_prefix) - 1) == 0) {
        const char *key = with_project(call, full + sizeof(run_prefix) - 1, false);
        return policy_node_of(key) == POLICY_SERVICE ? key : NULL;
    }
    if (strncmp(full, tree_prefix, sizeof(tree_prefix) - 1) == 0) {
        const char *key = with_project(call, full + sizeof(tree_prefix) - 1, false);
        return policy_node_of(key) == POLICY_SERVICE ? NULL : key;
    }
    return NULL;
}

/* The full name, with the project's number. */
const char *crm_tags_full_name(struct api_call *call, const char *resource)
{
    bool run = policy_node_of(resource) == POLICY_SERVICE;
    return arena_printf(&call->arena, "%s%s", run ? run_prefix : tree_prefix,
                        with_project(call, resource, true));
}

/* The store key of the full name FULL; NULL: none was given. */
static bool crm_tags_find(struct api_call *call, const char *full, const char **out,
                          struct error *err)
{
    *out = full == NULL ? NULL : resource_of(call, full);
    return *out != NULL ||
           error_field(
               err, "parent",
               "The parent is a full name: //cloudresourcemanager.googleapis.com/projects/N, "
               "…/folders/N, …/organizations/N or "
               "//run.googleapis.com/projects/N/locations/L/services/S.");
}

bool crm_tags_find_named(struct api_call *call, const char *what, const char **out,
                         struct error *err)
{
    struct slice full = slice_of(api_param(call, "resource"));
    /* Some clients encode the name, which has encoded parts, once more. */
    if (slice_find(full, '%') >= 0 && !url_decode(&call->arena, full, false, &full)) {
        return error_field(err, "name", "The name of %s is malformed.", what);
    }
    return crm_tags_find(call, arena_string(&call->arena, full), out, err);
}

/* VERB ("createTagBinding") on the resource. */
bool crm_tags_may(struct api_call *call, const char *verb, const char *resource, struct error *err)
{
    bool run = policy_node_of(resource) == POLICY_SERVICE;
    return api_allowed(call,
                       arena_printf(&call->arena, "%s.%s",
                                    run ? "run.services" : "resourcemanager.hierarchyNodes", verb),
                       resource, err);
}

const char *crm_tags_encoded(struct api_call *call, const char *text)
{
    char *out = arena_alloc(&call->arena, 3 * strlen(text) + 1);
    size_t used = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '/') {
            memcpy(out + used, "%2F", 3);
            used += 3;
        } else {
            out[used++] = *c;
        }
    }
    out[used] = '\0';
    return out;
}

static json_t *load(struct api_call *call, const char *key)
{
    struct store_doc doc;
    return store_get(call->control->store, STORE_TAG, key, &doc, NULL) == STORE_FOUND ? doc.body
                                                                                      : NULL;
}

static json_t *binding_json(struct api_call *call, const char *resource, const char *value)
{
    const char *full = crm_tags_full_name(call, resource);
    auto_json *doc = load(call, value);
    return json_pack(
        "{s:s, s:s, s:s, s:s}", "name",
        arena_printf(&call->arena, "tagBindings/%s/%s", crm_tags_encoded(call, full), value),
        "parent", full, "tagValue", value, "tagValueNamespacedName",
        json_text_or(doc, "namespacedName", ""));
}

/* ---- listing ---- */

struct listing {
    const char *resource;
    uint64_t id;
};

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    const struct listing *listing = ctx;
    (void)err;
    if ((uint64_t)json_number(doc->body, "resourceId", 0) == listing->id) {
        *out = binding_json(call, listing->resource, json_text_or(doc->body, "tagValue", ""));
    }
    return true;
}

static void bindings_list(struct api_call *call)
{
    struct error err = {0};
    struct listing listing = {0};
    if (!crm_tags_find(call, api_query(call, "parent"), &listing.resource, &err) ||
        !crm_tags_may(call, "listTagBindings", listing.resource, &err)) {
        api_fail(call, &err);
        return;
    }
    listing.id = tag_resource_id(call->control, listing.resource);
    api_reply_page(call,
                   &(struct page){.kind = STORE_TAG,
                                  .prefix = tag_binding_prefix(&call->arena, listing.resource),
                                  .list = "tagBindings",
                                  .item = list_one,
                                  .ctx = &listing});
}

static void effective_list(struct api_call *call)
{
    struct error err = {0};
    struct paging paging;
    const char *resource;
    struct tag_set *set = arena_new(&call->arena, struct tag_set);
    if (!crm_tags_find(call, api_query(call, "parent"), &resource, &err) ||
        !crm_tags_may(call, "listEffectiveTags", resource, &err) ||
        !tags_effective(call->control, &call->arena, resource, set, &err) ||
        !paging_init(&paging, call, PAGE_MOST, PAGE_MOST, &err)) {
        api_fail(call, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < set->count; i++) {
        const struct tag *tag = &set->items[i];
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "tagValue", tag->value,
                      "namespacedTagValue",
                      arena_printf(&call->arena, "%s/%s", tag->key_name, tag->value_name), "tagKey",
                      tag->key, "namespacedTagKey", tag->key_name, "tagKeyParentName",
                      with_project(call, tag->key_parent, true), "inherited", tag->inherited));
    }
    json_t *answer = json_pack("{s:o}", "effectiveTags", paging_cut(&paging, list));
    paging_put(&paging, answer);
    api_reply(call, answer);
}

/* ---- changing ---- */

static const struct field binding_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "parent", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "tagValue", .kind = FIELD_STRING},
    {.name = "tagValueNamespacedName", .kind = FIELD_STRING},
    {0},
};

/* "tagValues/N" that the request names in one of two ways; the other name if nothing has it. */
static const char *value_of(struct api_call *call, const json_t *asked)
{
    const char *value = json_text_or(asked, "tagValue", "");
    const char *name = json_text_or(asked, "tagValueNamespacedName", "");
    if (value[0] != '\0' || name[0] == '\0') {
        return value;
    }
    const char *found = tag_named(call->control, &call->arena, "tagValues/", name);
    return found != NULL ? found : name;
}

struct bound {
    struct api_call *call;
    uint64_t id;
    const char *key; /* "tagKeys/N" */
    const char *value;
    size_t count;
    const char *other; /* a value of the same key that is bound already */
    bool same;
};

static bool count_bound(const struct store_doc *doc, void *ctx)
{
    struct bound *bound = ctx;
    const char *value = json_text_or(doc->body, "tagValue", "");
    auto_json *held = load(bound->call, value);
    if ((uint64_t)json_number(doc->body, "resourceId", 0) != bound->id || held == NULL) {
        return true;
    }
    bound->count++;
    if (strcmp(value, bound->value) == 0) {
        bound->same = true;
    } else if (strcmp(json_text_or(held, "parent", ""), bound->key) == 0) {
        bound->other = arena_string(&bound->call->arena, slice_of(value));
    }
    return true;
}

/* One value of a key, and not too many in all. */
static bool check_bound(struct api_call *call, const char *resource, const char *value,
                        struct error *err)
{
    auto_json *doc = load(call, value);
    struct bound bound = {.call = call,
                          .id = tag_resource_id(call->control, resource),
                          .key = json_text_or(doc, "parent", ""),
                          .value = value};
    if (bound.id == 0) {
        return error_set(err, STATUS_NOT_FOUND, "%s was not found.", resource);
    }
    if (doc == NULL || strncmp(value, "tagValues/", 10) != 0) {
        return error_set(err, STATUS_NOT_FOUND, "There is no tag value '%.100s'.", value);
    }
    if (!store_each(call->control->store, STORE_TAG, tag_binding_prefix(&call->arena, resource),
                    count_bound, &bound, err)) {
        return false;
    }
    if (bound.same) {
        return error_set(err, STATUS_ALREADY_EXISTS, "%s is bound to %s already.", value, resource);
    }
    if (bound.other != NULL) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s has %s, another value of the same key, already.", resource,
                         bound.other);
    }
    return bound.count < TAGS_BOUND_MAX ||
           error_set(err, STATUS_FAILED_PRECONDITION, "A resource can have %d tags at most.",
                     TAGS_BOUND_MAX);
}

/* Binds, or takes away (ID 0). */
static bool store_binding(struct api_call *call, const char *resource, const char *value,
                          uint64_t id, json_t **operation, struct error *err)
{
    struct store *store = call->control->store;
    const char *key = tag_binding_key(&call->arena, resource, value);
    auto_json *body = json_pack("{s:s, s:I}", "tagValue", value, "resourceId", (json_int_t)id);
    auto_json *response = id == 0 ? json_object() : binding_json(call, resource, value);
    const char *type =
        id == 0 ? "google.protobuf.Empty" : "google.cloud.resourcemanager.v3.TagBinding";
    auto_change *change = api_change(call, err);
    return change != NULL &&
           (id != 0 ? store_put(store, STORE_TAG, key, body, NULL, NULL, err)
                    : store_delete(store, STORE_TAG, key, err)) &&
           change_audit(change, resource, id != 0 ? "bind-tag" : "unbind-tag",
                        id != 0 ? NULL : body, id != 0 ? body : NULL, err) &&
           change_tags(change, resource, err) &&
           crm_operation_new(call, type, response, operation, err) &&
           crm_operation_commit(call, &change, err);
}

static bool binding_create(struct api_call *call, json_t **operation, struct error *err)
{
    const char *resource;
    auto_json *asked = fields_read(binding_fields, call->body, "", err);
    if (asked == NULL || !crm_tags_find(call, json_text_or(asked, "parent", ""), &resource, err)) {
        return false;
    }
    const char *value = value_of(call, asked);
    if (value[0] == '\0') {
        return error_field(err, "tagValue",
                           "A binding needs tagValue (tagValues/N) or tagValueNamespacedName.");
    }
    if (!crm_tags_may(call, "createTagBinding", resource, err) ||
        !api_allowed(call, "resourcemanager.tagValueBindings.create", value, err) ||
        !project_must_live(call->control, &call->arena, resource, err)) {
        return false;
    }
    return check_bound(call, resource, value, err) &&
           store_binding(call, resource, value, tag_resource_id(call->control, resource), operation,
                         err);
}

static void bindings_create(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    bool good = binding_create(call, &operation, &err);
    api_answer(call, good, operation, &err);
}

static bool binding_delete(struct api_call *call, json_t **operation, struct error *err)
{
    const char *resource;
    const char *value = arena_printf(&call->arena, "tagValues/%s", api_param(call, "value"));
    if (!crm_tags_find_named(call, "the binding", &resource, err) ||
        !crm_tags_may(call, "deleteTagBinding", resource, err) ||
        !api_allowed(call, "resourcemanager.tagValueBindings.delete", value, err) ||
        !project_must_live(call->control, &call->arena, resource, err)) {
        return false;
    }
    auto_json *body = load(call, tag_binding_key(&call->arena, resource, value));
    if (body == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "%s is not bound to %s.", value, resource);
    }
    return store_binding(call, resource, value, 0, operation, err);
}

static void bindings_delete(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    bool good = binding_delete(call, &operation, &err);
    api_answer(call, good, operation, &err);
}

#define V3          "google.cloud.resourcemanager.v3."
#define METHOD      V3 "TagBindings."
#define COLLECTIONS "/v3/locations/{location}/"

const struct api_route crm_v3_bindings_routes[] = {
    {"GET", "/v3/tagBindings", NULL, NULL, API_SELF_CHECKED, bindings_list,
     METHOD "ListTagBindings", .why = API_WHY_ASKED},
    {"POST", "/v3/tagBindings", NULL, NULL, API_SELF_CHECKED | API_VALIDATE_ONLY, bindings_create,
     METHOD "CreateTagBinding", .why = API_WHY_ASKED},
    {"DELETE", "/v3/tagBindings/{resource}/tagValues/{value}", NULL, NULL,
     API_SELF_CHECKED | API_VALIDATE_ONLY, bindings_delete, METHOD "DeleteTagBinding",
     .why = API_WHY_ASKED},
    {"GET", "/v3/effectiveTags", NULL, NULL, API_SELF_CHECKED, effective_list,
     METHOD "ListEffectiveTags", .why = API_WHY_ASKED},
    {"GET", COLLECTIONS "tagBindingCollections/{resource}", NULL, NULL, API_SELF_CHECKED,
     crm_tag_collection_get, V3 "TagBindingCollections.GetTagBindingCollection",
     .why = API_WHY_ASKED},
    {"PATCH", COLLECTIONS "tagBindingCollections/{resource}", NULL, NULL, API_SELF_CHECKED,
     crm_tag_collection_patch, V3 "TagBindingCollections.UpdateTagBindingCollection",
     .why = API_WHY_ASKED},
    {"GET", COLLECTIONS "effectiveTagBindingCollections/{resource}", NULL, NULL, API_SELF_CHECKED,
     crm_tag_collection_effective,
     V3 "EffectiveTagBindingCollections.GetEffectiveTagBindingCollection", .why = API_WHY_ASKED},
};
const size_t crm_v3_bindings_route_count =
    sizeof(crm_v3_bindings_routes) / sizeof(crm_v3_bindings_routes[0]);
