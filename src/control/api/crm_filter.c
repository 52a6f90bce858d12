/* What projects, folders and organizations can be filtered by. */
#include "control/api/crm_filter.h"

#include <stdio.h>

#include "control/call/filter.h"

static bool label_holds(const json_t *labels, struct slice name, struct slice value)
{
    char key[128];
    snprintf(key, sizeof(key), "%.*s", SLICE_ARG(name));
    const json_t *held = json_object_get(labels, key);
    return json_is_string(held) && filter_like(slice_of(json_string_value(held)), value);
}

/* "folder" or "organization", or the number, of "folders/1". */
static bool parent_holds(const json_t *body, bool kind, struct slice value)
{
    struct slice left = slice_of(json_text_or(body, "parent", ""));
    struct slice first;
    if (!slice_cut(&left, '/', &first)) {
        return false; /* nothing stands above it */
    }
    return filter_like(kind ? slice_upto(first, first.len > 0 ? first.len - 1 : 0) : left, value);
}

static bool field_holds(const void *item, const struct filter_term *term, bool *known)
{
    const struct store_doc *doc = item;
    struct slice name = term->name, value = term->value;
    static const struct {
        const char *name, *field, *other; /* in the record: of projects; of folders */
    } fields[] = {
        {"name", "name", "displayName"},
        {"displayName", "name", "displayName"},
        {"parent", "parent", NULL},
        {"id", "projectId", NULL},
        {"projectId", "projectId", NULL},
        {"projectNumber", "projectNumber", NULL},
        {"state", "lifecycleState", NULL},
        {"lifecycleState", "lifecycleState", NULL},
        {"domain", "displayName", NULL},
        {"owner.directoryCustomerId", "directoryCustomerId", NULL},
        {"directoryCustomerId", "directoryCustomerId", NULL},
    };
    const json_t *body = doc == NULL ? NULL : doc->body;
    bool project = doc != NULL && strncmp(doc->key, "projects/", 9) == 0;
    if (slice_equal_nocase(slice_upto(name, 7), SLICE("labels."))) {
        return label_holds(json_object_get(body, "labels"), slice_from(name, 7), value);
    }
    if (slice_equal_nocase(name, SLICE("labels"))) {
        return label_holds(json_object_get(body, "labels"), value, SLICE("*"));
    }
    if (slice_equal_nocase(name, SLICE("parent.type")) ||
        slice_equal_nocase(name, SLICE("parent.id"))) {
        return parent_holds(body, name.len == strlen("parent.type"), value);
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (slice_equal_nocase(name, slice_of(fields[i].name))) {
            bool other = fields[i].other != NULL && !project;
            return filter_like(
                slice_of(json_text_or(body, other ? fields[i].other : fields[i].field, "")), value);
        }
    }
    *known = false;
    return false;
}

static const struct filter_fields fields_of_nodes = {
    field_holds, "Only names, IDs, states, parents and labels can be filtered by"};

bool crm_filter_check(const char *text, struct error *err)
{
    return filter_check(&fields_of_nodes, text, err);
}

bool crm_filter_holds(const char *text, const struct store_doc *doc)
{
    return filter_holds(&fields_of_nodes, text, doc);
}
