/*
 * All tags of a resource together: TagBindingCollections name them by their namespaced names, and
 * one change puts what there is in the place of what there was.
 */
#include "control/api/crm_v3_bindings_inside.h"

#include <openssl/evp.h>

#include "base/encode.h"
#include "control/api/crm_operation.h"
#include "control/record/projects.h"
#include "control/record/tags.h"
#include "model/resource_name.h"

static const struct field collection_fields[] = {
    {.name = "name", .kind = FIELD_STRING},
    {.name = "fullResourceName", .kind = FIELD_STRING},
    {.name = "tags", .kind = FIELD_MAP, .item = FIELD_STRING},
    {.name = "etag", .kind = FIELD_STRING},
    {0},
};

/* Services are in their region, all else is global. */
static const char *location_of(struct api_call *call, const char *resource)
{
    struct resource_name name;
    return resource_name_read(&call->arena, slice_of(resource), &name) && name.service != NULL
               ? name.location
               : "global";
}

/* The resource that the path names. */
static bool find(struct api_call *call, const char **out, struct error *err)
{
    const char *location = api_param(call, "location");
    if (!crm_tags_find_named(call, "the collection", out, err)) {
        return false;
    }
    const char *right = location_of(call, *out);
    return strcmp(location, right) == 0 ||
           error_field(err, "name", "The tags of %s are in locations/%s, not in locations/%s.",
                       *out, right, location);
}

static json_t *tags_json(const struct tag_set *set)
{
    json_t *out = json_object();
    for (size_t i = 0; i < set->count; i++) {
        json_object_set_new(out, set->items[i].key_name, json_string(set->items[i].value_name));
    }
    return out;
}

/* Every binding, whoever made it. */
static const char *etag_of(struct api_call *call, const json_t *tags)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char *text = json_dumps(tags, JSON_SORT_KEYS | JSON_COMPACT);
    EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL);
    free(text);
    return arena_string(&call->arena,
                        base64url_encode(&call->arena, (struct slice){(const char *)hash, 12}));
}

/* "locations/L/KIND/ENCODED" with the tags under LIST. TAGS is taken. */
static json_t *collection_json(struct api_call *call, const char *resource, const char *kind,
                               const char *list, json_t *tags)
{
    const char *full = crm_tags_full_name(call, resource);
    return json_pack("{s:s, s:s, s:o}", "name",
                     arena_printf(&call->arena, "locations/%s/%s/%s", location_of(call, resource),
                                  kind, crm_tags_encoded(call, full)),
                     "fullResourceName", full, list, tags);
}

static bool own_tags(struct api_call *call, const char *resource, struct tag_set *out,
                     struct error *err)
{
    uint64_t id = tag_resource_id(call->control, resource);
    return id == 0 ? error_set(err, STATUS_NOT_FOUND, "%s was not found.", resource)
                   : tags_own(call->control, &call->arena, resource, id, out, err);
}

static json_t *own_json(struct api_call *call, const char *resource, json_t *tags)
{
    const char *etag = etag_of(call, tags);
    json_t *out = collection_json(call, resource, "tagBindingCollections", "tags", tags);
    json_object_set_new(out, "etag", json_string(etag));
    return out;
}

void crm_tag_collection_get(struct api_call *call)
{
    struct error err = {0};
    const char *resource;
    struct tag_set *set = arena_new(&call->arena, struct tag_set);
    if (!find(call, &resource, &err) || !crm_tags_may(call, "listTagBindings", resource, &err) ||
        !own_tags(call, resource, set, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, own_json(call, resource, tags_json(set)));
}

void crm_tag_collection_effective(struct api_call *call)
{
    struct error err = {0};
    const char *resource;
    struct tag_set *set = arena_new(&call->arena, struct tag_set);
    if (!find(call, &resource, &err) || !crm_tags_may(call, "listEffectiveTags", resource, &err) ||
        !tags_effective(call->control, &call->arena, resource, set, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, collection_json(call, resource, "effectiveTagBindingCollections",
                                    "effectiveTags", tags_json(set)));
}

/* ---- changing ---- */

struct replacing {
    struct api_call *call;
    const char *resource;
    uint64_t id;
    const struct tag_set *before;
    json_t *wanted; /* "KEY": "VALUE", by names */
};

/* "tagValues/N" of a key and a value by their names; NULL and *err. */
static const char *value_named(const struct replacing *replacing, const char *key,
                               const char *value, struct error *err)
{
    struct api_call *call = replacing->call;
    const char *found = tag_named(call->control, &call->arena, "tagValues/",
                                  arena_printf(&call->arena, "%s/%s", key, value));
    if (found == NULL) {
        error_set(err, STATUS_NOT_FOUND, "There is no tag value '%.200s/%.200s'.", key, value);
    }
    return found;
}

static bool stands(const struct replacing *replacing, const char *value)
{
    for (size_t i = 0; i < replacing->before->count; i++) {
        if (strcmp(replacing->before->items[i].value, value) == 0) {
            return true;
        }
    }
    return false;
}

/* One binding, made or (MAKE false) taken away, in the running change. */
static bool change_one(const struct replacing *replacing, struct change *change, const char *value,
                       bool make, struct error *err)
{
    struct api_call *call = replacing->call;
    struct store *store = call->control->store;
    const char *key = tag_binding_key(&call->arena, replacing->resource, value);
    const char *permission = make ? "resourcemanager.tagValueBindings.create"
                                  : "resourcemanager.tagValueBindings.delete";
    auto_json *body =
        json_pack("{s:s, s:I}", "tagValue", value, "resourceId", (json_int_t)replacing->id);
    return crm_tags_may(call, make ? "createTagBinding" : "deleteTagBinding", replacing->resource,
                        err) &&
           api_allowed(call, permission, value, err) &&
           (make ? store_put(store, STORE_TAG, key, body, NULL, NULL, err)
                 : store_delete(store, STORE_TAG, key, err)) &&
           change_audit(change, replacing->resource, make ? "bind-tag" : "unbind-tag",
                        make ? NULL : body, make ? body : NULL, err);
}

/* What is not wanted goes first: a key has one value. */
static bool change_all(const struct replacing *replacing, struct change *change, struct error *err)
{
    const char *key;
    json_t *name;
    auto_json *values = json_object(); /* the wanted ones, as "tagValues/N" */
    json_object_foreach(replacing->wanted, key, name)
    {
        const char *value = value_named(replacing, key, json_string_value(name), err);
        if (value == NULL) {
            return false;
        }
        json_object_set_new(values, value, json_true());
    }
    for (size_t i = 0; i < replacing->before->count; i++) {
        const char *value = replacing->before->items[i].value;
        if (json_object_get(values, value) == NULL &&
            !change_one(replacing, change, value, false, err)) {
            return false;
        }
    }
    json_object_foreach(values, key, name)
    {
        if (!stands(replacing, key) && !change_one(replacing, change, key, true, err)) {
            return false;
        }
    }
    return change_tags(change, replacing->resource, err);
}

static bool replace(struct api_call *call, json_t **operation, struct error *err)
{
    const char *resource;
    const char *mask = api_query(call, "updateMask");
    struct tag_set *before = arena_new(&call->arena, struct tag_set);
    auto_json *asked = fields_read(collection_fields, call->body, "", err);
    if (asked == NULL || !find(call, &resource, err) ||
        !crm_tags_may(call, "listTagBindings", resource, err) ||
        !project_must_live(call->control, &call->arena, resource, err) ||
        !own_tags(call, resource, before, err)) {
        return false;
    }
    if (mask != NULL && mask[0] != '\0' && strcmp(mask, "*") != 0 && strcmp(mask, "tags") != 0) {
        return error_field(err, "updateMask", "Only tags can be changed: leave the mask empty.");
    }
    auto_json *now = tags_json(before);
    const char *etag = json_text_or(asked, "etag", "");
    if (etag[0] != '\0' && strcmp(etag, etag_of(call, now)) != 0) {
        return error_set(err, STATUS_ABORTED,
                         "The tags were changed meanwhile: read them again and repeat the change.");
    }
    auto_json *none = json_object();
    json_t *wanted = json_object_get(asked, "tags");
    const struct replacing replacing = {.call = call,
                                        .resource = resource,
                                        .id = tag_resource_id(call->control, resource),
                                        .before = before,
                                        .wanted = wanted == NULL ? none : wanted};
    if (json_object_size(replacing.wanted) > TAGS_BOUND_MAX) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "A resource can have %d tags at most.",
                         TAGS_BOUND_MAX);
    }
    auto_json *response = own_json(call, resource, json_incref(replacing.wanted));
    auto_change *change = api_change(call, err);
    return change != NULL && change_all(&replacing, change, err) &&
           crm_operation_new(call, "google.cloud.resourcemanager.v3.TagBindingCollection", response,
                             operation, err) &&
           crm_operation_commit(call, &change, err);
}

void crm_tag_collection_patch(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    bool good = replace(call, &operation, &err);
    api_answer(call, good, operation, &err);
}
