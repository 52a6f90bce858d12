/* Making, changing, moving and deleting folders; and the policy of the organization. */
#include "control/api/crm_tree.h"

#include <stdio.h>

#include "base/random.h"
#include "control/access/iam_policy.h"
#include "control/access/new_tags.h"
#include "control/api/crm_operation.h"
#include "control/record/resource_tree.h"

static const struct field folder_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "parent", .kind = FIELD_STRING},
    {.name = "displayName", .kind = FIELD_STRING, .min = 3, .max = 30},
    {.name = "state", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "lifecycleState", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "createTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "updateTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "etag", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "tags", .kind = FIELD_MAP, .item = FIELD_STRING},
    {0},
};

struct sibling {
    const char *parent, *name, *not ;
    bool found;
};

static bool is_sibling(const struct store_doc *doc, void *ctx)
{
    struct sibling *sibling = ctx;
    sibling->found = crm_is_live(doc->body) && strcmp(doc->key, sibling->not ) != 0 &&
                     strcmp(json_text_or(doc->body, "parent", ""), sibling->parent) == 0 &&
                     (sibling->name == NULL ||
                      strcmp(json_text_or(doc->body, "displayName", ""), sibling->name) == 0);
    return !sibling->found;
}

/* Whether PARENT has no other live folder than NOT of that name (crm_folders.c). */
static bool crm_folder_name_free(struct api_call *call, const char *parent, const char *name,
                                 const char * not, struct error *err)
{
    struct sibling sibling = {.parent = parent, .name = name, .not = not };
    if (!store_each(call->control->store, STORE_NODE, "folders/", is_sibling, &sibling, err)) {
        return false;
    }
    return !sibling.found || error_set(err, STATUS_ALREADY_EXISTS,
                                       "%s has a folder named \"%s\" already.", parent, name);
}

/* Its creator gets all rights on it. */
static bool first_policy(struct api_call *call, struct change *change, const char *node,
                         struct error *err)
{
    auto_json *policy = json_pack(
        "{s:i, s:[{s:s, s:[o]}, {s:s, s:[o]}]}", "version", 1, "bindings", "role",
        "roles/resourcemanager.folderAdmin", "members", json_slice(call->caller.member), "role",
        "roles/resourcemanager.folderEditor", "members", json_slice(call->caller.member));
    return store_put(call->control->store, STORE_POLICY, node, policy, NULL, NULL, err) &&
           change_policy(change, node, err);
}

static bool folder_make(struct api_call *call, struct store_doc *doc, json_t **operation,
                        struct error *err)
{
    auto_change *change = api_change(call, err);
    if (change == NULL || !store_put(call->control->store, STORE_NODE, doc->key, doc->body,
                                     &doc->id, &doc->version, err)) {
        return false;
    }
    auto_json *response = crm_json(call, doc);
    return first_policy(call, change, doc->key, err) &&
           new_tags_put(change, call, doc->key, doc->id, call->new_tags, err) &&
           change_audit(change, doc->key, "create-folder", NULL, doc->body, err) &&
           crm_operation_new(call, crm_type(call, "Folder"), response, operation, err) &&
           change_commit(&change, err);
}

static bool folder_create(struct api_call *call, json_t **operation, struct error *err)
{
    char number[13];
    struct store_doc doc = {0};
    auto_json *asked = fields_read(folder_fields, call->body, "", err);
    if (asked == NULL) {
        return false;
    }
    const char *of_query = api_query(call, "parent"); /* v2 has it there */
    const char *parent = of_query != NULL ? of_query : json_text_or(asked, "parent", "");
    const char *name = json_text_or(asked, "displayName", "");
    if (!api_allowed(call, "resourcemanager.folders.create", parent, err) ||
        !crm_check_parent(call, parent, err)) {
        return false;
    }
    if (name[0] == '\0') {
        return error_field(err, "displayName", "A folder needs a display name.");
    }
    if (!crm_folder_name_free(call, parent, name, "", err)) {
        return false;
    }
    call->new_tags = new_tags_read(call, json_object_get(asked, "tags"), crm_bind, parent, err);
    if (call->new_tags == NULL) {
        return false;
    }
    random_text(number, 12, "123456789");
    snprintf(doc.key, sizeof(doc.key), "folders/%s", number);
    auto_json *body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", doc.key, "parent", parent,
                                "displayName", name, "lifecycleState", "ACTIVE", "createTime",
                                crm_now(call), "updateTime", crm_now(call));
    doc.body = body;
    return folder_make(call, &doc, operation, err);
}

void crm_folders_create(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    bool good = folder_create(call, &operation, &err);
    crm_answer(call, good, operation, &err);
}

/* v2 answers with the folder, where v3 gives an operation. */
static bool folder_store(struct api_call *call, struct store_doc *doc, const json_t *before,
                         const char *deed, json_t **out, struct error *err)
{
    auto_json *operation = NULL;
    bool good = crm_store(call, doc, before, deed, "Folder", NULL, &operation, err);
    *out = good && api_version(call) == 2 ? crm_json(call, doc) : json_incref(operation);
    return good;
}

static bool folder_update(struct api_call *call, json_t **out, struct error *err)
{
    struct store_doc doc;
    const char *node = api_expand(call, call->route->on);
    auto_json *asked = fields_read(folder_fields, call->body, "", err);
    const char *name = json_text_or(asked, "displayName", "");
    if (asked == NULL || !api_check_mask(call, folder_fields, err) || !crm_no_tags(asked, err) ||
        !crm_load_live(call, node, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_copy(before);
    doc.body = after;
    if (name[0] != '\0') {
        if (!crm_folder_name_free(call, json_text_or(before, "parent", ""), name, node, err)) {
            return false;
        }
        json_object_set_new(after, "displayName", json_string(name));
    }
    json_object_set_new(after, "updateTime", json_string(crm_now(call)));
    return folder_store(call, &doc, before, "update-folder", out, err);
}

void crm_folders_update(struct api_call *call)
{
    struct error err = {0};
    json_t *out = NULL;
    bool good = folder_update(call, &out, &err);
    crm_answer(call, good, out, &err);
}

static bool folder_move(struct api_call *call, json_t **operation, struct error *err)
{
    static const char move[] = "resourcemanager.folders.move";
    struct store_doc doc;
    const char *node = api_expand(call, call->route->on);
    const char *to = json_text_or(call->body, "destinationParent", "");
    if (!crm_load_live(call, node, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_copy(before);
    doc.body = after;
    if (!crm_may_move(call, move, node, json_text_or(before, "parent", ""), to, err) ||
        !crm_folder_name_free(call, to, json_text_or(before, "displayName", ""), node, err)) {
        return false;
    }
    for (const char *above = to;;) {
        if (strcmp(above, node) == 0) {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "A folder cannot be moved below itself.");
        }
        if (!resource_parent(call->control->store, &call->arena, above, &above)) {
            break;
        }
    }
    json_object_set_new(after, "parent", json_string(to));
    json_object_set_new(after, "updateTime", json_string(crm_now(call)));
    return crm_store(call, &doc, before, "move-folder", "Folder", "projects/", operation, err);
}

void crm_folders_move(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    bool good = folder_move(call, &operation, &err);
    crm_answer(call, good, operation, &err);
}

static bool folder_delete(struct api_call *call, json_t **out, struct error *err)
{
    struct store_doc doc;
    const char *node = api_expand(call, call->route->on);
    struct sibling below = {.parent = node, .not = ""};
    if (!crm_load(call, node, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_copy(before);
    doc.body = after;
    if (!store_each(call->control->store, STORE_NODE, "", is_sibling, &below, err)) {
        return false;
    }
    if (below.found) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "%s is not empty: move or delete what is below it first.", node);
    }
    if (crm_is_live(before)) { /* else it is being deleted already, and stays so */
        crm_mark(call, after, false);
    }
    return folder_store(call, &doc, before, "delete-folder", out, err);
}

void crm_folders_delete(struct api_call *call)
{
    struct error err = {0};
    json_t *out = NULL;
    bool good = folder_delete(call, &out, &err);
    crm_answer(call, good, out, &err);
}

static bool folder_undelete(struct api_call *call, json_t **out, struct error *err)
{
    struct store_doc doc;
    const char *node = api_expand(call, call->route->on);
    if (!crm_load(call, node, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_copy(before);
    const char *parent = json_text_or(before, "parent", "");
    doc.body = after;
    if (!crm_is_live(before)) {
        if (!crm_check_parent(call, parent, err) ||
            !crm_folder_name_free(call, parent, json_text_or(before, "displayName", ""), node,
                                  err)) {
            return false;
        }
        crm_mark(call, after, true);
    }
    return folder_store(call, &doc, before, "undelete-folder", out, err);
}

void crm_folders_undelete(struct api_call *call)
{
    struct error err = {0};
    json_t *out = NULL;
    bool good = folder_undelete(call, &out, &err);
    crm_answer(call, good, out, &err);
}

/* ---- the organization's policy ---- */

/* Without an administrator, nobody could ever set it again. */
void crm_organization_set_policy(struct api_call *call)
{
    struct error err;
    const json_t *bindings = json_at(call->body, "policy.bindings");
    const char *mask = json_text_or(call->body, "updateMask", "");
    /* An empty mask is none: all is replaced. */
    bool kept = mask[0] != '\0' && !mask_touches(slice_of(mask), "bindings");
    for (size_t i = 0; i < json_array_size(bindings) && !kept; i++) {
        const json_t *one = json_array_get(bindings, i);
        kept =
            strcmp(json_text_or(one, "role", ""), "roles/resourcemanager.organizationAdmin") == 0 &&
            json_array_size(json_object_get(one, "members")) > 0 &&
            json_object_get(one, "condition") == NULL;
    }
    if (!kept) {
        error_field(&err, "policy.bindings",
                    "The organization would be left without an administrator: "
                    "roles/resourcemanager.organizationAdmin needs a member.");
        api_fail(call, &err);
        return;
    }
    iam_set_policy(call);
}
