/* The one-time link that `homerun up` shows at a terminal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Has another homerun make a link to the console for the owner of the instance with the data folder
 * DATA. Blocks, for 5 s at most. False: there is none; OUT is then undefined.
 */
bool up_link_make(const char *data, char *out, size_t size);
