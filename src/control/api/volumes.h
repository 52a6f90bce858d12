/* homerun.v1: folders of this machine that stand for buckets and NFS exports. */
#pragma once

#include "control/call/row.h"

extern const struct api_route volumes_routes[];
extern const size_t volumes_route_count;
