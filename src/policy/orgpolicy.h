/*
 * Organization policy: which constraints there are, what a policy for one may say, what holds at a
 * node, and whether a value passes. Pure: policies, tags and times are arguments.
 */
#pragma once

#include "policy/cel.h"

enum orgpolicy_kind {
    ORGPOLICY_BOOLEAN, /* legacy: on or off */
    ORGPOLICY_LIST,    /* legacy: which values */
    ORGPOLICY_MANAGED, /* on or off, perhaps with parameters */
    ORGPOLICY_CUSTOM,  /* on or off, by a condition that the organization wrote */
};

/* The action for which a constraint is asked. */
enum orgpolicy_door {
    ORGPOLICY_ON_SERVICE,      /* a service is made or changed */
    ORGPOLICY_ON_BINDINGS,     /* an allow policy is set */
    ORGPOLICY_ON_ACCOUNT,      /* a service account is made */
    ORGPOLICY_ON_KEY,          /* a key of one is made */
    ORGPOLICY_ON_KEY_UPLOAD,   /* a key is brought */
    ORGPOLICY_ON_DEFAULT_ROLE, /* a default account is made */
    ORGPOLICY_ON_TOKEN,        /* a token is to live longer than an hour */
    ORGPOLICY_ON_API,          /* an API is switched on in a project */
    ORGPOLICY_NOWHERE,         /* known by name alone: it constrains products that are not here */
};

struct orgpolicy_constraint {
    const char *name; /* "run.allowedIngress" */
    enum orgpolicy_kind kind;
    enum orgpolicy_door door;
    bool denies_by_default; /* without any policy: false allows, or does not enforce */
    bool supports_dry_run, supports_under, supports_in;
    const char *equivalent; /* the managed or legacy twin; NULL if there is none */
    const char *title, *description;
    const char *refusal;           /* what a legacy constraint says of a violation; NULL if more
                                      has to be said (orgpolicy_text.c) */
    const char *advice;            /* what to do instead */
    const char *const *parameters; /* all lists of strings; NULL ends; NULL if there are none */
    const char *annotation;        /* of v1, that the values stand in; NULL: they stand in none */
    bool (*values_known)(struct slice value); /* of a list; NULL: any */
};

size_t orgpolicy_constraint_count(void);
const struct orgpolicy_constraint *orgpolicy_constraint_at(size_t index); /* by name */
/* NAME without "constraints/". NULL if it is unknown or custom. */
const struct orgpolicy_constraint *orgpolicy_constraint_find(struct slice name);
/* The constraints that are known by name alone (orgpolicy_kept.c): used by the functions below. */
extern const struct orgpolicy_constraint orgpolicy_kept[];
extern const size_t orgpolicy_kept_count;
/* "custom.NAME" in a valid form. */
bool orgpolicy_is_custom(struct slice name);
/* The row of every custom constraint; its name is known to the caller. */
extern const struct orgpolicy_constraint orgpolicy_custom;

/* ---- what a policy says ---- */

struct orgpolicy_parameter {
    struct slice name;
    bool is_list; /* of strings; anything else does not fit */
    const struct slice *values;
    size_t count;
};

struct orgpolicy_rule {
    bool has_enforce, enforce;
    bool allow_all, deny_all;
    bool has_values;
    const struct slice *allowed, *denied;
    size_t allowed_count, denied_count;
    bool has_parameters;
    const struct orgpolicy_parameter *parameters;
    size_t parameter_count;
    struct slice condition, program; /* empty: always. The program is made by the check */
};

struct orgpolicy_spec {
    bool inherit, reset;
    struct orgpolicy_rule *rules;
    size_t count;
};

/*
 * Whether CONSTRAINT can have SPEC, and compiles its conditions into ARENA. INVALID_ARGUMENT, with
 * the field under PREFIX ("spec") named, on failure.
 */
bool orgpolicy_spec_check(struct arena *arena, const struct orgpolicy_constraint *constraint,
                          struct orgpolicy_spec *spec, const char *prefix, struct error *err);

/* ---- conditions (orgpolicy_condition.c) ---- */

enum { ORGPOLICY_SUBEXPRESSIONS_MAX = 10 };

/*
 * Whether a condition is one that a policy can have: 1 to 10 calls of resource.matchTag and its
 * like, or the constants true and false, joined by && and || (Google: "Setting an organization
 * policy with tags").
 */
bool orgpolicy_condition_about_tags(struct arena *arena, struct slice source);
/*
 * SOURCE with resource.matchTagId('tagKeys/1', 'tagValues/2') where it has the old name of that,
 * resource.matchLabels('labelKeys/1', 'labelValues/2'). Everything else as it was. In ARENA.
 */
struct slice orgpolicy_condition_modern(struct arena *arena, struct slice source);

/* ---- what holds at a node ---- */

/* Policies of one constraint, from the node upwards; nodes without one are left out. */
struct orgpolicy_level {
    const struct orgpolicy_spec *spec;
    const char *node; /* that it is set on */
};

/*
 * How many of LEVELS, from the nearest on, have a say; the others are overruled. *by_default: none
 * has, so the constraint's default is in force.
 */
size_t orgpolicy_reach(const struct orgpolicy_constraint *constraint,
                       const struct orgpolicy_level *levels, size_t count, bool *by_default);

struct orgpolicy_verdict {
    bool refused;
    const char *node;                  /* whose policy refuses; NULL: the default */
    const struct orgpolicy_rule *rule; /* the one that enforces; NULL for lists and defaults */
};

/* Boolean, managed and custom constraints: is it enforced for the resource of ENV? */
struct orgpolicy_verdict orgpolicy_enforced(const struct orgpolicy_constraint *constraint,
                                            const struct orgpolicy_level *levels, size_t count,
                                            const struct cel_env *env, struct arena *arena);

/*
 * List constraints. MATCHES tells whether a listed value (its "is:" taken off) means the value that
 * is asked about.
 */
struct orgpolicy_verdict orgpolicy_list_decide(const struct orgpolicy_constraint *constraint,
                                               const struct orgpolicy_level *levels, size_t count,
                                               const struct cel_env *env, struct arena *arena,
                                               bool (*matches)(void *ctx, struct slice listed),
                                               void *ctx);
/* MATCHES for a plain value: CTX is a struct slice. */
bool orgpolicy_same_value(void *ctx, struct slice listed);

/* ---- members ---- */

/* A member of a binding, and where it belongs. */
struct orgpolicy_member {
    struct slice text;         /* "user:e@x" */
    struct slice customer;     /* "C0…"; empty: nobody's */
    const struct slice *nodes; /* "organizations/N", "projects/NUMBER": empty as well then */
    size_t node_count;
};

/* MATCHES for iam.allowedPolicyMemberDomains: CTX is a struct orgpolicy_member. */
bool orgpolicy_member_listed(void *ctx, struct slice listed);
/* Whether the parameters of iam.managed.allowedPolicyMembers let MEMBER in. */
bool orgpolicy_member_allowed(const struct orgpolicy_rule *rule,
                              const struct orgpolicy_member *member);
/* Whether ACCOUNT (an address) is made by the system for a project. */
bool orgpolicy_is_default_account(struct slice email);

/* ---- what a violation says (orgpolicy_text.c) ---- */

/* "Constraint constraints/C violated for attempting METHOD with annotation "A" set to V." VALUE
 * data NULL: null. */
/* The sentence about a value that is set by no annotation. */
const char *orgpolicy_text_value(struct arena *arena, const char *name, const char *resource,
                                 struct slice value);
const char *orgpolicy_text_annotation(struct arena *arena,
                                      const struct orgpolicy_constraint *constraint,
                                      const char *method, struct slice value, bool by_default);
/* "constraints/C": "DESCRIPTION", for the brackets in the text of the next function. */
const char *orgpolicy_text_managed(struct arena *arena, const char *name, const char *description);
const char *orgpolicy_text_denied(struct arena *arena, const char *resource, const char *list);
/* "constraints/C" or "customConstraints/custom.C". */
const char *orgpolicy_text_name(struct arena *arena, const char *name);
/* "orgpolicy:RESOURCE?configvalue=VALUE", the value URL-encoded. */
const char *orgpolicy_text_subject(struct arena *arena, const char *scheme, const char *resource,
                                   struct slice value);
