/*
 * What an organization policy would forbid of what is there. It is asked when something changes, so
 * that it refuses no request at once: what it would do is said in the services and the allow
 * policies that violate it, in the change of each that would end that, and in who would lose by
 * that change.
 */
#pragma once

#include "control/access/plan.h"

enum {
    ORGPOLICY_PLAN_SERVICES_MAX = 1000,
    ORGPOLICY_PLAN_POLICIES_MAX = 1000, /* of what is no service */
    ORGPOLICY_PLAN_JUDGED_MAX = 20      /* services whose requests are read */
};

/* A service, or the allow policy of anything else, that would violate the policy. */
struct orgpolicy_breach {
    const char *resource;
    bool is_service;
    json_t *violations;    /* [{"what", "now"}]: NOW where it is violated already */
    bool mendable;         /* PLAN is what ends it */
    struct plan plan;      /* its resource is the service whose requests are judged */
    const char **services; /* that PLAN may concern: of a service, itself */
    size_t service_count;
};

struct orgpolicy_plan {
    const char *node, *constraint; /* store key of what it is set on; "run.allowedIngress" */
    json_t *body;                  /* as the record would have it */
    struct orgpolicy_breach *breaches;
    size_t count;
    /* Services, and other policies, that CALL's caller may know of, and those over the maximum. */
    size_t services_read, services_omitted, policies_read, policies_omitted;
};

/*
 * Finds them, with BODY in the record for the time of the question alone. Only services whose
 * settings, policy and requests the caller may read, and policies that the caller may read. False
 * if the record fails. orgpolicy_plan_done() in any case.
 */
bool orgpolicy_plan_find(struct api_call *call, struct orgpolicy_plan *policy, struct error *err);
void orgpolicy_plan_done(struct orgpolicy_plan *policy);
