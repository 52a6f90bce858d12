/*
 * The predefined roles, generated at build time from src/policy/roles.json: names, titles,
 * permissions. Permissions are numbered, so that a role is a bit set and "does the role hold it" is
 * one test.
 */
#pragma once

#include "base/slice.h"

struct role {
    const char *name; /* "roles/run.invoker" */
    const char *title;
    const char *stage;           /* "GA", "BETA" */
    const uint16_t *permissions; /* sorted numbers */
    size_t permission_count;
};

size_t roles_count(void);
const struct role *roles_at(size_t index);        /* in the order of names */
const struct role *roles_find(struct slice name); /* NULL if it is not one of ours */

/* Number of a permission that some role holds; -1 if none does. Its name; NULL over the end. */
int permission_number(struct slice name);
const char *permission_name(size_t number);

bool role_holds(const struct role *role, struct slice permission);
/* Whether the role may be granted in the policy of a service: basic roles, and those with a
 * permission of run. */
bool role_fits_service(const struct role *role);
/* Whether the role may be granted in the policy of a door: basic roles, and those with a permission
 * of IAP's web resources. */
bool role_fits_door(const struct role *role);
/* roles/owner, roles/editor, roles/viewer: no conditions on them. */
bool role_is_basic(struct slice name);
