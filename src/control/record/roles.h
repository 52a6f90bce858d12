/* What roles give: the predefined ones, and those of the record. */
#pragma once

#include "store/store.h"

/* Whether ROLE, a predefined one or one of the record, holds PERMISSION. */
bool role_gives(struct store *store, struct slice role, struct slice permission);

/* Custom roles of the record: callback of policy_grants(). CTX: struct store. */
bool custom_role_holds(void *ctx, struct slice role, struct slice permission);
