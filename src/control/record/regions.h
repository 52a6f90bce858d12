/* The regions of Cloud Run. All are served here: a region is part of a name. */
#pragma once

#include <stdbool.h>

extern const char *const regions[][2]; /* {"us-central1", "Iowa"}, ends with NULL */
bool region_known(const char *region);
