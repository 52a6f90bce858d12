/*
 * What a first start leaves in a data folder when it is refused: nothing that a start with another
 * record, or other keys, would take for its own.
 */
#pragma once

#include <stdbool.h>

struct first_start {
    bool is_one;    /* no record belongs to the folder yet */
    unsigned there; /* a bit for each name that an operator has put there: it stays */
};

/* Before any process starts. */
struct first_start first_start_look(const char *data);
/*
 * After all of them have ended, and none has ever served: removes what they have made, unless a
 * record belongs to the folder by now, so that its keys may be needed. Logs stay.
 */
void first_start_undo(const struct first_start *first, const char *data);
