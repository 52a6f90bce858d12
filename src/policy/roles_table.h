/* The tables that tools/roles_to_c.py makes from src/policy/roles.json; for roles.c alone. */
#pragma once

#include "policy/roles.h"

extern const struct role roles_table[]; /* in the order of names */
extern const size_t roles_table_count;

extern const char *const permissions_table[]; /* in the order of names; the place is the number */
extern const size_t permissions_table_count;
