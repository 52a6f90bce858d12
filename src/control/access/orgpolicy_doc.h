/* Organization policies as documents of the record, and as what policy/orgpolicy.h works with. */
#pragma once

#include "control/call/call.h"
#include "policy/orgpolicy.h"

/*
 * A policy: NODE/policies/CONSTRAINT → {"constraint", "spec", "dryRunSpec", "updateTime",
 * "dryRunTime"}. A custom constraint: organizations/N/customConstraints/custom.NAME → as the API
 * has it.
 */
const char *orgpolicy_key(struct arena *arena, const char *node, const char *constraint);

/* PolicySpec, as field tables have it. */
extern const struct field orgpolicy_spec_fields[];

/* "organizations/N" that RESOURCE belongs to; NULL if it belongs to none. */
const char *orgpolicy_organization(struct control *control, struct arena *arena,
                                   const char *resource);

/*
 * The constraint NAME, without "constraints/", as it is known at NODE: from the table, or a custom
 * one that the organization has made. NULL if it is unknown.
 */
const struct orgpolicy_constraint *orgpolicy_constraint_at_node(struct control *control,
                                                                struct arena *arena,
                                                                const char *node, const char *name);

enum { ORGPOLICY_LEVELS_MAX = 16 };

/* The policies for one constraint, from a node upwards. */
struct orgpolicy_chain {
    struct orgpolicy_level levels[ORGPOLICY_LEVELS_MAX];
    const json_t *specs[ORGPOLICY_LEVELS_MAX]; /* the same as documents, owned by .owner */
    size_t count;
    json_t *owner;
};

static inline void orgpolicy_chain_done(struct orgpolicy_chain *chain)
{
    json_decref(chain->owner);
    *chain = (struct orgpolicy_chain){.count = 0};
}
/* Lets go of its documents at the end of its scope; starts as {0}. */
#define auto_chain __attribute__((cleanup(orgpolicy_chain_done))) struct orgpolicy_chain

/* NODE: a store key; a service starts with its project. False if the record fails. */
bool orgpolicy_chain_load(struct control *control, struct arena *arena, const char *node,
                          const struct orgpolicy_constraint *constraint, const char *name,
                          bool dry_run, struct orgpolicy_chain *out, struct error *err);

/* "projects/NUMBER" of "projects/ID"; others as they are. */
const char *orgpolicy_public_node(struct control *control, struct arena *arena, const char *node);

/*
 * Puts a policy, or removes it (BODY NULL), if ETAG (NULL: none) is that of what is there: with its
 * audit row, in a change of its own. *version: of what is now stored.
 */
bool orgpolicy_store(struct api_call *call, const char *key, const json_t *body, const char *etag,
                     int64_t *version, struct error *err);
/* Writes SPEC's conditions as they are kept: see orgpolicy_condition_modern(). */
void orgpolicy_spec_modernize(struct arena *arena, json_t *spec);
/* Checks SPEC for CONSTRAINT. */
bool orgpolicy_spec_valid(struct api_call *call, const struct orgpolicy_constraint *constraint,
                          const json_t *spec, const char *prefix, struct error *err);
/* Whether there is such a NODE; else *err. */
bool orgpolicy_node_exists(struct api_call *call, const char *node, struct error *err);
/* The spec that holds at NODE, merged: {"rules"…}, as the API shows it. Owned by the caller; NULL
 * if the record fails. */
json_t *orgpolicy_effective(struct api_call *call, const char *node,
                            const struct orgpolicy_constraint *constraint, const char *name,
                            struct error *err);
