#include "control/record/policy_doc.h"

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
