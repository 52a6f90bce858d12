/*
 * `access:plan`: who would gain and who would lose by a change, before it is made. The logs are
 * read by another thread, since they are long; then the decisions are judged at once.
 */
#include "control/api/access_inside.h"

#include <stdlib.h>

#include "base/memory.h"
#include "control/access/orgpolicy.h"
#include "control/access/plan.h"
#include "control/record/door.h"
#include "model/resource_name.h"
#include "model/service_type.h"

enum { PLANS_MAX = 4 };

const struct field plan_fields[] = {
    {.name = "resource", .kind = FIELD_STRING},
    {.name = "policy", .kind = FIELD_OBJECT, .fields = policy_doc_fields},
    {.name = "invokerIamDisabled", .kind = FIELD_BOOL},
    {.name = "ingress", .kind = FIELD_STRING},
    {.name = "iapEnabled", .kind = FIELD_BOOL},
    {.name = "iapPolicy", .kind = FIELD_OBJECT, .fields = policy_doc_fields},
    {.name = "organizationPolicy", .kind = FIELD_ANY}, /* alone: orgpolicy_v2.c knows its fields */
    {0},
};

/* One that is being read for. */
struct reading {
    uv_work_t work;
    struct api_call *call;
    struct plan plan;
    struct decisions_wanted wanted;
    struct decisions decisions;
    json_t *says; /* organization policy */
};

/* Control is one thread: no locks. */
static unsigned readings;

static void run(uv_work_t *work)
{
    struct reading *reading = work->data;
    decisions_read(&reading->wanted, &reading->decisions);
}

static void finish(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    struct api_call *call = reading->call;
    readings--;
    if (call->exchange == NULL) {
        json_decref(reading->says);
        api_end(call);
    } else if (status != 0) {
        struct error err;
        json_decref(reading->says);
        error_set(&err, STATUS_UNAVAILABLE, "The logs could not be read: ask again.");
        api_fail(call, &err);
    } else {
        json_t *answer = plan_judge(call, &reading->plan, &reading->decisions);
        json_object_set_new(answer, "organizationPolicy", reading->says);
        api_reply(call, answer);
    }
    decisions_done(&reading->decisions);
    free(reading);
}

static bool ingress_read(const json_t *body, struct plan *plan, struct error *err)
{
    static const struct {
        const char *name;
        enum ingress_setting ingress;
    } names[] = {
        {"INGRESS_TRAFFIC_ALL", INGRESS_ALL},
        {"INGRESS_TRAFFIC_INTERNAL_ONLY", INGRESS_INTERNAL},
        {"INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", INGRESS_INTERNAL_AND_LB},
        {"INGRESS_TRAFFIC_NONE", INGRESS_NONE},
    };
    const char *text = json_text(body, "ingress");
    for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            plan->sets_ingress = true;
            plan->ingress = names[i].ingress;
            return true;
        }
    }
    return text == NULL || error_field(err, "ingress", "'%.60s' is no ingress setting.", text);
}

static bool plan_read(struct api_call *call, struct plan *plan, struct error *err)
{
    const json_t *policy = json_object_get(call->body, "policy");
    const json_t *check = json_object_get(call->body, "invokerIamDisabled");
    const json_t *door = json_object_get(call->body, "iapEnabled");
    const json_t *door_policy = json_object_get(call->body, "iapPolicy");
    plan->sets_check = check != NULL;
    plan->check_off = json_is_true(check);
    plan->sets_door = door != NULL;
    plan->door_on = json_is_true(door);
    if (!ingress_read(call->body, plan, err) ||
        (policy != NULL && !plan_policy(call, policy, plan, err)) ||
        (door_policy != NULL && !plan_door_policy(call, door_policy, plan, err))) {
        return false;
    }
    return plan->sets_check || plan->sets_ingress || plan->sets_policy || plan->sets_door ||
           plan->sets_door_policy ||
           error_field(err, "policy",
                       "A plan is of a policy, of invokerIamDisabled, of ingress, of iapEnabled or "
                       "of iapPolicy.");
}

/* What organization policy says to BINDINGS (JSON, of the field FIELD) on RESOURCE. */
static bool policy_allows_bindings(struct api_call *call, const char *resource, const char *field,
                                   struct error *err)
{
    auto_policy before = {0};
    struct binding *bindings;
    size_t count;
    if (!policy_doc_load(call->control->store, &call->arena, resource, &before, err)) {
        return false;
    }
    return policy_doc_bindings(&call->arena, json_object_get(call->body, field), field, &bindings,
                               &count, err) &&
           orgpolicy_would_bind(call, resource, &before, bindings, count, err);
}

/* What organization policy says to the whole change. */
static bool policy_allows(struct api_call *call, const struct plan *plan, const json_t *service,
                          struct error *err)
{
    if ((plan->sets_policy && !policy_allows_bindings(call, plan->resource, "policy", err)) ||
        (plan->sets_door_policy &&
         !policy_allows_bindings(call, door_of_service(&call->arena, plan->resource), "iapPolicy",
                                 err))) {
        return false;
    }
    if (!plan->sets_check && !plan->sets_ingress && !plan->sets_door) {
        return true;
    }
    static const enum service_ingress ingress[] = {
        [INGRESS_ALL] = SERVICE_INGRESS_ALL,
        [INGRESS_INTERNAL_AND_LB] = SERVICE_INGRESS_INTERNAL_LOAD_BALANCER,
        [INGRESS_INTERNAL] = SERVICE_INGRESS_INTERNAL_ONLY,
        [INGRESS_NONE] = SERVICE_INGRESS_NONE,
    };
    struct service *wish = service_from_doc(&call->arena, service);
    wish->invoker_iam_disabled = plan->sets_check ? plan->check_off : wish->invoker_iam_disabled;
    wish->ingress = plan->sets_ingress ? ingress[plan->ingress] : wish->ingress;
    wish->iap_enabled = plan->sets_door ? plan->door_on : wish->iap_enabled;
    auto_json *wished = service_to_doc(wish);
    return orgpolicy_would_update(call, plan->resource, wished, err);
}

static void begin(struct api_call *call, const struct plan *plan, json_t *says)
{
    struct error err;
    struct resource_name name;
    struct reading *reading = mem_new(struct reading);
    resource_name_read(&call->arena, slice_of(plan->resource), &name);
    *reading = (struct reading){
        .call = call,
        .plan = *plan,
        .says = says,
        .wanted = {.folder = settings_path(&call->control->settings, &call->arena, "log"),
                   .project = name.project,
                   .region = name.location,
                   .service = name.service,
                   .with_path = plan_reads_path(call, plan)},
    };
    reading->work.data = reading;
    if (readings < PLANS_MAX &&
        uv_queue_work(call->control->loop, &reading->work, run, finish) == 0) {
        readings++;
        return;
    }
    json_decref(says);
    free(reading);
    error_set(&err, STATUS_RESOURCE_EXHAUSTED, "%d plans are being made: ask again in a moment.",
              PLANS_MAX);
    api_fail(call, &err);
}

void access_plan(struct api_call *call)
{
    struct error err = {0};
    auto_doc doc = {0};
    struct plan plan = {0};
    if (json_object_get(call->body, "organizationPolicy") != NULL) {
        if (json_object_size(call->body) == 1) {
            access_plan_policy(call);
            return;
        }
        error_field(&err, "organizationPolicy",
                    "A plan of an organization policy is of nothing else.");
        api_fail(call, &err);
        return;
    }
    if (!access_service(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    plan.resource = arena_string(&call->arena, slice_of(doc.key));
    const char *project = arena_printf(&call->arena, "projects/%.*s",
                                       (int)strcspn(doc.key + strlen("projects/"), "/"),
                                       doc.key + strlen("projects/"));
    const char *door = door_of_service(&call->arena, plan.resource);
    if (!api_allowed(call, "logging.logEntries.list", project, &err) ||
        (json_object_get(call->body, "iapPolicy") != NULL &&
         !api_allowed(call, "iap.webServices.getIamPolicy", door, &err)) ||
        !plan_read(call, &plan, &err)) {
        api_fail(call, &err);
        return;
    }
    bool may = policy_allows(call, &plan, doc.body, &err);
    json_t *says = json_pack("{s:b}", "allowed", may);
    if (!may) {
        json_object_set_new(says, "text", json_slice(slice_of(err.text)));
    }
    begin(call, &plan, says);
}
