/* What the two forms of organization policies share: finding, listing, and what a constraint is. */
#pragma once

#include "control/call/call.h"
#include "policy/orgpolicy.h"

/* The constraint NAME as NODE knows it. UNKNOWN, and a sentence, if it does not. */
bool orgpolicy_find(struct api_call *call, const char *node, const char *name, enum status unknown,
                    const struct orgpolicy_constraint **out, struct error *err);
/* The policy for NAME that is set on NODE, whose body is then the caller's. *err only if the record
 * fails. */
enum store_result orgpolicy_load(struct api_call *call, const char *node, const char *name,
                                 struct store_doc *out, struct error *err);
/* What both forms say of a constraint. FULL is its name there. Owned by the caller. */
json_t *orgpolicy_constraint_form(const char *full, const struct orgpolicy_constraint *constraint);

/*
 * Answer with a page of what is set on the node of the call's path, or of the constraints there
 * are. OTHER is a permission that does as well as that to list; NULL if none does. FORM gives one
 * as its API shows it, or NULL if that has no form for it.
 */
void orgpolicy_reply_policies(struct api_call *call,
                              json_t *(*form)(struct api_call *call, const char *node,
                                              const struct store_doc *doc));
void orgpolicy_reply_constraints(struct api_call *call,
                                 json_t *(*form)(struct api_call *call, const char *node,
                                                 const struct orgpolicy_constraint *constraint));
