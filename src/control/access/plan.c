#include "control/access/plan.h"

#include "base/clock.h"
#include "control/access/explain.h"
#include "control/publish/publish.h"
#include "control/record/door.h"
#include "control/record/policy_doc.h"
#include "control/record/resource_tree.h"
#include "control/record/roles.h"
#include "control/record/service_view.h"

enum { ROWS_MAX = 500 };

/* ---- the policy that would be ---- */

/* The grants of PERMISSION that a policy makes. */
struct grants {
    struct what_if_grant *items;
    size_t count;
    bool read_path;
};

static bool grants_of(struct api_call *call, const json_t *policy, const char *field,
                      struct slice permission, struct grants *out, struct error *err)
{
    struct arena *arena = &call->arena;
    struct binding *bindings;
    size_t count, total = 0;
    if (!policy_doc_bindings(arena, policy, field, &bindings, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        total += bindings[i].member_count;
    }
    *out = (struct grants){.items = arena_array(arena, struct what_if_grant, total)};
    for (size_t i = 0; i < count; i++) {
        struct slice program = SLICE_NONE;
        const struct condition *condition = &bindings[i].condition;
        if (condition->expression.len > 0 &&
            !cel_compile(arena, condition->expression, &program, err)) {
            return false;
        }
        if (!role_gives(call->control->store, bindings[i].role, permission)) {
            continue;
        }
        out->read_path = out->read_path || (program.len > 0 && cel_reads_path(program));
        for (size_t k = 0; k < bindings[i].member_count; k++) {
            struct member member;
            if (!member_parse(arena, bindings[i].members[k], &member, err)) {
                return false;
            }
            out->items[out->count++] = (struct what_if_grant){
                .member = member.text,
                .grant = {.role = bindings[i].role, .program = program, .title = condition->title}};
        }
    }
    what_if_sort(out->items, out->count);
    return true;
}

bool plan_policy(struct api_call *call, const json_t *policy, struct plan *plan, struct error *err)
{
    struct grants grants;
    if (!grants_of(call, policy, "policy", SLICE("run.routes.invoke"), &grants, err)) {
        return false;
    }
    plan->sets_policy = true;
    plan->grants = grants.items;
    plan->grant_count = grants.count;
    plan->reads_path = plan->reads_path || grants.read_path;
    return true;
}

bool plan_door_policy(struct api_call *call, const json_t *policy, struct plan *plan,
                      struct error *err)
{
    struct grants grants;
    if (!grants_of(call, policy, "iapPolicy", SLICE("iap.webServiceVersions.accessViaIAP"), &grants,
                   err)) {
        return false;
    }
    plan->sets_door_policy = true;
    plan->door_grants = grants.items;
    plan->door_grant_count = grants.count;
    plan->reads_path = plan->reads_path || grants.read_path;
    return true;
}

static bool policy_reads_path(struct api_call *call, const char *resource)
{
    auto_policy policy = {0};
    bool reads = false;
    if (!policy_doc_load(call->control->store, &call->arena, resource, &policy, NULL)) {
        return true;
    }
    for (size_t i = 0; i < policy.count && !reads; i++) {
        struct slice program = policy.bindings[i].condition.program;
        reads = program.len > 0 && cel_reads_path(program);
    }
    return reads;
}

bool plan_reads_path(struct api_call *call, const struct plan *plan)
{
    const char *node = plan->resource;
    bool reads = plan->reads_path;
    do {
        reads = reads || policy_reads_path(call, node);
    } while (!reads && resource_parent(call->control->store, &call->arena, node, &node));
    /* The door's own levels end in the project, which was looked at. */
    for (node = door_of_service(&call->arena, plan->resource); !reads && door_is(node);
         node = door_parent(&call->arena, node)) {
        reads = policy_reads_path(call, node);
    }
    return reads;
}

/* ---- one decision, twice ---- */

struct judge {
    struct api_call *call;
    const struct plan *plan;
    struct what_if *now, *then;
    const char *url;
    int64_t now_us;
};

static enum network network_of(struct slice name)
{
    return slice_is(name, "internal")        ? NETWORK_INSIDE
           : slice_is(name, "load-balancer") ? NETWORK_LOAD_BALANCER
                                             : NETWORK_OUTSIDE;
}

/* The request that DECISION was about, with a caller as well as they are known. */
static void request_of(const struct judge *judge, struct arena *arena,
                       const struct decision *decision, struct facts_request *out)
{
    struct member *member = arena_new(arena, struct member);
    *out = (struct facts_request){
        .method = SLICE("GET"),
        .authority = decision->host,
        .target = decision->path,
        .strict_paths = judge->call->control->settings.strict_paths != 0,
        .network = network_of(decision->network),
        .now_us = judge->now_us,
    };
    if (decision->principal.len > 0 && member_parse(arena, decision->principal, member, NULL)) {
        explain_imagine(judge->call->control, arena, member, slice_of(judge->url), out);
    } else if (decision->bad_credential) {
        out->credential =
            (struct credential_lines){.authorization_count = 1, .authorization = SLICE("Bearer -")};
    }
}

static struct verdict ask(struct what_if *world, struct arena *arena,
                          const struct facts_request *request)
{
    struct facts facts;
    world->lookup.arena = arena;
    facts_gather(&world->table, world, arena, request, &facts);
    return policy_decide(&facts.ladder);
}

static json_t *row_of(const struct decision *decision, struct verdict before, struct verdict after)
{
    json_t *row =
        json_pack("{s:o, s:o, s:o, s:I, s:o, s:s, s:s}", "who",
                  decision->principal.len > 0 ? json_slice(decision->principal)
                  : decision->bad_credential ? json_string("(a credential that cannot be believed)")
                                             : json_string("(no identity was looked at)"),
                  "host", json_slice(decision->host), "path", json_slice(decision->path),
                  "requests", (json_int_t)decision->count, "last", json_slice(decision->last),
                  "before", rung_name(before.rung), "after", rung_name(after.rung));
    if (decision->network.len > 0) {
        json_object_set_new(row, "network", json_slice(decision->network));
    }
    return row;
}

static void set_change(const struct plan *plan, uint64_t service_id, struct what_if *then)
{
    then->service_id = service_id;
    then->sets_check = plan->sets_check;
    then->check_off = plan->check_off;
    then->sets_ingress = plan->sets_ingress;
    then->ingress = plan->ingress;
    then->policy_node = plan->policy_node;
    then->replaces = plan->sets_policy;
    then->grants = plan->grants;
    then->grant_count = plan->grant_count;
    then->replaces_at_door = plan->sets_door_policy;
    then->door_grants = plan->door_grants;
    then->door_grant_count = plan->door_grant_count;
}

/* The door that the service would have: the index has the nodes that it hangs on. */
static const struct index_door *door_then(struct api_call *call, const struct plan *plan,
                                          const struct service_view *view, uint64_t service_id)
{
    struct index_service *service = arena_new(&call->arena, struct index_service);
    struct index_door *door = arena_new(&call->arena, struct index_door);
    struct error ignored;
    if (!plan->sets_door || !index_reader_service(call->control->published, service_id, service)) {
        return NULL;
    }
    *door = (struct index_door){0};
    return !plan->door_on ||
                   publish_door_of(call->control->store, &call->arena, plan->resource, view,
                                   service->nodes, service->node_count, door, &ignored)
               ? door
               : NULL;
}

static uint64_t service_id_of(struct api_call *call, const char *resource)
{
    auto_doc doc = {0};
    if (store_get(call->control->store, STORE_SERVICE, resource, &doc, NULL) != STORE_FOUND) {
        return 0;
    }
    return doc.id;
}

/* Whether a stranger from outside would be let in. */
static bool is_public(const struct judge *judge, struct what_if *world, struct slice host)
{
    auto_arena arena = {0};
    const struct facts_request stranger = {
        .method = SLICE("GET"), .authority = host, .target = SLICE("/"), .now_us = judge->now_us};
    return ask(world, &arena, &stranger).allowed;
}

json_t *plan_judge(struct api_call *call, const struct plan *plan,
                   const struct decisions *decisions)
{
    struct control *control = call->control;
    struct service_view view;
    struct judge judge = {.call = call,
                          .plan = plan,
                          .now = arena_new(&call->arena, struct what_if),
                          .then = arena_new(&call->arena, struct what_if),
                          .url = "",
                          .now_us = clock_wall_us()};
    uint64_t same = 0, gained = 0, lost = 0;
    struct slice host = SLICE("");
    json_t *gains = json_array(), *loses = json_array();
    if (service_view_find(control, &call->arena, plan->resource, &view)) {
        judge.url = arena_string(&call->arena, service_url(&call->arena, &view, SLICE("")));
        host = service_host(&call->arena, &view, SLICE_NONE);
    }
    what_if_init(judge.now, control->published, &call->arena);
    what_if_init(judge.then, control->published, &call->arena);
    uint64_t service_id = service_id_of(call, plan->resource);
    set_change(plan, service_id, judge.then);
    index_reader_renew(control->published);
    if (host.len > 0) {
        judge.then->door = door_then(call, plan, &view, service_id);
    }
    for (size_t i = 0; i < decisions->count; i++) {
        const struct decision *decision = &decisions->items[i];
        auto_arena arena = {0};
        struct facts_request request;
        request_of(&judge, &arena, decision, &request);
        struct verdict before = ask(judge.now, &arena, &request);
        struct verdict after = ask(judge.then, &arena, &request);
        json_t *rows = after.allowed ? gains : loses;
        if (before.allowed == after.allowed) {
            same += decision->count;
            continue;
        }
        *(after.allowed ? &gained : &lost) += decision->count;
        if (json_array_size(rows) < ROWS_MAX) {
            json_array_append_new(rows, row_of(decision, before, after));
        }
    }
    bool public_now = is_public(&judge, judge.now, host);
    bool public_then = is_public(&judge, judge.then, host);
    index_reader_release(control->published);
    return json_pack(
        "{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:b, s:b}", "resource", plan->resource,
        "gains", gains, "loses", loses, "requestsGained", (json_int_t)gained, "requestsLost",
        (json_int_t)lost, "requestsUnchanged", (json_int_t)same, "requestsRead",
        (json_int_t)decisions->lines, "requestsOmitted", (json_int_t)decisions->omitted, "since",
        json_slice(decisions->since), "publicBefore", public_now, "publicAfter", public_then);
}
