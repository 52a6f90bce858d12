#include "control/api/orgpolicy_forms.h"

#include "control/access/orgpolicy_doc.h"
#include "control/call/call.h"
#include "control/call/paging.h"

bool orgpolicy_find(struct api_call *call, const char *node, const char *name, enum status unknown,
                    const struct orgpolicy_constraint **out, struct error *err)
{
    *out = orgpolicy_constraint_at_node(call->control, &call->arena, node, name);
    return *out != NULL ||
           error_set(err, unknown,
                     "The constraint constraints/%.100s is not known here; `gcloud org-policies "
                     "list --show-unset` shows those that are.",
                     name);
}

enum store_result orgpolicy_load(struct api_call *call, const char *node, const char *name,
                                 struct store_doc *out, struct error *err)
{
    return store_get(call->control->store, STORE_ORGPOLICY, orgpolicy_key(&call->arena, node, name),
                     out, err);
}

json_t *orgpolicy_constraint_form(const char *full, const struct orgpolicy_constraint *constraint)
{
    json_t *out = json_pack("{s:s, s:s, s:s, s:s}", "name", full, "displayName", constraint->title,
                            "description", constraint->description, "constraintDefault",
                            constraint->denies_by_default ? "DENY" : "ALLOW");
    bool list = constraint->kind == ORGPOLICY_LIST;
    json_object_set_new(out, list ? "listConstraint" : "booleanConstraint", json_object());
    return out;
}

struct listing {
    const char *node;
    json_t *(*form)(struct api_call *call, const char *node, const struct store_doc *doc);
};

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    const struct listing *listing = ctx;
    (void)err;
    *out = listing->form(call, listing->node, doc);
    return true;
}

void orgpolicy_reply_policies(struct api_call *call,
                              json_t *(*form)(struct api_call *call, const char *node,
                                              const struct store_doc *doc))
{
    struct error err;
    struct listing listing = {.node = api_expand(call, call->route->on), .form = form};
    if (!orgpolicy_node_exists(call, listing.node, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply_page(call, &(struct page){.kind = STORE_ORGPOLICY,
                                        .prefix = orgpolicy_key(&call->arena, listing.node, ""),
                                        .list = "policies",
                                        .item = list_one,
                                        .ctx = &listing});
}

void orgpolicy_reply_constraints(struct api_call *call,
                                 json_t *(*form)(struct api_call *call, const char *node,
                                                 const struct orgpolicy_constraint *constraint))
{
    struct error err;
    struct paging paging;
    const char *node = api_expand(call, call->route->on);
    if (!orgpolicy_node_exists(call, node, &err) ||
        !paging_init(&paging, call, PAGE_MOST, PAGE_MOST, &err)) {
        api_fail(call, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < orgpolicy_constraint_count(); i++) {
        json_array_append_new(list, form(call, node, orgpolicy_constraint_at(i)));
    }
    json_t *answer = json_pack("{s:o}", "constraints", paging_cut(&paging, list));
    paging_put(&paging, answer);
    api_reply(call, answer);
}
