/*
 * The policy is written into the record, the doors of organization policy are asked as if every
 * service were set anew, and the record is rolled back: so the answer is that of the doors
 * themselves. Control is one thread, and nobody reads the record meanwhile.
 */
#include "control/access/orgpolicy_plan.h"

#include "control/access/orgpolicy.h"
#include "control/access/orgpolicy_ask.h"
#include "control/record/projects.h"

/* ---- one question about one service ---- */

/* What the constraint says of DOC; "" for nothing. Custom constraints by their description. */
static const char *setting_refused(struct api_call *call, const char *resource, const json_t *doc,
                                   const char *constraint)
{
    struct orgpolicy_ask *ask = orgpolicy_ask_new(call->control, &call->arena, resource, NULL);
    if (ask == NULL || !orgpolicy_ask_service(ask, "ReplaceService", doc, NULL)) {
        return "";
    }
    for (size_t i = 0; i < ask->count; i++) {
        const struct orgpolicy_violation *one = &ask->found[i];
        if (strcmp(one->name, constraint) == 0) {
            return one->text != NULL ? one->text : one->description;
        }
    }
    return "";
}

/* Whether MEMBER could be given ROLE today, were it not there. */
static bool member_refused(struct api_call *call, const char *resource,
                           const struct binding *binding, size_t member)
{
    static const struct policy_doc nobody = {0};
    struct error ignored;
    const struct binding one = {.role = binding->role,
                                .members = &binding->members[member],
                                .member_count = 1,
                                .condition = binding->condition};
    return !orgpolicy_would_bind(call, resource, &nobody, &one, 1, &ignored);
}

/* The members that are refused, as flags in the order of the policy; NULL if there is none. */
static bool *members_refused(struct api_call *call, const char *resource,
                             const struct policy_doc *policy, size_t total)
{
    static const struct policy_doc nobody = {0};
    struct error ignored;
    if (orgpolicy_would_bind(call, resource, &nobody, policy->bindings, policy->count, &ignored)) {
        return NULL;
    }
    bool *out = arena_array(&call->arena, bool, total);
    size_t at = 0;
    for (size_t i = 0; i < policy->count; i++) {
        for (size_t k = 0; k < policy->bindings[i].member_count; k++) {
            out[at++] = member_refused(call, resource, &policy->bindings[i], k);
        }
    }
    return out;
}

/* ---- one service, before and with the policy ---- */

struct candidate {
    const char *resource;
    json_t *doc;
    struct policy_doc policy;
    size_t member_count;
    const char *setting_now; /* "" */
    bool *members_now;       /* NULL */
};

static void add_violation(struct orgpolicy_breach *breach, const char *what, bool now)
{
    json_array_append_new(breach->violations,
                          json_pack("{s:o, s:b}", "what", json_slice(slice_of(what)), "now", now));
}

/* The most open ingress that the policy lets be. */
static bool mend_ingress(struct api_call *call, const struct candidate *candidate,
                         const char *constraint, struct plan *plan)
{
    static const struct {
        const char *name;
        enum ingress_setting ingress;
    } settings[] = {
        {"INGRESS_TRAFFIC_ALL", INGRESS_ALL},
        {"INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", INGRESS_INTERNAL_AND_LB},
        {"INGRESS_TRAFFIC_INTERNAL_ONLY", INGRESS_INTERNAL},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        auto_json *doc = json_copy(candidate->doc);
        json_object_set_new(doc, "ingress", json_string(settings[i].name));
        if (setting_refused(call, candidate->resource, doc, constraint)[0] == '\0') {
            plan->sets_ingress = true;
            plan->ingress = settings[i].ingress;
            return true;
        }
    }
    return false;
}

static void judge_setting(struct api_call *call, const struct candidate *candidate,
                          const char *constraint, struct orgpolicy_breach *breach)
{
    const char *then = setting_refused(call, candidate->resource, candidate->doc, constraint);
    if (then[0] == '\0') {
        return;
    }
    add_violation(breach, then, candidate->setting_now[0] != '\0');
    if (strcmp(constraint, "run.managed.requireInvokerIam") == 0) {
        breach->plan.sets_check = true;
        breach->mendable = true;
    } else if (strcmp(constraint, "run.allowedIngress") == 0) {
        breach->mendable = mend_ingress(call, candidate, constraint, &breach->plan);
    }
}

/* The policy of the service without those that are refused, as JSON. */
static json_t *policy_without(const struct policy_doc *policy, const bool *refused)
{
    json_t *bindings = policy_doc_json(policy->bindings, policy->count);
    size_t at = 0;
    for (size_t i = 0; i < policy->count; i++) {
        json_t *members = json_object_get(json_array_get(bindings, i), "members");
        json_array_clear(members);
        for (size_t k = 0; k < policy->bindings[i].member_count; k++, at++) {
            if (!refused[at]) {
                json_array_append_new(members, json_slice(policy->bindings[i].members[k]));
            }
        }
    }
    for (size_t i = json_array_size(bindings); i-- > 0;) {
        if (json_array_size(json_object_get(json_array_get(bindings, i), "members")) == 0) {
            json_array_remove(bindings, i);
        }
    }
    return json_pack("{s:o}", "bindings", bindings);
}

static void judge_members(struct api_call *call, const struct candidate *candidate,
                          struct orgpolicy_breach *breach)
{
    struct error ignored;
    size_t at = 0;
    bool any = false;
    bool *refused =
        members_refused(call, candidate->resource, &candidate->policy, candidate->member_count);
    for (size_t i = 0; refused != NULL && i < candidate->policy.count; i++) {
        const struct binding *binding = &candidate->policy.bindings[i];
        for (size_t k = 0; k < binding->member_count; k++, at++) {
            bool now = candidate->members_now != NULL && candidate->members_now[at];
            /* What another constraint refuses is none of this policy's doing. */
            refused[at] = refused[at] && !now;
            if (refused[at]) {
                any = true;
                add_violation(breach,
                              arena_printf(&call->arena, "%.*s has %.*s",
                                           SLICE_ARG(binding->members[k]),
                                           SLICE_ARG(binding->role)),
                              false);
            }
        }
    }
    if (any) {
        auto_json *left = policy_without(&candidate->policy, refused);
        breach->mendable = plan_policy(call, left, &breach->plan, &ignored) || breach->mendable;
    }
}

/* ---- all services below ---- */

struct search {
    struct api_call *call;
    struct orgpolicy_plan *policy;
    struct candidate *candidates;
    size_t count;
};

static bool is_below(struct api_call *call, const char *resource, const char *node)
{
    const char *at = resource;
    while (resource_parent(call->control->store, &call->arena, at, &at)) {
        if (strcmp(at, node) == 0) {
            return true;
        }
    }
    return false;
}

static bool may_know(struct api_call *call, const char *resource)
{
    const char *project = arena_printf(&call->arena, "projects/%.*s",
                                       (int)strcspn(resource + strlen("projects/"), "/"),
                                       resource + strlen("projects/"));
    return api_holds(call, "run.services.get", resource) &&
           api_holds(call, "run.services.getIamPolicy", resource) &&
           api_holds(call, "logging.logEntries.list", project) &&
           project_is_live(call->control, &call->arena, resource);
}

static bool collect(const struct store_doc *doc, void *ctx)
{
    struct search *search = ctx;
    struct api_call *call = search->call;
    const char *resource = arena_string(&call->arena, slice_of(doc->key));
    if (!is_below(call, resource, search->policy->node) || !may_know(call, resource)) {
        return true;
    }
    if (search->count == ORGPOLICY_PLAN_SERVICES_MAX) {
        search->policy->omitted++;
        return true;
    }
    struct candidate *out = &search->candidates[search->count];
    *out = (struct candidate){.resource = resource, .doc = json_incref(doc->body)};
    if (!policy_doc_load(call->control->store, &call->arena, resource, &out->policy, NULL)) {
        json_decref(out->doc);
        return true;
    }
    for (size_t i = 0; i < out->policy.count; i++) {
        out->member_count += out->policy.bindings[i].member_count;
    }
    out->setting_now = setting_refused(call, resource, out->doc, search->policy->constraint);
    out->members_now = members_refused(call, resource, &out->policy, out->member_count);
    search->count++;
    return true;
}

static void judge(struct search *search)
{
    struct orgpolicy_plan *policy = search->policy;
    policy->breaches = arena_array(&search->call->arena, struct orgpolicy_breach, search->count);
    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *candidate = &search->candidates[i];
        struct orgpolicy_breach *breach = &policy->breaches[policy->count];
        *breach = (struct orgpolicy_breach){.resource = candidate->resource,
                                            .violations = json_array(),
                                            .plan = {.resource = candidate->resource}};
        judge_setting(search->call, candidate, policy->constraint, breach);
        judge_members(search->call, candidate, breach);
        if (json_array_size(breach->violations) > 0) {
            policy->count++;
        } else {
            json_decref(breach->violations);
        }
    }
}

bool orgpolicy_plan_find(struct api_call *call, struct orgpolicy_plan *policy, struct error *err)
{
    struct store *store = call->control->store;
    struct search search = {
        .call = call,
        .policy = policy,
        .candidates = arena_array(&call->arena, struct candidate, ORGPOLICY_PLAN_SERVICES_MAX)};
    const char *key = orgpolicy_key(&call->arena, policy->node, policy->constraint);
    bool good =
        store_each(store, STORE_SERVICE, "", collect, &search, err) && store_begin(store, err);
    if (good) {
        good = store_put(store, STORE_ORGPOLICY, key, policy->body, NULL, NULL, err);
        if (good) {
            judge(&search);
        }
        store_rollback(store);
    }
    policy->looked_at = search.count;
    for (size_t i = 0; i < search.count; i++) {
        json_decref(search.candidates[i].doc);
        json_decref(search.candidates[i].policy.body);
    }
    return good;
}

void orgpolicy_plan_done(struct orgpolicy_plan *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        json_decref(policy->breaches[i].violations);
    }
    json_decref(policy->body);
    policy->body = NULL;
    policy->count = 0;
}
