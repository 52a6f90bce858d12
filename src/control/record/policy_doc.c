#include "control/record/policy_doc.h"

#include "base/encode.h"
#include "control/record/door.h"

static const struct field expr_fields[] = {
    {.name = "title", .kind = FIELD_STRING},
    {.name = "description", .kind = FIELD_STRING},
    {.name = "expression", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "location", .kind = FIELD_STRING},
    {0},
};

static const struct field binding_fields[] = {
    {.name = "role", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "members", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "condition", .kind = FIELD_OBJECT, .fields = expr_fields},
    {.name = "bindingId", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

static const char *const log_types[] = {"LOG_TYPE_UNSPECIFIED", "ADMIN_READ", "DATA_WRITE",
                                        "DATA_READ", NULL};

static const struct field audit_log_fields[] = {
    {.name = "logType", .kind = FIELD_ENUM, .names = log_types},
    {.name = "exemptedMembers", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};

static const struct field audit_fields[] = {
    {.name = "service", .kind = FIELD_STRING},
    {.name = "auditLogConfigs",
     .kind = FIELD_LIST,
     .item = FIELD_OBJECT,
     .fields = audit_log_fields},
    {0},
};

const struct field policy_doc_fields[] = {
    {.name = "version", .kind = FIELD_INT32},
    {.name = "etag", .kind = FIELD_STRING},
    {.name = "bindings", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = binding_fields},
    {.name = "auditConfigs", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = audit_fields},
    {.name = "kind", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "resourceId", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {0},
};

static struct slice text_of(struct arena *arena, const json_t *object, const char *name)
{
    return arena_slice(arena, slice_of(json_text_or(object, name, "")));
}

static struct binding read_binding(struct arena *arena, const json_t *in)
{
    const json_t *members = json_object_get(in, "members");
    const json_t *condition = json_object_get(in, "condition");
    size_t count = json_array_size(members);
    struct slice *texts = arena_array(arena, struct slice, count);
    for (size_t i = 0; i < count; i++) {
        texts[i] = arena_slice(arena, slice_of(json_string_value(json_array_get(members, i))));
    }
    struct binding out = {
        .role = text_of(arena, in, "role"),
        .members = texts,
        .member_count = count,
    };
    if (condition != NULL) {
        out.condition.title = text_of(arena, condition, "title");
        out.condition.description = text_of(arena, condition, "description");
        out.condition.expression = text_of(arena, condition, "expression");
        out.condition.location = text_of(arena, condition, "location");
    }
    return out;
}

static void read_bindings(struct arena *arena, const json_t *policy, struct binding **out,
                          size_t *count)
{
    const json_t *list = json_object_get(policy, "bindings");
    *count = json_array_size(list);
    *out = arena_array(arena, struct binding, *count);
    for (size_t i = 0; i < *count; i++) {
        (*out)[i] = read_binding(arena, json_array_get(list, i));
    }
}

bool policy_doc_bindings(struct arena *arena, const json_t *policy, const char *prefix,
                         struct binding **out, size_t *count, struct error *err)
{
    auto_json *checked = fields_read(policy_doc_fields, policy, prefix, err);
    if (checked == NULL) {
        return false;
    }
    read_bindings(arena, checked, out, count);
    return true;
}

bool policy_doc_load(struct store *store, struct arena *arena, const char *resource,
                     struct policy_doc *out, struct error *err)
{
    struct store_doc doc;
    *out = (struct policy_doc){.version = 1};
    switch (store_get(store, STORE_POLICY, resource, &doc, err)) {
    case STORE_ABSENT:
        return true;
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    out->stored_version = doc.version;
    out->version = (int)json_number(doc.body, "version", 1);
    out->body = doc.body;
    read_bindings(arena, doc.body, &out->bindings, &out->count);
    for (size_t i = 0; i < out->count; i++) {
        struct condition *condition = &out->bindings[i].condition;
        /* What was stored compiled then; should it not now, the empty list of members grants
         * nothing. */
        if (condition->expression.len > 0 &&
            !cel_compile(arena, condition->expression, &condition->program, NULL)) {
            out->bindings[i].member_count = 0;
        }
    }
    return true;
}

static void put_text(json_t *object, const char *name, struct slice text)
{
    if (text.len > 0) {
        json_object_set_new(object, name, json_slice(text));
    }
}

json_t *policy_doc_json(const struct binding *bindings, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *one = json_object();
        json_t *members = json_array();
        const struct condition *condition = &bindings[i].condition;
        for (size_t k = 0; k < bindings[i].member_count; k++) {
            json_array_append_new(members, json_slice(bindings[i].members[k]));
        }
        json_object_set_new(one, "role", json_slice(bindings[i].role));
        json_object_set_new(one, "members", members);
        if (condition->expression.len > 0) {
            json_t *out = json_object();
            put_text(out, "title", condition->title);
            put_text(out, "description", condition->description);
            put_text(out, "expression", condition->expression);
            put_text(out, "location", condition->location);
            json_object_set_new(one, "condition", out);
        }
        json_array_append_new(list, one);
    }
    return list;
}

struct slice policy_etag(struct arena *arena, int64_t stored_version)
{
    if (stored_version == 0) {
        return SLICE("ACAB");
    }
    /* Hexadecimal digits have no base64 that needs '+' or '/'. Twelve of them need no padding
     * either. */
    char *digits = arena_printf(arena, "%012llx", (unsigned long long)stored_version);
    return base64_encode(arena, slice_of(digits));
}

bool policy_etag_matches(struct arena *arena, const char *etag, int64_t stored_version)
{
    struct slice given;
    struct slice current;
    return base64_decode_any(arena, slice_of(etag), &given) &&
           base64_decode_any(arena, policy_etag(arena, stored_version), &current) &&
           slice_equal(given, current);
}

/* "projects/P/secrets/S", and what is below. A service can be named "secrets", so that the word
 * counts only at its place. */
static bool is_secret(struct slice resource, struct slice *rest)
{
    struct slice word;
    return slice_cut(&resource, '/', &word) && slice_is(word, "projects") &&
           slice_cut(&resource, '/', &word) && slice_cut(&resource, '/', &word) &&
           slice_is(word, "secrets") && slice_cut(&resource, '/', &word) &&
           ((*rest = resource), true);
}

enum policy_node policy_node_of(const char *resource)
{
    struct slice text = slice_of(resource), rest;
    if (is_secret(text, &rest)) {
        return POLICY_SECRET;
    }
    if (door_is(resource)) {
        return POLICY_DOOR;
    }
    if (slice_find_slice(text, SLICE("/serviceAccounts/")) >= 0) {
        return POLICY_ACCOUNT;
    }
    if (slice_find_slice(text, SLICE("/locations/")) >= 0) {
        return POLICY_SERVICE;
    }
    if (slice_starts(text, SLICE("folders/"))) {
        return POLICY_FOLDER;
    }
    if (slice_starts(text, SLICE("tagKeys/")) || slice_starts(text, SLICE("tagValues/"))) {
        return POLICY_TAG;
    }
    return slice_starts(text, SLICE("organizations/")) ? POLICY_ORGANIZATION : POLICY_PROJECT;
}

bool resource_parent(struct store *store, struct arena *arena, const char *resource,
                     const char **parent)
{
    struct slice left = slice_of(resource);
    struct slice kind;
    struct slice id;
    struct slice version;
    if (is_secret(left, &version) && version.len > 0) {
        *parent = arena_string(arena, slice_upto(left, left.len - version.len - 1));
        return true;
    }
    if (door_is(resource)) {
        *parent = door_parent(arena, resource);
        return true;
    }
    if (!slice_cut(&left, '/', &kind) || !slice_cut(&left, '/', &id)) {
        return false;
    }
    if (left.len > 0) {
        *parent = arena_printf(arena, "%.*s/%.*s", SLICE_ARG(kind), SLICE_ARG(id));
        return true;
    }
    auto_doc doc = {0};
    const char *table = policy_node_of(resource) == POLICY_TAG ? STORE_TAG : STORE_NODE;
    if (store_get(store, table, resource, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    const char *above = json_text(doc.body, "parent");
    bool found = above != NULL;
    if (found) {
        *parent = arena_string(arena, slice_of(above));
    }
    return found;
}

bool custom_role_holds(void *ctx, struct slice role, struct slice permission)
{
    struct store *store = ctx;
    auto_arena arena = {0};
    auto_doc doc = {0};
    if (store_get(store, STORE_ROLE, arena_string(&arena, role), &doc, NULL) != STORE_FOUND) {
        return false;
    }
    bool holds = false;
    size_t i;
    json_t *one;
    if (!json_flag(doc.body, "deleted", false) &&
        strcmp(json_text_or(doc.body, "stage", ""), "DISABLED") != 0) {
        json_array_foreach(json_object_get(doc.body, "includedPermissions"), i, one)
        {
            holds = holds || slice_is(permission, json_string_value(one));
        }
    }
    return holds;
}

bool role_gives(struct store *store, struct slice role, struct slice permission)
{
    const struct role *known = roles_find(role);
    return known != NULL ? role_holds(known, permission)
                         : custom_role_holds(store, role, permission);
}

bool condition_ends(struct slice expression, int64_t *end_us)
{
    static const struct slice head = SLICE_INIT("request.time < timestamp(");
    struct slice rest = slice_trim(expression);
    if (!slice_starts(rest, head) || !slice_ends(rest, SLICE(")")) || rest.len < head.len + 4) {
        return false;
    }
    rest = slice_upto(slice_from(rest, head.len), rest.len - head.len - 1);
    char quote = rest.data[0];
    if ((quote != '"' && quote != '\'') || rest.data[rest.len - 1] != quote) {
        return false;
    }
    return time_read(slice_upto(slice_from(rest, 1), rest.len - 2), end_us);
}
