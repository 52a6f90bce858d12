/*
 * The policy is written into the record, the doors of organization policy are asked as if every
 * service and every allow policy were set anew, and the record is rolled back: so the answer is
 * that of the doors themselves. Control is one thread, and nobody reads the record meanwhile.
 */
#include "control/access/orgpolicy_plan.h"

#include "control/access/orgpolicy.h"
#include "control/access/orgpolicy_ask.h"
#include "control/access/orgpolicy_doc.h"
#include "control/publish/publish.h"
#include "control/record/door.h"
#include "control/record/projects.h"
#include "control/record/resource_tree.h"

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

/* ---- one service, or one policy, before and with the organization policy ---- */

struct candidate {
    const char *resource;
    json_t *doc; /* of a service; NULL */
    struct policy_doc policy;
    size_t member_count;
    const char *setting_now;            /* "" */
    bool *members_now;                  /* refused already: in the order of the policy */
    const char *above[INDEX_NODES_MAX]; /* what it is in, the nearest first */
    size_t above_count;
};

static void add_violation(struct orgpolicy_breach *breach, const char *what, bool now)
{
    json_array_append_new(breach->violations,
                          json_pack("{s:o, s:b}", "what", json_slice(slice_of(what)), "now", now));
}

/* Changes of access that may end what a constraint has against a service, the mildest first. */
static const struct mending {
    const char *field, *text; /* TEXT NULL: FLAG */
    bool flag;
    struct plan plan;
} mendings[] = {
    {"invokerIamDisabled", NULL, false, {.sets_check = true, .check_off = false}},
    {"ingress", "INGRESS_TRAFFIC_ALL", false, {.sets_ingress = true, .ingress = INGRESS_ALL}},
    {"ingress",
     "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
     false,
     {.sets_ingress = true, .ingress = INGRESS_INTERNAL_AND_LB}},
    {"ingress",
     "INGRESS_TRAFFIC_INTERNAL_ONLY",
     false,
     {.sets_ingress = true, .ingress = INGRESS_INTERNAL}},
    {"iapEnabled", NULL, true, {.sets_door = true, .door_on = true}},
    {"iapEnabled", NULL, false, {.sets_door = true, .door_on = false}},
};

static bool mend_setting(struct api_call *call, const struct candidate *candidate,
                         const char *constraint, struct plan *plan)
{
    for (size_t i = 0; i < sizeof(mendings) / sizeof(mendings[0]); i++) {
        const struct mending *one = &mendings[i];
        auto_json *doc = json_copy(candidate->doc);
        json_object_set_new(doc, one->field,
                            one->text != NULL ? json_string(one->text) : json_boolean(one->flag));
        if (setting_refused(call, candidate->resource, doc, constraint)[0] == '\0') {
            *plan = one->plan;
            plan->resource = candidate->resource;
            return true;
        }
    }
    return false;
}

static void judge_setting(struct api_call *call, const struct candidate *candidate,
                          const char *constraint, struct orgpolicy_breach *breach)
{
    if (candidate->doc == NULL) {
        return;
    }
    const char *then = setting_refused(call, candidate->resource, candidate->doc, constraint);
    if (then[0] != '\0') {
        add_violation(breach, then, candidate->setting_now[0] != '\0');
        breach->mendable = mend_setting(call, candidate, constraint, &breach->plan);
    }
}

/* The policy without those that are refused, as JSON. */
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

/* Those refused are taken away. A service and its door have one node, and a policy each. */
static bool mend_policy(struct api_call *call, const struct candidate *candidate,
                        const bool *refused, struct plan *plan)
{
    struct error ignored;
    enum policy_node kind = policy_node_of(candidate->resource);
    auto_json *left = policy_without(&candidate->policy, refused);
    return publish_grants_node(call->control->store, &call->arena, candidate->resource,
                               &plan->policy_node, &ignored) &&
           (kind == POLICY_DOOR || plan_policy(call, left, plan, &ignored)) &&
           (kind == POLICY_SERVICE || plan_door_policy(call, left, plan, &ignored));
}

static void judge_members(struct api_call *call, const struct candidate *candidate,
                          const char *constraint, struct orgpolicy_breach *breach)
{
    size_t at = 0;
    bool *refused = arena_array(&call->arena, bool, candidate->member_count);
    if (orgpolicy_refused_members(call, candidate->resource, constraint, &candidate->policy,
                                  refused) == 0) {
        return;
    }
    for (size_t i = 0; i < candidate->policy.count; i++) {
        const struct binding *binding = &candidate->policy.bindings[i];
        for (size_t k = 0; k < binding->member_count; k++, at++) {
            if (refused[at]) {
                add_violation(breach,
                              arena_printf(&call->arena, "%.*s has %.*s",
                                           SLICE_ARG(binding->members[k]),
                                           SLICE_ARG(binding->role)),
                              candidate->members_now[at]);
            }
        }
    }
    breach->mendable = mend_policy(call, candidate, refused, &breach->plan) || breach->mendable;
}

/* ---- all of them ---- */

struct search {
    struct api_call *call;
    struct orgpolicy_plan *policy;
    struct candidate *candidates; /* services, then the other policies */
    size_t count;
};

static void find_above(struct api_call *call, struct candidate *candidate)
{
    const char *at = candidate->resource;
    while (candidate->above_count < INDEX_NODES_MAX &&
           resource_parent(call->control->store, &call->arena, at, &at)) {
        candidate->above[candidate->above_count++] = at;
    }
}

static bool is_below(const struct candidate *candidate, const char *node)
{
    for (size_t i = 0; i < candidate->above_count; i++) {
        if (strcmp(candidate->above[i], node) == 0) {
            return true;
        }
    }
    return false;
}

static bool may_know_service(struct api_call *call, const char *resource)
{
    const char *project = arena_printf(&call->arena, "projects/%.*s",
                                       (int)strcspn(resource + strlen("projects/"), "/"),
                                       resource + strlen("projects/"));
    return api_holds(call, "run.services.get", resource) &&
           api_holds(call, "run.services.getIamPolicy", resource) &&
           api_holds(call, "logging.logEntries.list", project) &&
           project_is_live(call->control, &call->arena, resource);
}

/* The permission to read the policy of a resource, as the rows of each API ask for it. */
static const char *policy_permission(struct api_call *call, const char *resource)
{
    switch (policy_node_of(resource)) {
    case POLICY_SERVICE:
        return "run.services.getIamPolicy";
    case POLICY_PROJECT:
        return "resourcemanager.projects.getIamPolicy";
    case POLICY_FOLDER:
        return "resourcemanager.folders.getIamPolicy";
    case POLICY_ORGANIZATION:
        return "resourcemanager.organizations.getIamPolicy";
    case POLICY_ACCOUNT:
        return "iam.serviceAccounts.getIamPolicy";
    case POLICY_SECRET:
        return "secretmanager.secrets.getIamPolicy";
    case POLICY_TAG:
        return strncmp(resource, "tagKeys/", strlen("tagKeys/")) == 0
                   ? "resourcemanager.tagKeys.getIamPolicy"
                   : "resourcemanager.tagValues.getIamPolicy";
    case POLICY_DOOR:
        if (door_service(&call->arena, resource) != NULL) {
            return "iap.webServices.getIamPolicy";
        }
        return door_is(door_parent(&call->arena, resource)) ? "iap.webTypes.getIamPolicy"
                                                            : "iap.web.getIamPolicy";
    }
    return NULL;
}

/* CANDIDATE as it is before the policy is in the record. */
static void take_candidate(struct search *search, struct candidate *candidate)
{
    struct api_call *call = search->call;
    const char *constraint = search->policy->constraint;
    struct policy_doc *policy = &candidate->policy;
    if (!policy_doc_load(call->control->store, &call->arena, candidate->resource, policy, NULL)) {
        return;
    }
    for (size_t i = 0; i < policy->count; i++) {
        candidate->member_count += policy->bindings[i].member_count;
    }
    candidate->members_now = arena_array(&call->arena, bool, candidate->member_count);
    candidate->setting_now = "";
    if (candidate->doc != NULL) {
        json_incref(candidate->doc);
        candidate->setting_now =
            setting_refused(call, candidate->resource, candidate->doc, constraint);
    }
    orgpolicy_refused_members(call, candidate->resource, constraint, policy,
                              candidate->members_now);
    search->candidates[search->count++] = *candidate;
}

static bool collect_service(const struct store_doc *doc, void *ctx)
{
    struct search *search = ctx;
    struct api_call *call = search->call;
    struct candidate candidate = {.resource = arena_string(&call->arena, slice_of(doc->key)),
                                  .doc = doc->body};
    find_above(call, &candidate);
    if (!is_below(&candidate, search->policy->node) ||
        !may_know_service(call, candidate.resource)) {
        return true;
    }
    if (search->count == ORGPOLICY_PLAN_SERVICES_MAX) {
        search->policy->services_omitted++;
    } else {
        take_candidate(search, &candidate);
    }
    return true;
}

static bool collect_policy(const struct store_doc *doc, void *ctx)
{
    struct search *search = ctx;
    struct api_call *call = search->call;
    struct orgpolicy_plan *policy = search->policy;
    struct candidate candidate = {.resource = arena_string(&call->arena, slice_of(doc->key))};
    find_above(call, &candidate);
    if (policy_node_of(candidate.resource) == POLICY_SERVICE ||
        (strcmp(candidate.resource, policy->node) != 0 && !is_below(&candidate, policy->node)) ||
        !node_is_live(call->control, &call->arena, candidate.resource) ||
        !api_holds(call, policy_permission(call, candidate.resource), candidate.resource)) {
        return true;
    }
    if (search->count == policy->services_read + ORGPOLICY_PLAN_POLICIES_MAX) {
        policy->policies_omitted++;
    } else {
        take_candidate(search, &candidate);
    }
    return true;
}

/* Whether those whom the policy of RESOURCE lets in come to the service. Between a service and its
 * project are the levels of its door. */
static bool stands_before(struct api_call *call, const char *resource,
                          const struct candidate *service)
{
    if (!door_is(resource)) {
        return is_below(service, resource);
    }
    for (const char *door = door_of_service(&call->arena, service->resource); door_is(door);
         door = door_parent(&call->arena, door)) {
        if (strcmp(door, resource) == 0) {
            return true;
        }
    }
    return false;
}

static void find_services(const struct search *search, struct orgpolicy_breach *breach)
{
    struct arena *arena = &search->call->arena;
    size_t all = search->policy->services_read;
    breach->services = arena_array(arena, const char *, breach->is_service ? 1 : all);
    if (breach->is_service) {
        breach->services[breach->service_count++] = breach->resource;
        return;
    }
    for (size_t i = 0; i < all && breach->mendable; i++) {
        const struct candidate *service = &search->candidates[i];
        if (stands_before(search->call, breach->resource, service)) {
            breach->services[breach->service_count++] = service->resource;
        }
    }
}

static void judge(struct search *search)
{
    struct orgpolicy_plan *policy = search->policy;
    policy->breaches = arena_array(&search->call->arena, struct orgpolicy_breach, search->count);
    for (size_t i = 0; i < search->count; i++) {
        const struct candidate *candidate = &search->candidates[i];
        struct orgpolicy_breach *breach = &policy->breaches[policy->count];
        *breach = (struct orgpolicy_breach){.resource = candidate->resource,
                                            .is_service = candidate->doc != NULL,
                                            .violations = json_array(),
                                            .plan = {.resource = candidate->resource}};
        judge_setting(search->call, candidate, policy->constraint, breach);
        judge_members(search->call, candidate, policy->constraint, breach);
        if (json_array_size(breach->violations) > 0) {
            find_services(search, breach);
            policy->count++;
        } else {
            json_decref(breach->violations);
        }
    }
}

static bool collect(struct search *search, struct error *err)
{
    struct store *store = search->call->control->store;
    bool good = store_each(store, STORE_SERVICE, "", collect_service, search, err);
    search->policy->services_read = search->count;
    good = good && store_each(store, STORE_POLICY, "", collect_policy, search, err);
    search->policy->policies_read = search->count - search->policy->services_read;
    return good;
}

bool orgpolicy_plan_find(struct api_call *call, struct orgpolicy_plan *policy, struct error *err)
{
    struct store *store = call->control->store;
    struct search search = {
        .call = call,
        .policy = policy,
        .candidates = arena_array(&call->arena, struct candidate,
                                  ORGPOLICY_PLAN_SERVICES_MAX + ORGPOLICY_PLAN_POLICIES_MAX)};
    const char *key = orgpolicy_key(&call->arena, policy->node, policy->constraint);
    bool good = collect(&search, err) && store_begin(store, err);
    if (good) {
        good = store_put(store, STORE_ORGPOLICY, key, policy->body, NULL, NULL, err);
        if (good) {
            judge(&search);
        }
        store_rollback(store);
    }
    for (size_t i = 0; i < search.count; i++) {
        json_decref(search.candidates[i].doc);
        policy_doc_done(&search.candidates[i].policy);
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
