/*
 * The doors that organization policy guards: each change of access asks here before it is made.
 * A refusal is 400 FAILED_PRECONDITION in the form of the constraint's family
 * (policy/orgpolicy_text.c).
 */
#pragma once

#include "control/call/call.h"
#include "control/record/policy_doc.h"

/* Members that a policy would newly bind. */
bool orgpolicy_check_bindings(struct api_call *call, const char *resource,
                              const struct policy_doc *before, const struct binding *bindings,
                              size_t count, struct error *err);
/* A service as it would be. METHOD: "CreateService", "ReplaceService", "UpdateService". DOC: in the
 * words of model/service.h. */
bool orgpolicy_check_service(struct api_call *call, const char *resource, const char *method,
                             const json_t *doc, struct error *err);
/* The same questions of changes that nobody makes yet: nothing is written into the audit log. The
 * second is of an update. */
bool orgpolicy_would_bind(struct api_call *call, const char *resource,
                          const struct policy_doc *before, const struct binding *bindings,
                          size_t count, struct error *err);
bool orgpolicy_would_update(struct api_call *call, const char *resource, const json_t *doc,
                            struct error *err);
/* Which members of POLICY could not be bound on RESOURCE, were they not there, because of
 * CONSTRAINT: a flag for each, in the order of the policy. The number of those that could not. */
size_t orgpolicy_refused_members(struct api_call *call, const char *resource,
                                 const char *constraint, const struct policy_doc *policy,
                                 bool *out);
/* Creation of keys and accounts, by the legacy constraint, whose managed twin is asked as well.
 * CONSTRAINT "iam.disableServiceAccountKeyCreation". */
bool orgpolicy_check_flag(struct api_call *call, const char *constraint, const char *resource,
                          struct error *err);
/* One value of the list constraint CONSTRAINT, on RESOURCE. */
bool orgpolicy_check_value(struct api_call *call, const char *constraint, const char *resource,
                           struct slice value, struct error *err);
/* Answers *err, with the details that the refusing check left with the call, if it was one of
 * these. */
void orgpolicy_fail(struct api_call *call, const struct error *err);

/* Whether access tokens of the account EMAIL, store key RESOURCE, may live for up to twelve hours
 * (iam.allowServiceAccountCredentialLifetimeExtension). */
bool orgpolicy_extends_lifetime(struct api_call *call, const char *resource, const char *email);
/* Whether default service accounts below NODE are made without roles. */
bool orgpolicy_withholds_default_roles(struct control *control, struct arena *arena,
                                       const char *node);
