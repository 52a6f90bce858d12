/* From a method and a path to the row of an API. */
#pragma once

#include "control/call/call.h"

struct api_table {
    const struct api_route *rows;
    const size_t *count;
};
/* All of them, in the order in which they are searched. */
extern const struct api_table api_tables[];
extern const size_t api_table_count;

/* Which rows there are depends on where the call came in (call->door). */
enum api_match { API_MATCH_NONE, API_MATCH_OTHER_VERB, API_MATCH_FOUND };
/* Finds the row for VERB and PATH, and fills the call's route and parameters. ALLOWED: verbs of the
 * path, for 405. */
enum api_match api_find_route(struct api_call *call, struct slice verb, struct slice path,
                              char allowed[64]);
