/*
 * `access:plan` of an organization policy. The doors are asked at once; then another thread reads
 * the requests of the services that the violations concern, to say who would lose when they end.
 */
#include "control/api/access_inside.h"

#include <stdlib.h>

#include "base/memory.h"
#include "control/access/orgpolicy_doc.h"
#include "control/access/orgpolicy_plan.h"
#include "control/api/orgpolicy_v2.h"
#include "model/resource_name.h"

enum { PLANS_MAX = 2 };

/* The requests of one service, by which the end of one breach is judged. */
struct judged {
    size_t breach;
    struct plan plan;
    struct decisions_wanted wanted;
    struct decisions decisions;
};

struct reading {
    uv_work_t work;
    struct api_call *call;
    struct orgpolicy_plan policy;
    struct judged judged[ORGPOLICY_PLAN_JUDGED_MAX];
    size_t count;
};

/* Control is one thread: no locks. */
static unsigned readings;

static void run(uv_work_t *work)
{
    struct reading *reading = work->data;
    for (size_t i = 0; i < reading->count; i++) {
        decisions_read(&reading->judged[i].wanted, &reading->judged[i].decisions);
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
    json_t *out = json_pack("{s:[], s:[]}", "gains", "loses");
    if (plan->sets_check) {
        json_object_set_new(out, "invokerIamDisabled", json_boolean(plan->check_off));
    }
    if (plan->sets_ingress) {
        json_object_set_new(out, "ingress", json_string(ingress[plan->ingress]));
    }
    if (plan->sets_door) {
        json_object_set_new(out, "iapEnabled", json_boolean(plan->door_on));
    }
    if (plan->sets_policy || plan->sets_door_policy) {
        json_object_set_new(out, "members", json_string("without those that are named"));
    }
    return out;
}

static void add_number(json_t *sums, const char *name, const json_t *more)
{
    json_object_set_new(
        sums, name,
        json_integer((json_int_t)(json_number(sums, name, 0) + json_number(more, name, 0))));
}

/* What the requests of one service more say of the change that ends a breach. */
static void add_judged(json_t *mended, const json_t *judged)
{
    static const char *const numbers[] = {"requestsGained", "requestsLost", "requestsRead",
                                          "requestsOmitted", "requestsUnchanged"};
    static const char *const lists[] = {"gains", "loses"};
    const char *since = json_text_or(judged, "since", "");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        add_number(mended, numbers[i], judged);
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        json_array_extend(json_object_get(mended, lists[i]), json_object_get(judged, lists[i]));
    }
    const char *oldest = json_text_or(mended, "since", "");
    if (since[0] != '\0' && (oldest[0] == '\0' || strcmp(since, oldest) < 0)) {
        json_object_set_new(mended, "since", json_string(since));
    }
}

static json_t *breach_json(struct reading *reading, size_t number)
{
    const struct orgpolicy_breach *breach = &reading->policy.breaches[number];
    size_t judged_count = 0;
    json_t *row =
        json_pack("{s:s, s:O}", "resource", breach->resource, "violations", breach->violations);
    json_t *mended = breach->mendable ? mending_of(&breach->plan) : NULL;
    for (size_t i = 0; i < reading->count; i++) {
        const struct judged *one = &reading->judged[i];
        if (one->breach == number) {
            auto_json *judged = plan_judge(reading->call, &one->plan, &one->decisions);
            add_judged(mended, judged);
            judged_count++;
        }
    }
    if (mended != NULL) {
        json_object_set_new(mended, "servicesJudged", json_integer((json_int_t)judged_count));
        json_object_set_new(mended, "servicesConcerned",
                            json_integer((json_int_t)breach->service_count));
        json_object_set_new(row, "mended", mended);
    }
    return row;
}

static json_t *answer_of(struct reading *reading)
{
    struct api_call *call = reading->call;
    const struct orgpolicy_plan *policy = &reading->policy;
    json_t *services = json_array(), *policies = json_array();
    for (size_t i = 0; i < policy->count; i++) {
        json_array_append_new(policy->breaches[i].is_service ? services : policies,
                              breach_json(reading, i));
    }
    const char *node = orgpolicy_public_node(call->control, &call->arena, policy->node);
    return json_pack(
        "{s:s, s:[], s:[], s:o, s:o, s:I, s:I, s:I, s:I}", "policy",
        orgpolicy_key(&call->arena, node, policy->constraint), "gains", "loses", "services",
        services, "policies", policies, "servicesRead", (json_int_t)policy->services_read,
        "servicesOmitted", (json_int_t)policy->services_omitted, "policiesRead",
        (json_int_t)policy->policies_read, "policiesOmitted", (json_int_t)policy->policies_omitted);
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
        decisions_done(&reading->judged[i].decisions);
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

static void choose_service(struct reading *reading, size_t breach, const char *service)
{
    struct api_call *call = reading->call;
    struct resource_name name;
    if (reading->count == ORGPOLICY_PLAN_JUDGED_MAX ||
        !resource_name_read(&call->arena, slice_of(service), &name)) {
        return;
    }
    struct judged *out = &reading->judged[reading->count++];
    *out = (struct judged){.breach = breach, .plan = reading->policy.breaches[breach].plan};
    out->plan.resource = service;
    out->wanted = (struct decisions_wanted){
        .folder = settings_path(&call->control->settings, &call->arena, "log"),
        .project = name.project,
        .region = name.location,
        .service = name.service,
        .with_path = plan_reads_path(call, &out->plan)};
}

/* The services whose requests are read, to judge what ends each breach. */
static void choose(struct reading *reading)
{
    for (size_t i = 0; i < reading->policy.count; i++) {
        const struct orgpolicy_breach *breach = &reading->policy.breaches[i];
        for (size_t k = 0; breach->mendable && k < breach->service_count; k++) {
            choose_service(reading, i, breach->services[k]);
        }
    }
}

void access_plan_policy(struct api_call *call)
{
    struct error err = {0};
    struct orgpolicy_plan policy = {0};
    struct reading *reading = mem_new(struct reading);
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
