/* The time zones of this machine (package tzdata), as the files that the tz database is compiled
 * to. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

/*
 * The content of the time-zone file NAME ("Europe/Berlin"). NOT_FOUND when there is no such zone;
 * FAILED_PRECONDITION when this machine has no time zones at all. No other file is ever read, for
 * any NAME.
 */
bool zone_file_read(struct arena *arena, struct slice name, struct slice *out, struct error *err);
