/* Homerun's own cookies never reach a container, and a container can neither set them nor set
 * cookies for other hosts (docs/access.md, S3). */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* VALUE, a line of Cookie, without Homerun's own cookies: VALUE itself where there is none, "" if
 * nothing is left. */
struct slice cookies_without_ours(struct arena *arena, struct slice value);

/* Whether VALUE, a line of Set-Cookie, would set a cookie with one of Homerun's names. */
bool cookie_is_ours(struct slice value);

/*
 * Whether VALUE, a line of Set-Cookie, names another Domain than HOST (an authority; its port does
 * not count). A browser takes no such cookie from hosts of run.app, whose domains are on the list
 * of public suffixes (RFC 6265 section 5.3, step 5); ours are not on that list, so its siblings
 * would get it.
 */
bool cookie_is_for_others(struct slice value, struct slice host);
