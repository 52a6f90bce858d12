/* Refusals of the past: the line of the request log that a Homerun-Denial names. */
#pragma once

#include "control/control.h"

/* "d-" and 20 characters of the alphabet that ids are made of; else INVALID_ARGUMENT. */
bool denial_id_check(const char *id, struct error *err);

/*
 * The line of the refusal ID as it was logged, owned by the caller; NULL if no log that is kept has
 * it. Reads the index and a piece of one log, whatever their lengths (ipc/denial_index.h).
 */
json_t *denial_find(const struct control *control, struct arena *arena, const char *id);
