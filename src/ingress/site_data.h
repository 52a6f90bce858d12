/*
 * Clear-Site-Data (W3C): an answer of a container may clear what its own host has in a browser, and
 * nothing else. Browsers clear cookies of the whole site, and to them all services below one domain
 * are one site: "cookies" of one service would sign people out of all the others and of the
 * sign-in.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* VALUE, a line of the field, with what reaches no other host alone; "" if nothing is left. "*" is
 * all of that. */
struct slice site_data_of_host(struct arena *arena, struct slice value);
