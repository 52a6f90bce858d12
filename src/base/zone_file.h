/* The time zones of this machine (package tzdata), as the files that the tz database is compiled
 * to. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

/*
 * The file of the zone NAME ("Europe/Berlin"), as bytes. NOT_FOUND when there is no such zone;
 * FAILED_PRECONDITION when this machine has no zones at all. No file of another kind is read,
 * whatever NAME is.
 */
bool zone_file_read(struct arena *arena, struct slice name, struct slice *out, struct error *err);
