/*
 * What was shown wrongly at this node, by another browser say, and is not taken here any more: for
 * as long as such things last. Strangers cause it, so it makes no change of the record, and other
 * nodes do not know of it: there, it still counts only in the browser where it began
 * (round_trip.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct burnt; /* opaque */

enum { BURNT_S = 10 * 60, BURNT_MAX = 4096 };

struct burnt *burnt_new(void);
void burnt_free(struct burnt *burnt);
/* Beyond BURNT_MAX the oldest is forgotten. BOOT_US is clock_boot_us(), here and below. */
void burnt_note(struct burnt *burnt, struct slice name, int64_t boot_us);
bool burnt_knows(const struct burnt *burnt, struct slice name, int64_t boot_us);
