/*
 * What counts once, whichever node is shown it: its first use leaves a mark in the record, in the
 * same change as what it gives. Changes are made one after the other on all nodes, so of two uses
 * at the same moment one finds the mark of the other. Only what succeeds leaves one: a stranger's
 * request makes no change.
 */
#pragma once

#include "control/control.h"

/* How long marks are kept beyond the end of what they are of: no clock of a node is wrong by more,
 * or it might forget too early. */
enum { ONCE_KEPT_S = 60 * 60 };

/* A thing: its purpose, its secret or name, and when it ends by the wall clock, which has to be the
 * same whoever asks. */
struct once {
    const char *purpose;
    struct slice name;
    int64_t end_us;
};

/* Whether it has been used, as far as this node knows now. */
bool once_is_used(struct control *control, const struct once *once);
/* Uses it up, in the running change. INVALID_ARGUMENT if it has been used. */
bool once_use(struct control *control, const struct once *once, struct error *err);
