#include "control/access/orgpolicy_doc.h"

#include "control/record/etag.h"
#include "control/record/projects.h"
#include "control/record/resource_tree.h"

static const struct field expr_fields[] = {
    {.name = "title", .kind = FIELD_STRING},
    {.name = "description", .kind = FIELD_STRING},
    {.name = "expression", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {.name = "location", .kind = FIELD_STRING},
    {0},
};

static const struct field values_fields[] = {
    {.name = "allowedValues", .kind = FIELD_LIST, .item = FIELD_STRING},
    {.name = "deniedValues", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};

static const struct field rule_fields[] = {
    {.name = "values", .kind = FIELD_OBJECT, .fields = values_fields},
    {.name = "allowAll", .kind = FIELD_BOOL},
    {.name = "denyAll", .kind = FIELD_BOOL},
    {.name = "enforce", .kind = FIELD_BOOL},
    {.name = "parameters", .kind = FIELD_MAP, .item = FIELD_ANY},
    {.name = "condition", .kind = FIELD_OBJECT, .fields = expr_fields},
    {.name = "resourceTypes",
     .kind = FIELD_ANY,
     .flags = FIELD_REFUSED,
     .note = "rules by resource type are not supported"},
    {0},
};

const struct field orgpolicy_spec_fields[] = {
    {.name = "etag", .kind = FIELD_STRING},
    {.name = "updateTime", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "rules", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = rule_fields},
    {.name = "inheritFromParent", .kind = FIELD_BOOL},
    {.name = "reset", .kind = FIELD_BOOL},
    {0},
};

const char *orgpolicy_key(struct arena *arena, const char *node, const char *constraint)
{
    return arena_printf(arena, "%s/policies/%s", node, constraint);
}

/* ---- from JSON ---- */

static const struct slice *read_texts(struct arena *arena, const json_t *list, size_t *count)
{
    *count = json_array_size(list);
    struct slice *out = arena_array(arena, struct slice, *count);
    for (size_t i = 0; i < *count; i++) {
        out[i] = arena_slice(arena, slice_of(json_string_value(json_array_get(list, i))));
    }
    return out;
}

static bool is_list_of_texts(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!json_is_string(json_array_get(value, i))) {
            return false;
        }
    }
    return json_is_array(value);
}

static void read_parameters(struct arena *arena, json_t *in, struct orgpolicy_rule *out)
{
    const char *name;
    json_t *value;
    struct orgpolicy_parameter *list =
        arena_array(arena, struct orgpolicy_parameter, json_object_size(in));
    json_object_foreach(in, name, value)
    {
        struct orgpolicy_parameter *one = &list[out->parameter_count++];
        one->name = arena_slice(arena, slice_of(name));
        one->is_list = is_list_of_texts(value);
        if (one->is_list) {
            one->values = read_texts(arena, value, &one->count);
        }
    }
    out->has_parameters = out->parameter_count > 0;
    out->parameters = list;
}

static void read_rule(struct arena *arena, const json_t *in, struct orgpolicy_rule *out)
{
    const json_t *values = json_object_get(in, "values");
    const char *condition = json_text_or(in, "condition.expression", "");
    out->has_enforce = json_object_get(in, "enforce") != NULL;
    out->enforce = json_flag(in, "enforce", false);
    out->allow_all = json_flag(in, "allowAll", false);
    out->deny_all = json_flag(in, "denyAll", false);
    out->has_values = values != NULL;
    out->allowed = read_texts(arena, json_object_get(values, "allowedValues"), &out->allowed_count);
    out->denied = read_texts(arena, json_object_get(values, "deniedValues"), &out->denied_count);
    out->condition = arena_slice(arena, slice_of(condition));
    read_parameters(arena, json_object_get(in, "parameters"), out);
}

/* SPEC (checked against the fields) as a struct; conditions are not yet compiled. */
static void orgpolicy_spec_read(struct arena *arena, const json_t *spec, struct orgpolicy_spec *out)
{
    const json_t *rules = json_object_get(spec, "rules");
    *out = (struct orgpolicy_spec){
        .inherit = json_flag(spec, "inheritFromParent", false),
        .reset = json_flag(spec, "reset", false),
        .rules = arena_array(arena, struct orgpolicy_rule, json_array_size(rules)),
        .count = json_array_size(rules),
    };
    for (size_t i = 0; i < out->count; i++) {
        read_rule(arena, json_array_get(rules, i), &out->rules[i]);
    }
}

void orgpolicy_spec_modernize(struct arena *arena, json_t *spec)
{
    size_t i;
    json_t *rule;
    json_array_foreach(json_object_get(spec, "rules"), i, rule)
    {
        json_t *condition = json_object_get(rule, "condition");
        const char *expression = json_text(condition, "expression");
        if (expression != NULL) {
            json_object_set_new(
                condition, "expression",
                json_slice(orgpolicy_condition_modern(arena, slice_of(expression))));
        }
    }
}

bool orgpolicy_spec_valid(struct api_call *call, const struct orgpolicy_constraint *constraint,
                          const json_t *spec, const char *prefix, struct error *err)
{
    struct orgpolicy_spec read;
    orgpolicy_spec_read(&call->arena, spec, &read);
    return orgpolicy_spec_check(&call->arena, constraint, &read, prefix, err);
}

/* ---- the tree ---- */

const char *orgpolicy_organization(struct control *control, struct arena *arena,
                                   const char *resource)
{
    const char *node = resource;
    for (int depth = 0; depth < ORGPOLICY_LEVELS_MAX; depth++) {
        if (strncmp(node, "organizations/", 14) == 0) {
            return node;
        }
        if (!resource_parent(control->store, arena, node, &node)) {
            break;
        }
    }
    return NULL;
}

const struct orgpolicy_constraint *orgpolicy_constraint_at_node(struct control *control,
                                                                struct arena *arena,
                                                                const char *node, const char *name)
{
    const struct orgpolicy_constraint *known = orgpolicy_constraint_find(slice_of(name));
    if (known != NULL || !orgpolicy_is_custom(slice_of(name))) {
        return known;
    }
    const char *organization = orgpolicy_organization(control, arena, node);
    if (organization == NULL ||
        store_get(control->store, STORE_ORGPOLICY,
                  arena_printf(arena, "%s/customConstraints/%s", organization, name), NULL,
                  NULL) != STORE_FOUND) {
        return NULL;
    }
    return &orgpolicy_custom;
}

const char *orgpolicy_public_node(struct control *control, struct arena *arena, const char *node)
{
    const char *number =
        strncmp(node, "projects/", 9) == 0 ? project_number(control, arena, node + 9) : NULL;
    return number == NULL ? node : arena_printf(arena, "projects/%s", number);
}

static bool add_level(struct control *control, struct arena *arena, const char *node,
                      const struct orgpolicy_constraint *constraint, const char *name, bool dry_run,
                      struct orgpolicy_chain *out, struct error *err)
{
    struct store_doc doc;
    switch (
        store_get(control->store, STORE_ORGPOLICY, orgpolicy_key(arena, node, name), &doc, err)) {
    case STORE_FAILED:
        return false;
    case STORE_ABSENT:
        return true;
    case STORE_FOUND:
        break;
    }
    json_array_append_new(out->owner, doc.body);
    const json_t *spec = json_object_get(doc.body, dry_run ? "dryRunSpec" : "spec");
    if (spec == NULL) {
        return true;
    }
    struct orgpolicy_spec *read = arena_new(arena, struct orgpolicy_spec);
    orgpolicy_spec_read(arena, spec, read);
    /* It was valid when it was stored; the check is for the programs of its conditions. */
    if (!orgpolicy_spec_check(arena, constraint, read, "spec", err)) {
        return false;
    }
    out->specs[out->count] = spec;
    out->levels[out->count++] = (struct orgpolicy_level){read, node};
    return true;
}

bool orgpolicy_chain_load(struct control *control, struct arena *arena, const char *node,
                          const struct orgpolicy_constraint *constraint, const char *name,
                          bool dry_run, struct orgpolicy_chain *out, struct error *err)
{
    out->count = 0;
    out->owner = json_array();
    for (int depth = 0; depth < ORGPOLICY_LEVELS_MAX; depth++) {
        enum policy_node kind = policy_node_of(node);
        if (kind != POLICY_SERVICE && kind != POLICY_ACCOUNT && kind != POLICY_TAG &&
            kind != POLICY_SECRET && kind != POLICY_DOOR &&
            !add_level(control, arena, node, constraint, name, dry_run, out, err)) {
            orgpolicy_chain_done(out);
            return false;
        }
        if (!resource_parent(control->store, arena, node, &node)) {
            break;
        }
    }
    return true;
}

/* ---- what holds, as a document ---- */

static json_t *default_rules(const struct orgpolicy_constraint *constraint)
{
    bool denies = constraint->denies_by_default;
    if (constraint->kind != ORGPOLICY_LIST) {
        return json_pack("[{s:b}]", "enforce", denies);
    }
    return json_pack("[{s:b}]", denies ? "denyAll" : "allowAll", 1);
}

json_t *orgpolicy_effective(struct api_call *call, const char *node,
                            const struct orgpolicy_constraint *constraint, const char *name,
                            struct error *err)
{
    auto_chain chain = {0};
    bool by_default;
    if (!orgpolicy_chain_load(call->control, &call->arena, node, constraint, name, false, &chain,
                              err)) {
        return NULL;
    }
    size_t reach = orgpolicy_reach(constraint, chain.levels, chain.count, &by_default);
    json_t *rules = by_default ? default_rules(constraint) : json_array();
    for (size_t i = 0; !by_default && i < reach; i++) {
        json_t *own = json_object_get(chain.specs[i], "rules");
        for (size_t k = 0; k < json_array_size(own); k++) {
            json_array_append_new(rules, json_deep_copy(json_array_get(own, k)));
        }
    }
    return json_pack("{s:o}", "rules", rules);
}

/* ---- changes ---- */

bool orgpolicy_node_exists(struct api_call *call, const char *node, struct error *err)
{
    return store_load(call->control->store, STORE_NODE, node, NULL, err, "%s was not found.", node);
}

bool orgpolicy_store(struct api_call *call, const char *key, const json_t *body, const char *etag,
                     int64_t *version, struct error *err)
{
    struct store *store = call->control->store;
    struct store_doc doc = {0};
    enum store_result found = store_get(store, STORE_ORGPOLICY, key, &doc, err);
    auto_json *before = found == STORE_FOUND ? doc.body : NULL;
    if (found == STORE_FAILED) {
        return false;
    }
    if (etag != NULL && etag[0] != '\0' &&
        !policy_etag_matches(&call->arena, etag, found == STORE_FOUND ? doc.version : 0)) {
        return error_set(err, STATUS_ABORTED,
                         "The policy was changed meanwhile: its etag is not the one that was sent. "
                         "Read it again and repeat the change.");
    }
    auto_change *change = api_change(call, err);
    return change != NULL &&
           (body != NULL ? store_put(store, STORE_ORGPOLICY, key, body, NULL, version, err)
                         : store_delete(store, STORE_ORGPOLICY, key, err)) &&
           change_audit(change, key, body != NULL ? "set-org-policy" : "delete-org-policy", before,
                        body, err) &&
           change_commit(&change, err);
}
