/* What the questions of access share. */
#pragma once

#include "control/call/call.h"

/* Where the question stands: the body of a method that has one; NULL: in the query. */
const json_t *access_body(const struct api_call *call);
/* The text NAME of the question; NULL if it is absent. */
const char *access_asked(struct api_call *call, const char *name);

/* The service that the question names: "projects/P/locations/L/services/S", or a bare name in the
 * default place. It needs run.services.getIamPolicy. */
bool access_service(struct api_call *call, struct store_doc *out, struct error *err);

/*
 * Whether a condition says nothing but when a grant ends: `request.time < timestamp("T")`. *end_us
 * is T then, in microseconds since 1970.
 */
bool condition_ends(struct slice expression, int64_t *end_us);

/* access:explain (access_explain.c), and the fields of its body. */
void access_explain(struct api_call *call);
extern const struct field explain_fields[];

/* access:what (access_what.c). */
void access_what(struct api_call *call);

/* access:at (access_at.c). */
void access_at(struct api_call *call);

/* access:plan (access_plan.c), and the fields of its body. */
void access_plan(struct api_call *call);
/* The same of an organization policy, which stands in the body (access_plan_policy.c). */
void access_plan_policy(struct api_call *call);
extern const struct field plan_fields[];
