/* Shared with allow.c alone: the rules that one binding has to keep. */
#pragma once

#include "policy/allow.h"

enum {
    PRINCIPALS_MAX = 1500,
    ROWS_MAX = 10 * PRINCIPALS_MAX, /* repetitions included: more is not even looked at */
    GROUPS_AND_DOMAINS_MAX = 250,
    SAME_GRANT_MAX = 20, /* bindings with the same role and principal, by condition */
    ROLE_BYTES_MAX = 256,
    TITLE_MAX = 100,
    DESCRIPTION_MAX = 256,
    LOCATION_MAX = 256,
};

/* Whether the grant was in the policy before: it is kept without the checks for a new one. */
struct past_grant {
    struct slice role, member;
};

struct policy_past {
    struct past_grant *grants; /* by role, then member without regard to case */
    size_t count;
};

struct policy_past policy_past_of(struct arena *arena, const struct binding *before, size_t count);

bool policy_check_role(enum policy_node node, struct slice role, const struct policy_past *past,
                       const struct policy_directory *directory, struct error *err);
/* Gives MEMBER in its normal form. */
bool policy_check_member(struct arena *arena, enum policy_node node, struct slice role,
                         struct slice text, const struct policy_past *past,
                         const struct policy_directory *directory, struct member *out,
                         struct error *err);
/* Gives the condition with its program; all empty if there is none. */
bool policy_check_condition(struct arena *arena, struct slice role,
                            const struct condition *condition, struct condition *out,
                            struct error *err);
