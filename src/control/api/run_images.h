/* Images of the process engine: our own API under /homerun/v1/images, used by `homerun images`. */
#pragma once

#include "control/call/row.h"

extern const struct api_route run_images_routes[];
extern const size_t run_images_route_count;
