/*
 * `access:plan` of an organization policy. The doors are asked at once; then another thread reads
 * the requests of each service that would violate it, to say who would lose when it is mended.
 */
#include "control/api/access_inside.h"

#include <stdlib.h>

#include "control/access/orgpolicy_doc.h"
#include "control/access/orgpolicy_plan.h"
#include "control/api/orgpolicy_v2.h"
#include "model/resource_name.h"

enum { PLANS_MAX = 2 };

struct reading {
    uv_work_t work;
    struct api_call *call;
    struct orgpolicy_plan policy;
    struct decisions_wanted wanted[ORGPOLICY_PLAN_JUDGED_MAX];
    struct decisions decisions[ORGPOLICY_PLAN_JUDGED_MAX];
    size_t of[ORGPOLICY_PLAN_JUDGED_MAX]; /* which breach */
    size_t count;
};

/* Control is one thread: no locks. */
static unsigned readings;

static void run(uv_work_t *work)
{
    struct reading *reading = work->data;
    for (size_t i = 0; i < reading->count; i++) {
        decisions_read(&reading->wanted[i], &reading->decisions[i]);
    }
}

/* What the change that ends the violation is, in words. */
static json_t *mending_of(const struct plan *plan)
{
    static const char *const ingress[] = {[INGRESS_ALL] = "all",
                                          [INGRESS_INTERNAL_AND_LB] =
                                              "internal-and-cloud-load-balancing",
                                          [INGRESS_INTERNAL] = "internal",
                                          [INGRESS_NONE] = "none"};
    json_t *out = json_object();
    if (plan->sets_check) {
        json_object_set_new(out, "invokerIamDisabled", json_boolean(plan->check_off));
    }
    if (plan->sets_ingress) {
        json_object_set_new(out, "ingress", json_string(ingress[plan->ingress]));
    }
    if (plan->sets_policy) {
        json_object_set_new(out, "members", json_string("without those that are named"));
    }
    return out;
}

static json_t *breach_json(struct reading *reading, size_t number)
{
    const struct orgpolicy_breach *breach = &reading->policy.breaches[number];
    json_t *row =
        json_pack("{s:s, s:O}", "resource", breach->resource, "violations", breach->violations);
    for (size_t i = 0; i < reading->count; i++) {
        if (reading->of[i] != number) {
            continue;
        }
        auto_json *judged = plan_judge(reading->call, &breach->plan, &reading->decisions[i]);
        static const char *const taken[] = {
            "gains",        "loses",           "requestsGained", "requestsLost",
            "requestsRead", "requestsOmitted", "since",          "requestsUnchanged"};
        json_t *mended = mending_of(&breach->plan);
        for (size_t k = 0; k < sizeof(taken) / sizeof(taken[0]); k++) {
            json_object_set(mended, taken[k], json_object_get(judged, taken[k]));
        }
        json_object_set_new(row, "mended", mended);
    }
    return row;
}

static json_t *answer_of(struct reading *reading)
{
    struct api_call *call = reading->call;
    const struct orgpolicy_plan *policy = &reading->policy;
    json_t *services = json_array();
    for (size_t i = 0; i < policy->count; i++) {
        json_array_append_new(services, breach_json(reading, i));
    }
    const char *node = orgpolicy_public_node(call->control, &call->arena, policy->node);
    return json_pack("{s:s, s:[], s:[], s:o, s:I, s:I}", "policy",
                     orgpolicy_key(&call->arena, node, policy->constraint), "gains", "loses",
                     "services", services, "servicesRead", (json_int_t)policy->looked_at,
                     "servicesOmitted", (json_int_t)policy->omitted);
}

static void finish(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    struct api_call *call = reading->call;
    bool left = call->exchange == NULL;
    json_t *answer = left || status != 0 ? NULL : answer_of(reading);
    readings--;
    orgpolicy_plan_done(&reading->policy);
    for (size_t i = 0; i < reading->count; i++) {
        decisions_done(&reading->decisions[i]);
    }
    free(reading);
    if (left) {
        api_end(call);
    } else if (answer == NULL) {
        struct error err;
        error_set(&err, STATUS_UNAVAILABLE, "The logs could not be read: ask again.");
        api_fail(call, &err);
    } else {
        api_reply(call, answer);
    }
}

/* The services whose mending can be judged by their requests. */
static void choose(struct reading *reading)
{
    struct api_call *call = reading->call;
    for (size_t i = 0; i < reading->policy.count && reading->count < ORGPOLICY_PLAN_JUDGED_MAX;
         i++) {
        const struct orgpolicy_breach *breach = &reading->policy.breaches[i];
        struct resource_name name;
        if (!breach->mendable ||
            !resource_name_read(&call->arena, slice_of(breach->resource), &name)) {
            continue;
        }
        reading->of[reading->count] = i;
        reading->wanted[reading->count++] = (struct decisions_wanted){
            .folder = settings_path(&call->control->settings, &call->arena, "log"),
            .project = name.project,
            .region = name.location,
            .service = name.service,
            .with_path = plan_reads_path(call, &breach->plan)};
    }
}

void access_plan_policy(struct api_call *call)
{
    struct error err = {0};
    struct orgpolicy_plan policy = {0};
    struct reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL) {
        abort();
    }
    if (readings >= PLANS_MAX) {
        error_set(&err, STATUS_RESOURCE_EXHAUSTED,
                  "%d plans are being made: ask again in a moment.", PLANS_MAX);
    } else if (orgpolicy_v2_read(call, json_object_get(call->body, "organizationPolicy"),
                                 &policy.node, &policy.constraint, &policy.body, &err) &&
               orgpolicy_plan_find(call, &policy, &err)) {
        *reading = (struct reading){.call = call, .policy = policy};
        choose(reading);
        reading->work.data = reading;
        if (uv_queue_work(call->control->loop, &reading->work, run, finish) == 0) {
            readings++;
            return;
        }
        error_set(&err, STATUS_UNAVAILABLE, "The logs could not be read: ask again.");
    }
    orgpolicy_plan_done(&policy);
    free(reading);
    api_fail(call, &err);
}
