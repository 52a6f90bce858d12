/*
 * Allow policies: bindings of members to roles, with conditions; validation on writing, evaluation
 * for admin calls. (The gate evaluates the compiled form in the index.)
 */
#pragma once

#include "policy/cel.h"
#include "policy/members.h"
#include "policy/roles.h"

struct condition {
    struct slice title, description, expression, location; /* expression "": no condition */
    struct slice program;                                  /* compiled */
};

struct binding {
    struct slice role;
    const struct slice *members; /* normal form */
    size_t member_count;
    struct condition condition;
};

/* The kind of node that a policy is attached to: the rules differ. */
enum policy_node {
    POLICY_SERVICE,
    POLICY_PROJECT,
    POLICY_FOLDER,
    POLICY_ORGANIZATION,
    POLICY_ACCOUNT,
    POLICY_TAG,    /* a key or a value */
    POLICY_SECRET, /* a secret, or a version of one */
    POLICY_DOOR,   /* of a service, a region or a project: Identity-Aware Proxy */
};

/* How the rules ask whether an account, group or role exists. Any may be NULL: then everything
 * exists. */
struct policy_directory {
    void *ctx;
    bool (*has_account)(void *ctx, struct slice email);
    bool (*has_custom_role)(void *ctx, struct slice role);
    bool (*has_pool)(void *ctx, struct slice pool);
};

/*
 * Checks what a client sent, against the policy before (whose roles and deleted members are never
 * rejected), and gives the normal form: equal (role, condition) pairs merged, members deduplicated,
 * conditions compiled; bindings by role and condition, members by name, so that equal policies have
 * equal forms. A binding without members is checked and dropped, as Google does. INVALID_ARGUMENT
 * with Google's sentence on failure.
 *
 * A grant that stood before is not asked again whether its account exists. VERSION has to be 3
 * where conditions are or were; a caller whose client sent no etag (a blind overwrite may drop
 * conditions) raises it to 3. has_pool is asked for what member_pool() gives.
 */
bool policy_normalise(struct arena *arena, enum policy_node node, const struct binding *asked,
                      size_t asked_count, const struct binding *before, size_t before_count,
                      int version, const struct policy_directory *directory, struct binding **out,
                      size_t *out_count, struct error *err);

/* The caller: every member text by which a binding may name them (themselves, groups, domain,
 * allAuthenticatedUsers, allUsers). */
struct principal_set {
    const struct slice *members;
    size_t count;
};

/*
 * Which of BINDINGS gives PERMISSION to WHO; NULL if none. ROLE_HOLDS answers for roles that are
 * not predefined (custom ones); may be NULL.
 */
const struct binding *
policy_grants(const struct binding *bindings, size_t count, const struct principal_set *who,
              struct slice permission, const struct cel_env *env, struct arena *arena,
              bool (*role_holds_custom)(void *ctx, struct slice role, struct slice permission),
              void *ctx);
