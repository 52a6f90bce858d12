/* Cookies of ours never reach a container, nor come from one (docs/access.md, S3). */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* VALUE, a line of Cookie, without ours: VALUE itself where there is none, "" if nothing is left.
 */
struct slice cookies_without_ours(struct arena *arena, struct slice value);

/* Whether VALUE, a line of Set-Cookie, would set one of ours. */
bool cookie_is_ours(struct slice value);
