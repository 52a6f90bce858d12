/* Time: the wall clock for what people and tokens mean, the monotonic one for waits. */
#pragma once

#include <stdint.h>

#include "base/arena.h"

/* Microseconds since 1970-01-01T00:00:00Z. May step. */
int64_t clock_wall_us(void);

/* Microseconds since some moment. Never steps back. */
int64_t clock_mono_us(void);

/* Microseconds since boot, the same for all processes, time asleep included. Never steps back: a
 * limit that is checked by the wall clock and by this one cannot be prolonged by setting a clock.
 */
int64_t clock_boot_us(void);
/* The kernel's ID of this boot, in ARENA; "" if the kernel gives none. */
const char *clock_boot_id(struct arena *arena);
