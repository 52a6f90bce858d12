/*
 * Organization policies cannot be set yet (their methods answer 501), so no constraint is enforced:
 * each constraint has its default, which for all that are checked here is to allow.
 */
#include "control/orgpolicy.h"

bool orgpolicy_check_bindings(struct api_call *call, const char *resource,
                              const struct policy_doc *before, const struct binding *bindings,
                              size_t count, struct error *err)
{
    (void)call, (void)resource, (void)before, (void)bindings, (void)count, (void)err;
    return true;
}

bool orgpolicy_check_service(struct api_call *call, const char *resource, const char *method,
                             const json_t *doc, struct error *err)
{
    (void)call, (void)resource, (void)method, (void)doc, (void)err;
    return true;
}

bool orgpolicy_check_flag(struct api_call *call, const char *constraint, const char *resource,
                          struct error *err)
{
    (void)call, (void)constraint, (void)resource, (void)err;
    return true;
}

void orgpolicy_fail(struct api_call *call, const struct error *err)
{
    api_fail(call, err);
}
