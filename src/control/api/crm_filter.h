/* The filter of lists of projects (v1) and the query of searches (v2, v3): one language. */
#pragma once

#include "store/store.h"

/*
 * Terms are FIELD:VALUE, FIELD=VALUE or FIELD!=VALUE; AND, OR, NOT and parentheses join them, and
 * those that stand beside each other must all hold. Letters in any case; a VALUE may begin or end
 * with "*" and stand in quotes. INVALID_ARGUMENT for what is none of this.
 */
bool crm_filter_check(const char *filter, struct error *err);
/* Whether DOC, a node of the record, meets FILTER, which has been checked. */
bool crm_filter_holds(const char *filter, const struct store_doc *doc);
