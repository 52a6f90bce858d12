/*
 * What a change of access would do, before it is made: recorded decisions are judged anew, by the
 * gate's own gatherer and ladder, over the index as it is and over the index with the change in it.
 */
#pragma once

#include "control/access/decisions.h"
#include "control/call/call.h"
#include "lookup/what_if.h"

struct plan {
    const char *resource; /* of the service */
    bool sets_check, check_off;
    bool sets_ingress;
    enum ingress_setting ingress;
    uint64_t policy_node; /* whose policies the two are: publish_grants_node(); 0: the service's */
    bool sets_policy;
    struct what_if_grant *grants; /* of the policy */
    size_t grant_count;
    bool sets_door, door_on;
    bool sets_door_policy;
    struct what_if_grant *door_grants;
    size_t door_grant_count;
    bool reads_path; /* a condition, as it is or as it would be, asks for the path */
};

/* Makes the grants of POLICY (JSON) for the plan. INVALID_ARGUMENT if it is none. */
bool plan_policy(struct api_call *call, const json_t *policy, struct plan *plan, struct error *err);
/* The same of the policy of the service's door. */
bool plan_door_policy(struct api_call *call, const json_t *policy, struct plan *plan,
                      struct error *err);

/* Whether conditions of the policies that hold now ask for the path. */
bool plan_reads_path(struct api_call *call, const struct plan *plan);

/* {"gains", "loses", "unchanged", "requests", "since", …} of what was recorded. */
json_t *plan_judge(struct api_call *call, const struct plan *plan,
                   const struct decisions *decisions);
