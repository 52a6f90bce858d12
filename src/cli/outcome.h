/* What is said after a change of a service: whether it serves, to whom, and what is different. */
#pragma once

#include <jansson.h>

#include "cli/session.h"

/*
 * Who may invoke the service NAME, in one line: "private (3 members may invoke)", or "PUBLIC: …"
 * with the reason. Empty if the caller may not know. In the session's arena.
 */
const char *access_line(struct cli *cli, const char *name);
/* Like the function above, for a full name: "projects/P/locations/L/services/S". */
const char *access_line_of(struct cli *cli, const char *resource);
/* Prints it after "access: "; loud, at a terminal, if the service is public. BEFORE: the line as it
 * was before the change, or NULL. */
void access_line_print(struct cli *cli, const char *line, const char *before);

/* The word for a v2 service's or revision's terminal state: "yes", "no", or "…" (not known yet). */
const char *ready_word(const json_t *terminal_condition);

/* A service before and after a change, both as the API shows them. */
struct outcome {
    const char *name;
    const json_t *before; /* an empty object of a new service */
    const json_t *after;
    const char *access_before; /* access_line() before the change; NULL of a new service */
};
/*
 * Says how the change went: readiness, traffic, URLs, access and what is different. The exit
 * status: 1 only if the change made a revision that is not ready; a change that took effect while
 * an older fault goes on is a success, and the fault is named.
 */
int outcome_say(struct cli *cli, const struct outcome *outcome);
