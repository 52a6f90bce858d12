/* One question to organization policy about one resource: for the files that guard doors. */
#pragma once

#include "control/record/tags.h"

/* A constraint that says no. */
struct orgpolicy_violation {
    const struct orgpolicy_constraint *constraint;
    const char *name;        /* of custom ones too */
    const char *node;        /* that the policy is set on; NULL: the default */
    const char *text;        /* legacy constraints: the sentence */
    const char *subject;     /* of PreconditionFailure; NULL if the family has none */
    const char *detail;      /* its description; NULL: the sentence */
    const char *description; /* managed and custom ones: what stands in the brackets */
};

enum { ORGPOLICY_VIOLATIONS_MAX = 64 };

struct orgpolicy_ask {
    struct control *control;
    struct arena *arena;
    const char *resource; /* store key */
    struct tag_set tags;
    struct cel_env env;
    bool dry_run; /* asks the dryRunSpec of policies instead */
    struct orgpolicy_violation found[ORGPOLICY_VIOLATIONS_MAX];
    size_t count;
};

/* In ARENA. NULL if the record fails. */
struct orgpolicy_ask *orgpolicy_ask_new(struct control *control, struct arena *arena,
                                        const char *resource, struct error *err);
void orgpolicy_ask_add(struct orgpolicy_ask *ask, struct orgpolicy_violation violation);

/* What each constraint says of a service as it would be: DOC in the words of model/service.h.
 * False if the record fails. */
bool orgpolicy_ask_service(struct orgpolicy_ask *ask, const char *method, const json_t *doc,
                           struct error *err);

/* The same of one value that the list constraint NAME is about. */
bool orgpolicy_ask_value(struct orgpolicy_ask *ask, const char *name, struct slice value,
                         struct error *err);

/* Whether nothing was found. Else *err says it all, with details for orgpolicy_fail(). */
bool orgpolicy_conclude(struct api_call *call, const struct orgpolicy_ask *ask, struct error *err);
/* Writes what a dry run found into the audit log, and nothing else. False if that fails. */
bool orgpolicy_note_dry_run(struct api_call *call, const struct orgpolicy_ask *ask,
                            struct error *err);
