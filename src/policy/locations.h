/*
 * Values of constraints/gcp.resourceLocations, as Google's "Restricting Resource Locations" lists
 * them: a region ("us-central1"), or a group of regions ("in:us-locations",
 * "in:germany-locations").
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* Whether LISTED can be a value: a location's name, or a group that is known here. */
bool location_value_known(struct slice listed);
/* Whether REGION is LISTED, or is in the group that LISTED is. */
bool location_is_in(struct slice region, struct slice listed);
