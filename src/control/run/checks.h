/*
 * Checks of new revisions that are under way: the engine was asked to start an instance, and has
 * not yet said how it went.
 */
#pragma once

#include "control/control.h"

struct revision_checks; /* opaque */

/* Owned by the caller (control->checks). */
struct revision_checks *revision_checks_new(struct control *control);
void revision_checks_free(struct revision_checks *checks);

/* A check begins; ID as the store gave it to the revision, KEY its key. */
void revision_check_begin(struct control *control, uint64_t revision_id, const char *key);
/* Key of a revision that is being checked; NULL if it is not. Valid until its check ends. */
const char *revision_check_find(struct control *control, uint64_t revision_id);
void revision_check_end(struct control *control, uint64_t revision_id);

/* Asks the engine (again) about each revision that it was not asked about lately. */
void revision_checks_ask(struct control *control);
/* The engine was restarted: asks about all of them. */
void revision_checks_ask_again(struct control *control);
