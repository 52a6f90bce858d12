/*
 * What an organization policy would forbid of what is there. It is asked when something changes, so
 * that it refuses no request at once: what it would do is said in the services that violate it, in
 * the change of each that would end that, and in who would lose by that change.
 */
#pragma once

#include "control/access/plan.h"

enum { ORGPOLICY_PLAN_SERVICES_MAX = 1000, ORGPOLICY_PLAN_JUDGED_MAX = 20 };

/* One service that would violate the policy. */
struct orgpolicy_breach {
    const char *resource;
    json_t *violations; /* [{"what", "now"}]: NOW where it is violated already */
    bool mendable;      /* PLAN is what ends it */
    struct plan plan;   /* with its resource */
};

struct orgpolicy_plan {
    const char *node, *constraint; /* store key of what it is set on; "run.allowedIngress" */
    json_t *body;                  /* as the record would have it */
    struct orgpolicy_breach *breaches;
    size_t count;
    size_t looked_at,
        omitted; /* services that CALL's caller may know of, and those over the maximum */
};

/*
 * Finds them, with BODY in the record for the time of the question alone. Only services whose
 * settings, policy and requests the caller may read. False if the record fails.
 * orgpolicy_plan_done() in any case.
 */
bool orgpolicy_plan_find(struct api_call *call, struct orgpolicy_plan *policy, struct error *err);
void orgpolicy_plan_done(struct orgpolicy_plan *policy);
