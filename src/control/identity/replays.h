/* Names of tokens that count once (jti), for as long as such a token is taken. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct replays; /* opaque */

enum { REPLAYS_S = 10 * 60, REPLAYS_MAX = 4096 };

struct replays *replays_new(void);
void replays_free(struct replays *replays);
/* Notes JTI of ISSUER. False if it was noted within the last ten minutes. Beyond REPLAYS_MAX the
 * oldest is forgotten. */
bool replays_note(struct replays *replays, const char *issuer, struct slice jti, int64_t now_us);
