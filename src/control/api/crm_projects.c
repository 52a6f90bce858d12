/* Making, changing and moving projects. */
#include "control/api/crm_tree.h"

#include "base/random.h"
#include "control/access/new_tags.h"
#include "control/access/orgpolicy.h"
#include "control/api/crm_operation.h"
#include "control/identity/accounts.h"
#include "control/record/projects.h"

enum { PROJECT_ID_MIN = 6, PROJECT_ID_MAX = 30, LABELS_MAX = 256, LABEL_MAX = 63 };

static const struct field parent_fields[] = {
    {.name = "type", .kind = FIELD_STRING},
    {.name = "id", .kind = FIELD_STRING},
    {0},
};

static const struct field project_v1_fields[] = {
    {.name = "projectNumber", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "projectId", .kind = FIELD_STRING},
    {.name = "lifecycleState", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "name", .kind = FIELD_STRING, .max = 30},
    {.name = "createTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "labels", .kind = FIELD_MAP, .item = FIELD_STRING},
    {.name = "parent", .kind = FIELD_OBJECT, .fields = parent_fields},
    {.name = "tags", .kind = FIELD_MAP, .item = FIELD_STRING},
    {0},
};

static const struct field project_v3_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "parent", .kind = FIELD_STRING},
    {.name = "projectId", .kind = FIELD_STRING},
    {.name = "state", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "displayName", .kind = FIELD_STRING, .max = 30},
    {.name = "createTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "updateTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "etag", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "labels", .kind = FIELD_MAP, .item = FIELD_STRING},
    {.name = "tags", .kind = FIELD_MAP, .item = FIELD_STRING},
    {0},
};

/* A project as a client sent it, in the words of the record: {"projectId", "name", "labels",
 * "parent", "tags"}. */
static json_t *read_project(struct api_call *call, struct error *err)
{
    bool v1 = api_version(call) == 1;
    auto_json *asked = fields_read(v1 ? project_v1_fields : project_v3_fields, call->body, "", err);
    if (asked == NULL) {
        return NULL;
    }
    json_t *out = json_object();
    crm_copy(out, "projectId", asked, "projectId");
    crm_copy(out, "labels", asked, "labels");
    crm_copy(out, "tags", asked, "tags");
    crm_copy(out, "name", asked, v1 ? "name" : "displayName");
    if (!v1) {
        crm_copy(out, "parent", asked, "parent");
    } else if (json_object_get(asked, "parent") != NULL) {
        json_object_set_new(
            out, "parent",
            json_string(arena_printf(&call->arena, "%ss/%s", json_text_or(asked, "parent.type", ""),
                                     json_text_or(asked, "parent.id", ""))));
    }
    return out;
}

/* Lower-case letters, digits, hyphens and underscores, at most 63; a key begins with a letter. */
static bool label_valid(const char *text, bool key)
{
    size_t length = strlen(text);
    bool good = length <= LABEL_MAX && (!key || (text[0] >= 'a' && text[0] <= 'z'));
    for (size_t i = 0; i < length && good; i++) {
        good = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
               text[i] == '-' || text[i] == '_';
    }
    return good;
}

static bool labels_valid(json_t *labels, struct error *err)
{
    const char *key;
    json_t *value;
    if (json_object_size(labels) > LABELS_MAX) {
        return error_field(err, "labels", "A project can have %d labels at most.", LABELS_MAX);
    }
    json_object_foreach(labels, key, value)
    {
        if (!label_valid(key, true) || !label_valid(json_string_value(value), false)) {
            return error_field(err, "labels",
                               "The label %.64s=%.64s must have lower-case letters, digits, "
                               "hyphens and underscores, %d at most, and its key must begin with "
                               "a letter.",
                               key, json_string_value(value), LABEL_MAX);
        }
    }
    return true;
}

static bool project_id_valid(const char *id, struct error *err)
{
    size_t length = strlen(id);
    bool good = length >= PROJECT_ID_MIN && length <= PROJECT_ID_MAX && id[0] >= 'a' &&
                id[0] <= 'z' && id[length - 1] != '-';
    for (size_t i = 0; i < length && good; i++) {
        good = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= '0' && id[i] <= '9') || id[i] == '-';
    }
    if (strncmp(id, "gcp-sa-", 7) == 0) {
        return error_field(err, "projectId",
                           "Project IDs that begin with \"gcp-sa-\" are not to be had: accounts of "
                           "service agents have their addresses there.");
    }
    return good || error_field(err, "projectId",
                               "The project ID \"%.64s\" must have %d to %d lower-case letters, "
                               "digits or hyphens, begin with a letter and not end with a hyphen.",
                               id, PROJECT_ID_MIN, PROJECT_ID_MAX);
}

/* Owner for its creator; Editor for its default account, unless a policy forbids that. */
static bool first_policy(struct api_call *call, struct change *change, const char *node,
                         const char *compute, const char *parent, struct error *err)
{
    auto_json *policy = json_pack("{s:i, s:[{s:s, s:[o]}]}", "version", 1, "bindings", "role",
                                  "roles/owner", "members", json_slice(call->caller.member));
    if (!orgpolicy_withholds_default_roles(call->control, &call->arena, parent)) {
        json_array_append_new(json_object_get(policy, "bindings"),
                              json_pack("{s:s, s:[s]}", "role", "roles/editor", "members",
                                        arena_printf(&call->arena, "serviceAccount:%s", compute)));
    }
    return store_put(call->control->store, STORE_POLICY, node, policy, NULL, NULL, err) &&
           change_policy(change, node, err);
}

static bool project_make(struct api_call *call, const json_t *asked, const char *parent,
                         json_t **operation, struct error *err)
{
    struct control *control = call->control;
    const char *id = json_text_or(asked, "projectId", "");
    const char *node = arena_printf(&call->arena, "projects/%s", id);
    char number[13];
    struct store_doc doc;
    random_text(number, 12, "123456789");
    const char *compute =
        arena_printf(&call->arena, "%s-compute@developer.gserviceaccount.com", number);
    auto_json *account = NULL;
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !project_put(control, &call->arena, id, number, json_text_or(asked, "name", id), parent,
                     crm_now(call), err) ||
        store_get(control->store, STORE_NODE, node, &doc, err) != STORE_FOUND) {
        return false;
    }
    auto_json *body = doc.body;
    crm_copy(body, "labels", asked, "labels");
    if (json_text(asked, "parent") == NULL) {
        json_object_set_new(body, "parentUnasked", json_true());
    }
    auto_json *response = crm_json(call, &doc);
    return store_put(control->store, STORE_NODE, node, body, NULL, NULL, err) &&
           new_tags_put(change, call, node, doc.id, call->new_tags, err) &&
           account_create(change, control, &call->arena, id, compute,
                          "Compute Engine default service account", "", &account, err) &&
           first_policy(call, change, node, compute, parent, err) &&
           change_audit(change, node, "create-project", NULL, body, err) &&
           crm_operation_new(call, crm_type(call, "Project"), response, operation, err) &&
           change_commit(&change, err);
}

static bool project_create(struct api_call *call, json_t **operation, struct error *err)
{
    auto_json *asked = read_project(call, err);
    if (asked == NULL) {
        return false;
    }
    const char *id = json_text_or(asked, "projectId", "");
    /* One that names no parent goes below the organization, so that nothing evades its policies;
     * but the answers show none either, as none was asked for (crm_tree.c). */
    const char *parent =
        json_text_or(asked, "parent", organization_node(call->control, &call->arena));
    if (!api_allowed(call, "resourcemanager.projects.create", parent, err) ||
        !crm_check_parent(call, parent, err) || !project_id_valid(id, err) ||
        !labels_valid(json_object_get(asked, "labels"), err)) {
        return false;
    }
    if (project_id(call->control, &call->arena, id) != NULL) {
        return error_set(err, STATUS_ALREADY_EXISTS,
                         "Requested entity already exists: the project ID %s is in use.", id);
    }
    call->new_tags = new_tags_read(call, json_object_get(asked, "tags"), crm_bind, parent, err);
    if (call->new_tags == NULL) {
        return false;
    }
    return project_make(call, asked, parent, operation, err);
}

void crm_projects_create(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    bool good = project_create(call, &operation, &err);
    crm_answer(call, good, operation, &err);
}

static bool project_move(struct api_call *call, const char *to, json_t **operation,
                         struct error *err)
{
    struct store_doc doc;
    const char *node = api_expand(call, "projects/{project}");
    if (!crm_load_live(call, node, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_copy(before);
    doc.body = after;
    crm_set_parent(after, to);
    json_object_set_new(after, "updateTime", json_string(crm_now(call)));
    return crm_may_move(call, "resourcemanager.projects.move", node,
                        json_text_or(before, "parent", ""), to, err) &&
           crm_store(call, &doc, before, "move-project", "Project",
                     arena_printf(&call->arena, "%s/locations/", node), operation, err);
}

void crm_projects_move(struct api_call *call)
{
    struct error err = {0};
    json_t *operation = NULL;
    const char *to = json_text_or(call->body, "destinationParent", "");
    bool good = project_move(call, to, &operation, &err);
    crm_answer(call, good, operation, &err);
}

/* Name and labels; v1 says by PUT also where it should be. */
static bool project_update(struct api_call *call, json_t **out, struct error *err)
{
    struct store_doc doc;
    bool v1 = api_version(call) == 1;
    auto_json *operation = NULL;
    const char *node = api_expand(call, call->route->on);
    const char *mask = api_query(call, "updateMask");
    auto_json *asked = read_project(call, err);
    if (asked == NULL || !api_check_mask(call, v1 ? project_v1_fields : project_v3_fields, err) ||
        !labels_valid(json_object_get(asked, "labels"), err) || !crm_no_tags(asked, err) ||
        !crm_load_live(call, node, &doc, err)) {
        return false;
    }
    auto_json *before = doc.body;
    auto_json *after = json_copy(before);
    doc.body = after;
    if (json_object_get(asked, "name") != NULL &&
        (mask == NULL || mask_touches(slice_of(mask), "displayName"))) {
        crm_copy(after, "name", asked, "name");
    }
    if (mask == NULL || mask_touches(slice_of(mask), "labels")) {
        json_object_del(after, "labels");
        crm_copy(after, "labels", asked, "labels");
    }
    const char *from = json_text_or(before, "parent", "");
    const char *to = v1 ? json_text_or(asked, "parent", from) : from;
    bool moves = strcmp(from, to) != 0;
    if (moves) {
        if (!crm_may_move(call, "resourcemanager.projects.move", node, from, to, err)) {
            return false;
        }
    }
    if (json_text(asked, "parent") != NULL && v1) {
        crm_set_parent(after, to);
    }
    json_object_set_new(after, "updateTime", json_string(crm_now(call)));
    if (!crm_store(call, &doc, before, moves ? "move-project" : "update-project", "Project",
                   moves ? arena_printf(&call->arena, "%s/locations/", node) : NULL, &operation,
                   err)) {
        return false;
    }
    *out = v1 ? crm_json(call, &doc) : json_steal(&operation);
    return true;
}

void crm_projects_update(struct api_call *call)
{
    struct error err = {0};
    json_t *out = NULL;
    bool good = project_update(call, &out, &err);
    crm_answer(call, good, out, &err);
}
